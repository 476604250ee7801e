// What a ward prints: its patients for the time when the system is down, and the hand-over report.

import { el } from "./dom.js";

export class PrintScreen {
  constructor(main, context) {
    const ward = context.ward.name;
    main.append(el("section", { class: "view" },
      el("h1", {}, `Printouts of ward ${ward.toUpperCase()}`),
      el("p", { class: "lead" }, "Each patient with bed, NEWS2, last values and their times, limits, alarms and nurse, a line to write on, and who is on duty. Print it before a planned downtime."),
      el("p", {}, el("a", { class: "primary", href: `/print/${encodeURIComponent(ward)}`, target: "_blank", rel: "noopener" }, "Open the printout")),
      el("p", { class: "lead" }, "For an unplanned one Wardwatch can write the same every few minutes as a file to a computer at the ward (CONSOLE_PRINTOUTS): it opens in any browser without Wardwatch."),
      context.isNurse(ward) && el("p", {}, el("a", { class: "primary", href: `/handover/${encodeURIComponent(ward)}`, target: "_blank", rel: "noopener" }, "Open the hand-over report")),
      context.isNurse(ward) && el("p", { class: "lead" }, "Of each patient the last twelve hours: worst and present values, NEWS2, incidents and answers, changed limits, gaps, and observations that are due.")));
  }

  close() {}
}
