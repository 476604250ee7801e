// Admission: wristband, name, date of birth, bed; or an unknown patient in one tap on a free bed.

import { el, field, text, toast } from "./dom.js";
import { call } from "./net.js";

const YEARS = [[16, "adult"], [12, "adolescent"], [3, "child"], [1, "toddler"], [0, "infant"]];

// The service decides; this only shows its answer before the press.
export function profileOf(born, today) {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(born)) return null;
  const full = Number(today.slice(0, 4)) - Number(born.slice(0, 4)) - (today.slice(5) < born.slice(5) ? 1 : 0);
  return YEARS.find(([least]) => Math.max(0, full) >= least)?.[1] ?? null;
}

export class AdmissionScreen {
  constructor(main, context) {
    this.main = main;
    this.context = context;
    this.ward = context.ward.name;
    this.bed = null;
    this.load();
  }

  async load() {
    try {
      this.known = await call(`/api/wards/${encodeURIComponent(this.ward)}/places`);
      this.show();
    } catch (error) {
      this.main.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  show() {
    const free = this.known.places.filter((place) => place.patient === null);
    const input = (label, props) => {
      const made = field(label, props);
      return [made, made.querySelector("input,select")];
    };
    const [idBox, id] = input("Patient id, as on the wristband", { name: "patient", required: true });
    const [nameBox] = input("Name", { name: "name", required: true });
    const [bornBox, born] = input("Date of birth, YYYY-MM-DD", { name: "born", placeholder: "1958-03-21", inputMode: "numeric", pattern: "\\d{4}-\\d{2}-\\d{2}" });
    const [otherBox, other] = input("Bed", { name: "bed", required: true });
    const [profileBox, profile] = input("Limits", { name: "profile", options: [["", "by age"], ...this.known.profiles.map((name) => [name, name])], value: "" });
    const [gatewayBox, gateway] = input("Gateway", { name: "gateway" });
    const [devicesBox, devices] = input("Monitor and other devices", { name: "devices", placeholder: "scan or type, such as mon-7" });
    this.implied = el("p", { class: "soft", role: "status" });
    this.wrong = el("p", { class: "problem", role: "alert", hidden: true });
    this.go = el("button", { class: "primary", type: "submit" }, "Admit");
    this.asked = el("p", { class: "note", hidden: true }, "Without a date of birth, choose the limits.");
    const today = () => new Date(this.context.ward.now()).toISOString().slice(0, 10);
    const places = free.map((place) => el("button", { class: "place", type: "button", "aria-pressed": "false", "data-bed": place.bed, onclick: () => { other.value = place.bed; chosen(); id.focus(); } }, el("span", { class: "bed" }, place.bed), el("span", { class: "soft" }, place.devices.join(" ") || "no monitor")));
    const spots = free.map((place, i) => el("div", { class: "spot" }, places[i], el("button", { class: "unknown", type: "button", "aria-label": `Unknown adult to ${place.bed}`, disabled: !place.devices.length, onclick: () => this.post("/api/patients/unknown", { ward: this.ward, bed: place.bed }) }, "Unknown adult")));
    const chosen = () => {
      for (const button of places) button.setAttribute("aria-pressed", String(button.dataset.bed === other.value));
      const place = this.known.places.find(({ bed }) => bed === other.value);
      const via = gateway.value || place?.gateway || this.known.gateway;
      const on = devices.value || place?.devices.join(" ");
      more.open = more.open || Boolean(other.value && (!via || !on));
      const by = profile.value || profileOf(born.value, today());
      const facts = [by && `Limits: ${by}`, via && on && `monitor ${on}, gateway ${via}`].filter(Boolean).join(" · ");
      text(this.implied, !other.value ? facts : place?.patient ? `Bed ${place.bed} is taken.` : via && on ? facts : "No monitor is known at this bed: name it below.");
    };
    const age = () => {
      const by = profileOf(born.value, today());
      chosen();
      profile.options[0].textContent = by ? `${by}, by age` : "by age";
      profile.required = !born.value;
      this.asked.hidden = Boolean(born.value) || Boolean(profile.value) || !document.activeElement?.closest?.("form");
    };
    const more = el("details", {}, el("summary", {}, "Limits, oxygen, monitor, contact"),
      el("div", { class: "columns" }, profileBox, field("Supplemental oxygen", { name: "oxygen", options: [["no", "No"], ["yes", "Yes"]], value: "no" }),
        field("SpO₂ scale of NEWS2", { name: "scale2", options: [["no", "Scale 1"], ["yes", "Scale 2 (hypercapnic failure)"]], value: "no" }), devicesBox, gatewayBox,
        field("Phone of patient or next of kin", { name: "phone", type: "tel" }), field("Address", { name: "address" })));
    const form = el("form", { class: "panel" }, el("div", { class: "columns" }, idBox, nameBox, bornBox, otherBox), this.implied, this.asked, more, this.wrong, el("div", { class: "buttons" }, this.go));
    for (const box of [other, gateway, devices]) box.addEventListener("input", chosen);
    for (const box of [born, profile]) box.addEventListener("input", age);
    form.addEventListener("submit", (event) => this.admit(event, form, more, profile));
    this.main.replaceChildren(el("section", { class: "view" },
      el("h1", {}, `Admit to ward ${this.ward.toUpperCase()}`),
      el("h2", {}, `Free beds: ${free.length} of ${this.known.places.length} known`), places.length ? el("div", { class: "places", role: "group", "aria-label": "Free beds" }, spots) : el("p", { class: "soft" }, "No known bed is free: type one."), form));
    chosen();
    age();
  }

  async admit(event, form, more, profile) {
    event.preventDefault();
    const body = Object.fromEntries(new FormData(form));
    if (!body.born && !body.profile) {
      more.open = true;
      this.asked.hidden = false;
      profile.focus();
      return;
    }
    await this.post("/api/patients", { ...body, ward: this.ward, oxygen: body.oxygen === "yes", scale2: body.scale2 === "yes" });
  }

  async post(path, body) {
    this.wrong.hidden = true;
    this.go.disabled = true;
    try {
      const made = await call(path, { method: "POST", body });
      toast(`Admitted ${made.name} to ${made.bed}, limits ${made.profile}`);
      location.hash = `#/patient/${encodeURIComponent(made.patient)}`;
    } catch (error) {
      this.wrong.textContent = error.message;
      this.wrong.hidden = false;
    } finally {
      this.go.disabled = false;
    }
  }

  close() {}
}
