// Web Push for the recipient of a link: the button of the page that follows an answer.
import { subscribe, supported } from "./push.js";

const button = document.getElementById("push");
const line = document.getElementById("pushed");
button.hidden = !supported();
button.addEventListener("click", async () => {
  try {
    const answer = await fetch(`${location.pathname}/push`, { method: "POST", body: new URLSearchParams(await subscribe(button.dataset.key)) });
    line.textContent = answer.ok ? button.dataset.saved : button.dataset.refused;
  } catch (error) {
    line.textContent = error.message;
  }
});
