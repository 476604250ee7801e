// Who is on duty on a ward: seen by all, changed by its admin.

import { ask, el, field, toast } from "./dom.js";
import { call } from "./net.js";
import { subscribe, supported } from "./push.js";
import { reach } from "./reach.js";
import { day, initial, PRIORITY } from "./words.js";

const local = (t) => new Date(t - new Date(t).getTimezoneOffset() * 60000).toISOString().slice(0, 16);
const HOUR = 3600000;

export class RotaScreen {
  constructor(main, context) {
    this.main = main;
    this.context = context;
    this.ward = context.ward.name;
    this.path = `/api/wards/${encodeURIComponent(this.ward)}/rota`;
    this.load();
  }

  async load() {
    try {
      this.show(await call(this.path));
    } catch (error) {
      this.main.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  show(rota) {
    const may = this.context.isAdmin(this.ward);
    const rows = [...rota.contacts].sort((a, b) => a.start - b.start || a.step - b.step).map((one) => {
      const on = one.start <= rota.now && rota.now < one.end;
      return el("tr", { class: on ? "on" : "" }, el("th", { scope: "row" }, one.name, el("span", { class: "soft" }, ` ${one.contact}`)), el("td", {}, on ? el("span", { class: "chip calm" }, "on duty") : "", on && !one.proven ? el("span", { class: "chip" }, "not confirmed yet") : ""),
        el("td", {}, `${day(one.start)} – ${day(one.end)}`), el("td", {}, [one.phone, one.email, one.push ? "push" : "", one.webhook].filter(Boolean).join(" · "), reach(one)), el("td", {}, `${initial(PRIORITY[one.priority].toLowerCase())} and above`), el("td", {}, one.role === "charge" ? "charge nurse" : one.step ? `after hand-over ${one.step}` : "first"),
        may ? el("td", {}, el("button", { onclick: () => this.edit(rota, one) }, "Change")) : null);
    });
    const gap = rota.contacts.some((one) => one.start <= rota.now && rota.now < one.end && one.step === 0) ? ""
      : el("p", { class: "problem", role: "alert" }, "Nobody is on duty first now: alarms of this ward go to the default contact, if there is one.");
    this.main.replaceChildren(
      el("div", { class: "tools" }, el("h1", {}, `Rota of ward ${this.ward.toUpperCase()}`), may ? el("button", { onclick: () => this.edit(rota, null) }, "Add a duty") : null, may ? el("button", { onclick: () => this.proof(rota) }, rota.proof ? "Duties begin with a proof: on" : "Duties begin with a proof: off") : null, may ? el("button", { onclick: () => this.messages(rota) }, "Content of messages") : null, supported() ? el("button", { onclick: () => this.push() }, "Push to this device") : null), gap,
      el("div", { class: "wide panel", tabIndex: 0, role: "region", "aria-label": "Rota" }, rows.length ? el("table", { class: "stack" }, el("thead", {}, el("tr", {}, ["Who", "Now", "From – to", "Reached by", "Told of", "Turn"].map((name) => el("th", { scope: "col" }, name)), may ? el("th", {}, el("span", { class: "unseen" }, "Change")) : null)), el("tbody", {}, rows)) : el("p", { class: "soft" }, "No rota yet.")));
  }

  proof(rota) {
    ask({
      title: "Proof at the begin of a duty",
      action: rota.proof ? "Switch off" : "Switch on",
      body: el("p", {}, "Each contact confirms at the begin of a duty that messages arrive. Until then the charge nurse is notified, too, and the contact before gets a copy."),
      send: async () => {
        this.show(await call(this.path, { method: "PUT", body: { version: rota.version, contacts: rota.contacts, proof: !rota.proof } }));
        toast(rota.proof ? "No proof is needed" : "Duties begin with a proof");
      },
    });
  }

  messages(rota) {
    const now = rota.messages;
    const extents = [["minimal", "ward, priority, time"], ["bed", "the bed, too"], ["bed-and-sign", "bed, sign and value, too"]];
    ask({
      title: "Content of messages",
      action: "Save",
      body: el("div", {},
        field("SMS, push and subjects", { name: "text", options: extents, value: now.text }),
        field("Page of the link", { name: "link", options: extents, value: now.link }),
        field("E-mail", { name: "email_patient", options: [["1", "with the patient's name, phone and address"], ["0", "no more than an SMS"]], value: now.email_patient ? "1" : "0" })),
      send: async (form) => {
        const messages = { text: form.get("text"), link: form.get("link"), email_patient: form.get("email_patient") === "1" };
        this.show(await call(this.path, { method: "PUT", body: { version: rota.version, contacts: rota.contacts, messages } }));
        toast("Content of messages saved");
      },
    });
  }

  edit(rota, one) {
    const first = one ?? { contact: "", name: "", start: rota.now, end: rota.now + 8 * HOUR, phone: "", email: "", push: false, webhook: "", priority: 1, step: 0, role: "" };
    const remove = one ? el("label", { class: "check" }, el("input", { type: "checkbox", name: "remove" }), "Remove this duty") : null;
    ask({
      title: one ? `Duty of ${one.name}` : "New duty",
      action: "Save",
      body: el("div", { class: "columns" }, field("Contact id", { name: "contact", value: first.contact, required: true }), field("Name", { name: "name", value: first.name, required: true }),
        field("From", { name: "start", type: "datetime-local", value: local(first.start), required: true }), field("To", { name: "end", type: "datetime-local", value: local(first.end), required: true }),
        field("Phone for SMS, such as +441632960961", { name: "phone", type: "tel", value: first.phone ?? "" }), field("E-mail", { name: "email", type: "email", value: first.email ?? "" }),
        field("Webhook of the deployment", { name: "webhook", value: first.webhook ?? "" }), el("label", { class: "check" }, el("input", { type: "checkbox", name: "push", checked: first.push }), "Push to devices that were switched on"),
        field("Told of", { name: "priority", options: [["1", "Low and above"], ["2", "Medium and above"], ["3", "High alone"]], value: String(first.priority) }),
        field("Turn", { name: "step", type: "number", min: "0", max: "9", value: String(first.step) }), field("Role", { name: "role", options: [["", "Staff"], ["charge", "Charge nurse"]], value: first.role }), remove),
      send: async (form) => {
        const rest = rota.contacts.filter((other) => other !== one);
        const made = { push: Boolean(form.get("push")), webhook: form.get("webhook") || null, contact: form.get("contact"), name: form.get("name"), start: Date.parse(form.get("start")), end: Date.parse(form.get("end")), phone: form.get("phone") || null, email: form.get("email") || null, priority: Number(form.get("priority")), step: Number(form.get("step")), role: form.get("role") };
        const contacts = form.get("remove") ? rest : [...rest, made];
        this.show(await call(this.path, { method: "PUT", body: { version: rota.version, contacts } }));
        toast("Rota changed");
      },
    });
  }

  async push() {
    try {
      const { key, contact } = await call("/api/push");
      if (!key) throw new Error("Push is not configured here.");
      await call("/api/push/device", { method: "PUT", body: await subscribe(key) });
      toast(`Push is on at this device, for contact ${contact}`);
    } catch (error) {
      toast(error.message);
    }
  }

  close() {}
}
