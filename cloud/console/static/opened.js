// Tells that a link's page was opened in a browser that shows it: a scanner that only fetches the page does not run this.
const posted = () => fetch(`${location.pathname}/opened`, { method: "POST" }).catch(() => {});
if (document.visibilityState === "visible") posted();
else document.addEventListener("visibilitychange", posted, { once: true });
