// A roster file: what it would change on this ward, and the change once a person has seen it.

import { el, toast } from "./dom.js";
import { call } from "./net.js";

const EFFECT = { admit: "admitted", change: "changed", same: "as it is", left: "left before", refused: "refused" };
const FACT = { born: "date of birth", cadence_s: "seconds between readings", cuff_s: "seconds between cuff pressures", news2: "NEWS2 alarms", overrides: "limits", profile: "limit profile", scale2: "SpO₂ scale 2" };
const word = (fact) => FACT[fact] ?? fact;

export class RosterScreen {
  constructor(main, context) {
    this.ward = context.ward.name;
    this.path = `/api/wards/${encodeURIComponent(this.ward)}/roster`;
    this.csv = "";
    this.plan = el("div", { class: "view", role: "status" });
    this.wrong = el("p", { class: "problem", role: "alert", hidden: true });
    const id = "roster-text";
    this.text = el("textarea", { id, class: "roster", spellcheck: false, rows: 5 });
    const file = el("input", { id: "roster-file", type: "file", accept: ".csv,text/csv" });
    file.addEventListener("change", async () => {
      if (!file.files.length) return;
      this.text.value = await file.files[0].text();
      this.preview();
    });
    main.append(el("section", { class: "view" },
      el("h1", {}, `Roster file of ward ${this.ward.toUpperCase()}`),
      el("p", { class: "lead" }, "A file never changes limits, profile, SpO₂ scale or oxygen of a patient who is here, and never admits a patient again who was discharged. Nothing changes before you have seen what would."),
      el("div", { class: "panel" },
        el("div", { class: "field" }, el("label", { htmlFor: "roster-file" }, "CSV file"), file),
        el("div", { class: "field" }, el("label", { htmlFor: id }, "or its text: patient, name, ward, bed, gateway, devices; may have born, phone, address, profile …"), this.text),
        el("div", { class: "buttons" }, el("button", { class: "primary", type: "button", onclick: () => this.preview() }, "Show what it would change"))),
      this.wrong, this.plan));
  }

  async preview() {
    this.wrong.hidden = true;
    this.csv = this.text.value;
    try {
      this.show(await call(`${this.path}/preview`, { method: "POST", body: { csv: this.csv } }));
      this.plan.scrollIntoView({ block: "start" });
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error) {
    this.plan.replaceChildren();
    this.wrong.textContent = error.message;
    this.wrong.hidden = false;
  }

  show({ errors, steps, seen }) {
    if (errors.length) {
      this.plan.replaceChildren(el("h2", {}, `The file has ${errors.length} ${errors.length === 1 ? "error" : "errors"}: nothing is loaded`), el("ul", { class: "panel" }, errors.map((error) => el("li", {}, error))));
      return;
    }
    const count = (effect) => steps.filter((step) => step.effect === effect).length;
    const writes = count("admit") + count("change");
    const rows = steps.map((step) => el("tr", {}, el("td", {}, step.line), el("th", { scope: "row" }, step.name, el("span", { class: "soft" }, ` ${step.patient}`)), el("td", {}, el("span", { class: "kind", "data-kind": step.effect }, EFFECT[step.effect])),
      el("td", {}, Object.entries(step.changes).map(([fact, [old, made]]) => el("div", {}, `${word(fact)}: ${old || "–"} → ${made || "–"}`)), step.effect === "admit" ? el("div", {}, `to bed ${step.bed}`) : null, step.reason ? el("div", {}, step.reason) : null, step.kept.length ? el("div", { class: "soft" }, `stays as set at the bed: ${step.kept.map(word).join(", ")}`) : null)));
    const words = Object.keys(EFFECT).filter(count).map((effect) => `${count(effect)} ${EFFECT[effect]}`).join(", ");
    this.plan.replaceChildren(
      el("h2", {}, `Would change: ${words || "nothing"}`),
      el("div", { class: "wide panel", tabIndex: 0, role: "region", "aria-label": "Effect of each row" }, el("table", { class: "stack" }, el("thead", {}, el("tr", {}, ["Line", "Patient", "Effect", "Change"].map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, rows))),
      el("div", { class: "buttons" }, el("button", { class: "primary", type: "button", disabled: !writes, onclick: (event) => this.apply(seen, event.target) }, writes ? `Write ${writes} ${writes === 1 ? "row" : "rows"}` : "Nothing to write")));
  }

  async apply(seen, button) {
    button.disabled = true;
    try {
      const { written } = await call(this.path, { method: "POST", body: { csv: this.csv, seen } });
      toast(`${written} ${written === 1 ? "row" : "rows"} written`);
      await this.preview();
    } catch (error) {
      this.fail(error);
    }
  }

  close() {}
}
