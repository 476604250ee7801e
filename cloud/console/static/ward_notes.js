// What a ward owes, on its own view: observations that are due, and beds without a nurse.

import { el, text } from "./dom.js";
import { call } from "./net.js";

const REFRESH_MS = 60000;

export class WardNotes {
  constructor(ward) {
    const path = `/api/wards/${encodeURIComponent(ward)}`;
    this.due = el("a", { class: "due-now", href: `#/round/${encodeURIComponent(ward)}` });
    this.free = el("span", { class: "soft" });
    this.nodes = [this.due, this.free];
    const load = () => {
      call(`${path}/observations/due`).then((found) => this.showDue(found), () => text(this.due, ""));
      call(`${path}/beds`).then((found) => this.showFree(found), () => text(this.free, "Assigned beds are unknown"));
    };
    this.timer = setInterval(load, REFRESH_MS);
    load();
  }

  showDue({ due, down }) {
    text(this.due, !due || down ? "" : `${due} ${due === 1 ? "observation" : "observations"} due`);
  }

  // A ward that assigns no beds at all has it in small.
  showFree({ everybodys, beds }) {
    const some = everybodys.length > 0 && everybodys.length < beds.length;
    this.free.className = some ? "free-beds" : "soft";
    text(this.free, everybodys.length ? (some ? `Not assigned: ${everybodys.join(", ")}` : "No bed is assigned") : "");
  }

  close() {
    clearInterval(this.timer);
  }
}
