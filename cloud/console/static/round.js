// The round: whom to observe next, and charting in two taps.

import { attribute, el, text, toast } from "./dom.js";
import { call } from "./net.js";
import { age, ago } from "./words.js";

const REFRESH_MS = 30000;
const SOON_MS = 30 * 60000;
const HOUR_MS = 3600000;
export const MIND = [["A", "alert"], ["C", "new confusion"], ["V", "voice"], ["P", "pain"], ["U", "unresponsive"]];
const INPUT = { rr: "respiratory rate", spo2: "oxygen saturation", sbp: "blood pressure", pulse: "pulse", temp: "temperature" };

// Buttons of which one is pressed; `chosen` is told of each press.
export function choice(label, options, value, chosen) {
  const buttons = options.map(([key, name, says]) => el("button", {
    type: "button", "aria-pressed": String(key === value), "aria-label": says, title: says,
    onclick: () => {
      for (const [i, [other]] of options.entries()) buttons[i].setAttribute("aria-pressed", String(other === key));
      chosen(key);
    },
  }, name));
  return el("div", { class: "pick-group", role: "group", "aria-label": label }, buttons);
}

class Row {
  constructor(screen, one) {
    this.screen = screen;
    this.mind = null;
    this.may = screen.may;
    this.due = el("span", { class: "due" });
    this.last = el("span", { class: "soft" });
    this.score = el("span", {});
    this.ask = el("div", { class: "soft" });
    this.node = el("li", { class: "row-card" },
      el("div", { class: "who-is" }, el("a", { class: "bed", href: `#/patient/${encodeURIComponent(one.patient)}` }, one.bed), " ", el("span", { class: "name" }, one.name)), el("div", { class: "of-score" }, this.score, this.ask),
      el("div", { class: "due-part" }, this.due, el("div", {}, this.last)));
    if (this.may) this.node.append(this.picks = el("div", { class: "pick" }));
    this.one = one;
    this.draw();
  }

  draw() {
    const { one } = this;
    this.oxygen = one.oxygen;
    this.mind = null;
    if (!this.may) return;
    this.send = el("button", { class: "primary", type: "button", disabled: true, onclick: () => this.chart() }, "Chart");
    this.picks.replaceChildren(
      choice(`Consciousness, bed ${one.bed}`, MIND.map(([key, says]) => [key, key, `${key}: ${says}`]), null, (key) => { this.mind = key; this.name(); }),
      choice(`Oxygen, bed ${one.bed}`, [[false, "Air", "On air"], [true, "O₂", "On supplemental oxygen"]], one.oxygen, (on) => { this.oxygen = on; this.name(); }),
      this.send);
    this.name();
  }

  get touched() {
    return this.mind !== null || this.oxygen !== this.one.oxygen;
  }

  name() {
    this.send.disabled = !this.touched;
    const words = [this.mind && MIND.find(([key]) => key === this.mind)[1], this.touched && (this.oxygen ? "on O₂" : "on air")].filter(Boolean);
    text(this.send, words.length ? `Chart: ${words.join(", ")}` : "Chart");
    attribute(this.send, "aria-label", `${words.length ? `Chart ${words.join(", ")}` : "Chart"}, bed ${this.one.bed}`);
  }

  async chart() {
    const { one } = this;
    const body = {};
    if (this.mind) body.consciousness = this.mind;
    if (this.oxygen !== one.oxygen || this.mind) body.oxygen = this.oxygen;
    this.send.disabled = true;
    try {
      await call(`/api/patients/${encodeURIComponent(one.patient)}/chart`, { method: "POST", body });
      toast(`Charted: ${one.bed}, ${one.name}`);
      this.one = { ...one, oxygen: this.oxygen };
      this.draw();
      await this.screen.load();
    } catch (error) {
      toast(error.message);
      this.send.disabled = false;
    }
  }

