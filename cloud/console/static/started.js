// Plain script before all modules: a page that does not start, or that stops drawing, says so within five seconds.
// The page calls `wardwatchBeats(time of its last drawing)` each second.
(() => {
  const LATE_MS = 4500;
  let beaten = performance.now();
  let shown = beaten;
  let started = false;
  // A page in the background draws nothing, and is not looked at.
  const isLate = () => performance.now() - Math.max(beaten, shown) > LATE_MS;

  function say(words) {
    const line = document.getElementById("dead");
    if (!line || !line.hidden) return;
    const again = document.createElement("a");
    again.href = "/";
    again.textContent = "Load it again";
    line.replaceChildren(`${words} Watch the patients at the bedside. `, again);
    line.hidden = false;
    document.body.classList.add("dead");
    document.title = "Not working · Wardwatch";
  }

  window.wardwatchBeats = (at) => {
    beaten = at;
    if (isLate()) return;
    started = true;
    const line = document.getElementById("dead");
    if (line.hidden) return;
    line.hidden = true;
    document.body.classList.remove("dead");
    document.title = "Wardwatch";
  };

  // A module that cannot be read, or that ends with an error while it loads.
  addEventListener("error", (event) => {
    if (!started && (event.target instanceof HTMLScriptElement || event.error)) addEventListener("DOMContentLoaded", () => say("This page did not start."), { once: true });
    if (!started && document.readyState !== "loading") say("This page did not start.");
  }, true);

  setInterval(() => {
    if (document.hidden) shown = performance.now();
    else if (isLate()) say(started ? "This page has stopped." : "This page did not start.");
  }, 500);
})();
