// Date and time on whatever is printed: ages such as "3 s ago" mean nothing on paper.

import { el } from "./dom.js";

const format = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });

export function stampPrints(context) {
  const line = el("p", { class: "printed" });
  document.body.prepend(line);
  const stamp = () => {
    const { ward } = context;
    const state = ward?.lostSince || ward?.down ? " · old values: no connection" : "";
    line.textContent = `Wardwatch${ward ? ` · ward ${ward.name.toUpperCase()}` : ""} · printed ${format.format(ward?.now() ?? Date.now())}${state}`;
  };
  stamp();
  addEventListener("beforeprint", stamp);
}