  update(one, now) {
    const changed = one.oxygen !== this.one.oxygen;
    this.one = one;
    if (changed && !this.mind) this.draw();
    text(this.score, one.score === null ? (one.every_h === null ? "No NEWS2 at this age: as the ward decides" : "No NEWS2 yet") : `NEWS2 ${one.score}${one.incomplete ? ", incomplete" : ""} · ${one.continuous ? "continuous, person hourly" : `every ${one.every_h} h`}`);
    text(this.ask, one.measure.length ? `Measure: ${one.measure.map((input) => INPUT[input] ?? input).join(", ")}` : "");
    text(this.last, one.charted === null ? "never observed here" : `${one.consciousness ?? ""} charted ${ago(now - one.charted)}`);
    this.tick(now);
  }

  tick(now) {
    const { due } = this.one;
    const left = due === null ? null : due - now;
    text(this.due, left === null ? "" : left <= 0 ? `due since ${age(-left)}` : `due in ${age(left)}`);
    attribute(this.node, "data-due", left === null ? "none" : left <= 0 ? "over" : left < SOON_MS ? "soon" : "later");
  }
}

export class RoundScreen {
  constructor(main, context) {
    this.context = context;
    this.ward = context.ward.name;
    this.may = context.isNurse(this.ward);
    this.rows = new Map();
    this.head = el("p", { class: "lead", role: "status" });
    this.wrong = el("p", { class: "problem", role: "alert", hidden: true });
    this.list = el("ul", { class: "rows" });
    main.append(el("section", { class: "view" },
      el("h1", {}, `Observations of ward ${this.ward.toUpperCase()}`), this.head, this.wrong, this.list,
      el("p", { class: "soft" }, "Frequencies of NEWS2 (Royal College of Physicians 2017): 0: 12 h; 1 to 4: 4 h; 3 in one input, or 5 and more: 1 h; 7 and more: continuous monitoring. Consciousness older than 6 h no longer counts in the score.")));
    this.timers = [setInterval(() => this.load(), REFRESH_MS), setInterval(() => this.tick(), 1000)];
    this.load();
  }

  async load() {
    let found;
    try {
      found = await call(`/api/wards/${encodeURIComponent(this.ward)}/observations`);
    } catch (error) {
      this.wrong.textContent = `${error.message} What is shown may be old.`;
      this.wrong.hidden = false;
      return;
    }
    this.wrong.hidden = !found.down;
    if (found.down) this.wrong.textContent = "The monitoring service does not answer: scores are old.";
    this.offset = found.now - Date.now();
    const known = new Set(found.rows.map((one) => one.patient));
    for (const [patient, row] of this.rows) {
      if (known.has(patient)) continue;
      row.node.remove();
      this.rows.delete(patient);
    }
    for (const one of found.rows) {
      if (!this.rows.has(one.patient)) this.rows.set(one.patient, new Row(this, one));
      this.rows.get(one.patient).update(one, found.now);
    }
    this.place(found.rows.map((one) => this.rows.get(one.patient)));
    this.tick();
  }

  // Nothing moves under a finger: the order waits while a choice is open or the keyboard is in the list.
  place(wanted) {
    const held = this.list.childElementCount === wanted.length && ([...this.rows.values()].some((row) => this.may && row.touched) || this.list.contains(document.activeElement) || this.list.matches(":hover"));
    if (!held) this.list.replaceChildren(...wanted.map((row) => row.node));
  }

  tick() {
    const now = Date.now() + (this.offset ?? 0);
    let over = 0;
    let soon = 0;
    for (const row of this.rows.values()) {
      row.tick(now);
      over += row.node.dataset.due === "over";
      soon += row.one.due !== null && row.one.due > now && row.one.due - now < HOUR_MS;
    }
    if (this.rows.size) text(this.head, `${over} due now, ${soon} more within the hour`);
    else if (this.offset !== undefined) text(this.head, "No patient on this ward.");
  }

  close() {
    for (const timer of this.timers) clearInterval(timer);
  }
}
