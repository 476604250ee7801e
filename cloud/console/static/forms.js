// What a nurse changes: bed, limits, charting.

import { ask, el, field, toast } from "./dom.js";
import { call } from "./net.js";
import { profileOf } from "./admission.js";
import { label, unit } from "./words.js";

const post = (path, body) => call(path, { method: "POST", body });
const own = (patient) => `/api/patients/${encodeURIComponent(patient)}`;

export function transfer(context, admission, done) {
  const ward = field("Ward", { name: "ward", options: context.me.wards.filter(({ role }) => role !== "viewer").map((one) => [one.ward, one.ward.toUpperCase()]), value: admission.ward });
  const bed = field("Bed", { name: "bed", required: true, value: admission.bed });
  const gateway = field("Gateway", { name: "gateway", required: true, value: admission.gateway });
  const devices = field("Devices", { name: "devices", required: true, value: admission.devices.join(" ") });
  const free = el("div", { class: "places", role: "group", "aria-label": "Free beds" });
  const input = (one) => one.querySelector("input,select");
  // A bed implies what stands there; a monitor that goes along is typed over.
  const show = async () => {
    const found = await call(`/api/wards/${encodeURIComponent(input(ward).value)}/places`).catch(() => ({ places: [] }));
    free.replaceChildren(...found.places.filter((place) => place.patient === null).map((place) => el("button", { class: "plain", type: "button", onclick: () => {
      input(bed).value = place.bed;
      input(gateway).value = place.gateway;
      if (place.devices.length) input(devices).value = place.devices.join(" ");
    } }, place.bed)));
  };
  input(ward).addEventListener("change", show);
  show();
  ask({
    title: `Transfer ${admission.name}`,
    action: "Transfer",
    body: el("div", {}, free, el("div", { class: "columns" }, ward, bed, gateway, devices)),
    send: async (form) => {
      await post(`${own(admission.patient)}/transfer`, { ...Object.fromEntries(form), version: admission.version });
      toast(`Transferred ${admission.name}`);
      done();
    },
  });
}

export function identify(context, admission, done) {
  const profiles = Object.keys(context.profiles).map((name) => [name, name]);
  const born = field("Date of birth, YYYY-MM-DD", { name: "born", value: admission.born ?? "", pattern: "\\d{4}-\\d{2}-\\d{2}" });
  const profile = field("Limits", { name: "profile", options: profiles, value: admission.profile });
  born.querySelector("input").addEventListener("input", (event) => {
    const by = profileOf(event.target.value, new Date(context.ward.now()).toISOString().slice(0, 10));
    // An adult's special profile stays; a child's limits follow the age that was found.
    if (by && !(by === "adult" && ["copd", "home"].includes(admission.profile))) profile.querySelector("select").value = by;
  });
  ask({
    title: `Name and facts of the patient in bed ${admission.bed}`,
    action: "Save",
    body: el("div", {}, el("p", { class: "soft" }, `The id stays ${admission.patient}.`), el("div", { class: "columns" },
      field("Name", { name: "name", required: true, value: admission.name }), born,
      field("Phone of patient or next of kin", { name: "phone", type: "tel", value: admission.phone ?? "" }), field("Address", { name: "address", value: admission.address ?? "" }),
      profile)),
    send: async (form) => {
      await post(`${own(admission.patient)}/identity`, { ...Object.fromEntries(form), version: admission.version });
      toast(`Saved: ${form.get("name")}`);
      done();
    },
  });
}

export function discharge(admission, done) {
  ask({
    title: `Discharge ${admission.name} from bed ${admission.bed}?`,
    action: "Discharge",
    danger: true,
    body: el("p", {}, "Monitoring ends, alarms of this patient end, bed and devices become free."),
    send: async () => {
      await post(`${own(admission.patient)}/discharge`, { version: admission.version });
      toast(`Discharged ${admission.name}`);
      done();
    },
  });
}

export function chart(admission, bed, done) {
  ask({
    title: `Chart for ${admission.name}`,
    action: "Chart",
    body: el("div", { class: "columns" },
      field("Supplemental oxygen", { name: "oxygen", options: [["", "Leave as it is"], ["no", "No, on air"], ["yes", "Yes"]], value: "" }),
      field("Consciousness", {
        name: "consciousness",
        options: [["", "Leave as it is"], ["A", "A · alert"], ["C", "C · new confusion"], ["V", "V · responds to voice"], ["P", "P · responds to pain"], ["U", "U · unresponsive"]],
        value: "",
      })),
    send: async (form) => {
      const body = {};
      if (form.get("oxygen")) body.oxygen = form.get("oxygen") === "yes";
      if (form.get("consciousness")) body.consciousness = form.get("consciousness");
      if (!Object.keys(body).length) throw new Error("Choose oxygen, consciousness or both.");
      await post(`${own(admission.patient)}/chart`, body);
      toast("Charted");
      done();
    },
  });
}

export function standby(admission, bed, done) {
  ask({
    title: `Standby for ${admission.name}`,
    action: "Set standby",
    body: el("div", {},
      el("p", {}, "Lost signs and silence of this bed alarm nobody meanwhile; values still do. Refused during a high alarm that is not acknowledged and for five minutes after it. Another person renews it, twice at most."),
      field("Minutes", { name: "minutes", options: ["5", "10", "15", "20", "30", "45", "60"].map((m) => [m, `${m} min`]), value: "20" })),
    send: async (form) => {
      await post(`${own(admission.patient)}/standby`, { minutes: Number(form.get("minutes")), bed: admission.bed });
      toast("Standby asked for: it counts down once it is in force");
      done();
    },
  });
}

const BOUNDS = ["far below", "below", "above", "far above"];

export function limits(context, { admission, limits: inForce }, done) {
  const cells = new Map();
  const rows = [...context.signs.values()].map((sign) => {
    const inputs = BOUNDS.map((name, i) => el("input", {
      type: "number", step: "any", value: inForce[sign.field][i] ?? "", "aria-label": `${sign.name}: alarm ${name}`, inputMode: "decimal",
    }));
    cells.set(sign.field, inputs);
    return el("tr", {}, el("th", { scope: "row" }, label(sign), el("span", { class: "soft" }, ` ${unit(sign)}`)), inputs.map((input) => el("td", {}, input)));
  });
  const choice = field("Profile", { name: "profile", options: Object.keys(context.profiles).map((name) => [name, name]), value: admission.profile });
  choice.querySelector("select").addEventListener("change", (event) => {
    const wanted = context.profiles[event.target.value];
    for (const [name, inputs] of cells) inputs.forEach((input, i) => { input.value = wanted[name][i] ?? ""; });
  });
  ask({
    title: `Alarm limits of ${admission.name}`,
    action: "Change limits",
    body: el("div", {}, el("div", { class: "columns" }, choice,
      field("SpO₂ scale of NEWS2", { name: "scale2", options: [["no", "Scale 1"], ["yes", "Scale 2 (hypercapnic failure)"]], value: admission.scale2 ? "yes" : "no" })),
      el("p", { class: "soft" }, "Beyond the outer limits an alarm is of high priority and comes without delay. An empty field is no limit. Gateway and service act on it with the next reading."),
      el("table", { class: "limits" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Sign"), BOUNDS.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, rows))),
    send: async (form) => {
      const bounds = {};
      for (const [name, inputs] of cells) bounds[name] = inputs.map((input) => (input.value === "" ? null : Number(input.value)));
      await post(`${own(admission.patient)}/limits`, { version: admission.version, profile: form.get("profile"), scale2: form.get("scale2") === "yes", bounds });
      toast("Limits changed");
      done();
    },
  });
}
