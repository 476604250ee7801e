// The audit log in sentences: who did what, to whom, when. Lines can be added, never changed or removed.

import { el, field } from "./dom.js";
import { call } from "./net.js";
import { day } from "./words.js";

const HOUR_MS = 3600000;
const PERIODS = [["1", "last hour"], ["12", "last 12 hours"], ["24", "last 24 hours"], ["168", "last 7 days"], ["", "all"]];

export class AuditScreen {
  constructor(main, context) {
    this.context = context;
    this.lines = [];
    this.body = el("tbody");
    this.count = el("p", { class: "soft", role: "status" });
    this.wrong = el("p", { class: "problem", role: "alert", hidden: true });
    this.older = el("button", { type: "button", hidden: true, onclick: () => this.load(true) }, "Older lines");
    this.export = el("a", { class: "plain", href: "/api/audit.csv", download: "wardwatch-audit.csv" }, "Export as CSV");
    const wards = context.me.wards.map(({ ward }) => [ward, ward.toUpperCase()]);
    this.form = el("form", { class: "filters", role: "search", "aria-label": "Filter" },
      field("Person", { name: "user" }), field("Patient id", { name: "patient" }), field("Ward", { name: "ward", options: [["", "all wards"], ...wards], value: "" }),
      field("Time", { name: "period", options: PERIODS, value: "24" }), el("button", { class: "primary", type: "submit" }, "Show"), this.export);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.load(false);
    });
    main.append(el("section", { class: "view" }, el("h1", {}, "Audit log"), this.form, this.wrong, this.count,
      el("div", { class: "wide panel", tabIndex: 0, role: "region", "aria-label": "Audit log" }, el("table", { class: "stack log-lines" }, el("thead", {}, el("tr", {}, ["When", "Who", "Did", "Ward", "From"].map((name) => el("th", { scope: "col" }, name)))), this.body)),
      el("div", { class: "buttons" }, this.older)));
    this.load(false);
  }

  query(before) {
    const chosen = Object.fromEntries(new FormData(this.form));
    const wanted = new URLSearchParams();
    for (const name of ["user", "patient", "ward"]) if (chosen[name].trim()) wanted.set(name, chosen[name].trim());
    if (chosen.period) wanted.set("since", String(Math.max(0, Math.floor((this.context.ward?.now() ?? Date.now()) - Number(chosen.period) * HOUR_MS))));
    if (before) wanted.set("before", String(before));
    return wanted;
  }

  async load(more) {
    const last = more ? this.lines.at(-1) : null;
    this.export.href = `/api/audit.csv?${this.query()}`;
    try {
      // Several lines may have one time: those already shown are left out.
      const found = await call(`/api/audit?${this.query(last && last.t + 1)}`);
      const known = new Set(more ? this.lines.map((line) => JSON.stringify(line)) : []);
      const fresh = found.filter((line) => !known.has(JSON.stringify(line)));
      this.lines = more ? [...this.lines, ...fresh] : found;
      const rows = fresh.map((line) => el("tr", {}, el("td", {}, el("time", { title: line.detail }, day(line.t))), el("th", { scope: "row" }, line.who), el("td", {}, line.did), el("td", {}, line.ward?.toUpperCase() ?? ""), el("td", { class: "soft" }, line.address)));
      if (more) this.body.append(...rows);
      else this.body.replaceChildren(...rows);
      this.older.hidden = found.length < 200;
      this.count.textContent = `${this.lines.length} ${this.lines.length === 1 ? "line" : "lines"}, newest first. Lines can be added, never changed or removed.`;
      this.wrong.hidden = true;
    } catch (error) {
      this.wrong.textContent = error.message;
      this.wrong.hidden = false;
    }
  }

  close() {}
}
