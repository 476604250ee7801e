// Web Push for the recipient of a link: the button of the page that follows an acknowledgement.
import { subscribe, supported } from "./push.js";

const button = document.getElementById("push");
const line = document.getElementById("pushed");
button.hidden = !supported();
button.addEventListener("click", async () => {
  try {
    const answer = await fetch(`${location.pathname}/push`, { method: "POST", body: new URLSearchParams(await subscribe(button.dataset.key)) });
    line.textContent = answer.ok ? "Alarms of the next 24 hours come to this device, too." : "Not saved: alarms come by SMS and e-mail as before.";
  } catch (error) {
    line.textContent = error.message;
  }
});
