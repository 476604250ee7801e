// Beds that no nurse has: their alarms call everybody who is on duty first.

import { el, text } from "./dom.js";
import { call } from "./net.js";

const REFRESH_MS = 60000;

export function unassigned({ everybodys, beds }) {
  if (!beds.length) return "";
  if (!everybodys.length) return "Each bed has a nurse.";
  const all = everybodys.length === beds.length;
  return all ? "No bed is assigned: alarms of each bed go to all who are on duty first." : `Not assigned: ${everybodys.join(", ")}. Their alarms go to all who are on duty first.`;
}

// One line for the ward's own view; a ward that assigns no beds at all has it in small.
export class UnassignedLine {
  constructor(ward) {
    this.node = el("p", { class: "soft", role: "status" });
    this.path = `/api/wards/${encodeURIComponent(ward)}/beds`;
    this.timer = setInterval(() => this.load(), REFRESH_MS);
    this.load();
  }

  async load() {
    try {
      const found = await call(this.path);
      const some = found.everybodys.length > 0 && found.everybodys.length < found.beds.length;
      this.node.className = some ? "free-beds" : "soft";
      text(this.node, found.everybodys.length ? (some ? `Not assigned: ${found.everybodys.join(", ")}` : "No bed is assigned") : "");
    } catch {
      text(this.node, "Assigned beds are unknown");
    }
  }

  close() {
    clearInterval(this.timer);
  }
}
