// Assigned beds: tap a nurse, then the beds. What is assigned to nobody is said first, as its alarms call everybody.

import { ask, el, field, text, toast } from "./dom.js";
import { call } from "./net.js";
import { unassigned } from "./unassigned.js";
import { day, short } from "./words.js";

const REFRESH_MS = 30000;

export class BedsScreen {
  constructor(main, context) {
    this.main = main;
    this.context = context;
    this.ward = context.ward.name;
    this.path = `/api/wards/${encodeURIComponent(this.ward)}/beds`;
    this.may = context.isNurse(this.ward);
    this.chosen = new Set();
    this.nurse = null;
    this.timer = setInterval(() => { if (!this.chosen.size && this.nurse === null) this.load(); }, REFRESH_MS);
    this.load();
  }

  async load() {
    try {
      this.show(await call(this.path));
    } catch (error) {
      this.main.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  name(id) {
    return this.found.contacts.find((one) => one.contact === id)?.name ?? id;
  }

  show(found) {
    this.found = found;
    this.chosen.clear();
    this.nurse = null;
    const of = (id) => found.beds.filter((one) => one.nurse === id).map((one) => one.bed);
    const nurses = found.contacts.map((one) => el(this.may ? "button" : "div", {
      class: "place", type: "button", "aria-pressed": "false", "data-contact": one.contact, onclick: () => this.pick(one.contact),
    }, el("span", { class: "bed" }, one.name), el("span", { class: "soft" }, [found.charge.includes(one.contact) ? "charge nurse" : "", of(one.contact).join(", ") || "no bed", `until ${short(one.end)}`].filter(Boolean).join(" · "))));
    const beds = found.beds.map((one) => el(this.may ? "button" : "div", { class: "place", type: "button", "aria-pressed": "false", "data-bed": one.bed, onclick: () => this.toggle(one.bed) },
      el("span", { class: "bed" }, one.bed), el("span", {}, this.patient(one.bed)),
      el("span", { class: one.nurse ? "" : "soft" }, one.nurse ? `${this.name(one.nurse)}${one.covers ? ` for ${this.name(one.covers)}` : ""}` : "not assigned"),
      one.buddy ? el("span", { class: "soft" }, `buddy ${this.name(one.buddy)}`) : null, one.end ? el("span", { class: "soft" }, `until ${day(one.end)}`) : null));
    this.buttons = { nurses: [...nurses], beds: [...beds] };
    this.buddy = field("Buddy", { name: "buddy", options: [["", "No buddy"], ...found.contacts.map((one) => [one.contact, one.name])], value: "" });
    this.go = el("button", { class: "primary", type: "button", disabled: true, onclick: () => this.assign() }, "Assign");
    const steps = this.may && found.contacts.length;
    this.main.replaceChildren(el("section", { class: "view", "aria-label": "Beds" },
      el("div", { class: "tools" }, el("h1", {}, `Beds of ward ${this.ward.toUpperCase()}`), this.may ? el("button", { onclick: () => this.take() }, "Take beds for 20 min") : null),
      el("p", { class: `free-beds ${found.everybodys.length ? "" : "none"}`, role: "status" }, unassigned(found)),
      el("p", { class: "soft" }, found.charge.length ? `Charge nurse: ${found.charge.map((id) => this.name(id)).join(", ")}` : "No charge nurse is on duty."),
      el("h2", {}, steps ? "1. Choose a nurse" : "On duty"),
      found.contacts.length ? el("div", { class: "places wide-places", role: "group", "aria-label": "On duty" }, nurses) : el("p", { class: "soft" }, "Nobody is on duty: see the rota."),
      el("h2", {}, steps ? "2. Choose beds" : "Beds"),
      el("div", { class: "places wide-places", role: "group", "aria-label": "Assigned beds" }, beds),
      steps ? el("div", { class: "act-bar" }, this.buddy, this.go, el("button", { type: "button", onclick: () => this.free() }, "Make beds everybody's")) : null));
  }

  patient(bed) {
    return [...this.context.ward.tiles.values()].find((tile) => tile.bed === bed)?.name ?? "";
  }

  pick(contact) {
    if (!this.may) return;
    this.nurse = this.nurse === contact ? null : contact;
    for (const button of this.buttons.nurses) button.setAttribute("aria-pressed", String(button.dataset.contact === this.nurse));
    this.label();
  }

  toggle(bed) {
    if (!this.may) return;
    if (!this.chosen.delete(bed)) this.chosen.add(bed);
    for (const button of this.buttons.beds) button.setAttribute("aria-pressed", String(this.chosen.has(button.dataset.bed)));
    this.label();
  }

  label() {
    const count = this.chosen.size;
    this.go.disabled = !count || this.nurse === null;
    text(this.go, count && this.nurse !== null ? `Assign ${count} ${count === 1 ? "bed" : "beds"} to ${this.name(this.nurse)}` : "Assign");
  }

  async put(nurse) {
    const buddy = nurse && (this.buddy.querySelector("select").value || null);
    try {
      this.show(await call(this.path, { method: "PUT", body: { version: this.found.version, beds: [...this.chosen], nurse, buddy } }));
      toast(nurse ? "Beds assigned" : "Beds are everybody's");
    } catch (error) {
      toast(error.message);
    }
  }

  async assign() {
    await this.put(this.nurse);
  }

  async free() {
    if (this.chosen.size) await this.put(null);
    else toast("Choose beds first");
  }

  take() {
    const people = this.found.contacts.map((one) => [one.contact, one.name]);
    ask({
      title: "Take beds for 20 minutes",
      action: "Take",
      body: el("div", { class: "columns" }, field("Beds of", { name: "of", options: people }), field("Taken by", { name: "by", options: people })),
      send: async (form) => {
        this.show(await call(`${this.path}/take`, { method: "POST", body: { of: form.get("of"), by: form.get("by") } }));
        toast("Beds taken for 20 minutes");
      },
    });
  }

  close() {
    clearInterval(this.timer);
  }
}
