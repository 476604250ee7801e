// The house's directory: who can be reached and how. Addresses are seen and changed by admins of all wards.

import { ask, el, field, toast } from "./dom.js";
import { call } from "./net.js";
import { reach } from "./reach.js";

export class ContactsScreen {
  constructor(main, context) {
    this.main = main;
    this.context = context;
    this.load();
  }

  async load() {
    try {
      this.found = await call("/api/contacts");
      this.frame();
    } catch (error) {
      this.main.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  frame() {
    const every = this.context.me.admin;
    const filter = field("Find by name, id or ward", { name: "filter", type: "search" });
    this.body = el("tbody");
    this.count = el("p", { class: "soft", role: "status" });
    filter.querySelector("input").addEventListener("input", (event) => this.fill(event.target.value));
    const heads = ["Contact", "On the rota of", ...(every ? ["Reached by"] : [])].map((name) => el("th", { scope: "col" }, name));
    this.main.replaceChildren(el("section", { class: "view" },
      el("div", { class: "tools" }, el("h1", {}, "Contacts of the house"), every ? el("button", { onclick: () => this.edit(null) }, "Add a contact") : null),
      el("p", { class: "lead" }, every ? "Name and addresses of a contact belong to the house; rotas refer to the id. Whoever is removed is notified by no ward any more." : "Rotas refer to a contact by the id. An admin of all wards changes names and addresses."),
      el("div", { class: "filters" }, filter, this.count),
      el("div", { class: "wide panel", tabIndex: 0, role: "region", "aria-label": "Contacts" }, el("table", { class: "stack" }, el("thead", {}, el("tr", {}, heads, every ? el("th", { scope: "col" }, el("span", { class: "unseen" }, "Change")) : null)), this.body))));
    this.fill("");
  }

  fill(wanted) {
    const every = this.context.me.admin;
    const part = wanted.trim().toLowerCase();
    const shown = this.found.filter((one) => [one.contact, one.name, ...one.wards].join(" ").toLowerCase().includes(part));
    this.count.textContent = `${shown.length} of ${this.found.length} contacts`;
    this.body.replaceChildren(...shown.map((one) => el("tr", {}, el("th", { scope: "row" }, one.name || one.contact, el("span", { class: "soft" }, ` ${one.contact}`)),
      el("td", {}, one.wards.map((ward) => ward.toUpperCase()).join(", ") || el("span", { class: "soft" }, "no rota")),
      every ? el("td", {}, [one.phone, one.email, one.push ? "push" : "", one.webhook].filter(Boolean).join(" · ") || el("span", { class: "free-beds" }, "no channel"), reach(one)) : null,
      every ? el("td", {}, el("span", { class: "hands" }, el("button", { onclick: () => this.edit(one), "aria-label": `Change ${one.name || one.contact}` }, "Change"), el("button", { class: "danger", onclick: () => this.remove(one), "aria-label": `Remove ${one.name || one.contact}` }, "Remove"))) : null)));
  }

  edit(one) {
    const first = one ?? { contact: "", name: "", phone: "", email: "", webhook: "", push: false, version: 0 };
    ask({
      title: one ? `Contact ${one.contact}` : "New contact",
      action: "Save",
      body: el("div", { class: "columns" },
        one ? null : field("Contact id, such as nurse-07", { name: "contact", required: true, pattern: "[A-Za-z0-9_-]+" }), field("Name", { name: "name", value: first.name, required: true }),
        field("Phone for SMS, such as +441632960961", { name: "phone", type: "tel", value: first.phone ?? "" }), field("E-mail", { name: "email", type: "email", value: first.email ?? "" }),
        field("Webhook of the deployment", { name: "webhook", value: first.webhook ?? "" }), el("label", { class: "check" }, el("input", { type: "checkbox", name: "push", checked: first.push }), "Push to devices that were switched on")),
      send: async (form) => {
        const body = { version: first.version, name: form.get("name"), phone: form.get("phone") || null, email: form.get("email") || null, webhook: form.get("webhook") || null, push: Boolean(form.get("push")) };
        await call(`/api/contacts/${encodeURIComponent(one?.contact ?? form.get("contact"))}`, { method: "PUT", body });
        toast("Contact saved");
        await this.load();
      },
    });
  }

  remove(one) {
    ask({
      title: `Remove ${one.name || one.contact} from the house?`,
      action: "Remove",
      danger: true,
      body: el("p", {}, one.wards.length ? `Still on the rota of ${one.wards.map((ward) => ward.toUpperCase()).join(", ")}: those duties then notify nobody.` : "No rota refers to this contact."),
      send: async () => {
        await call(`/api/contacts/${encodeURIComponent(one.contact)}`, { method: "DELETE" });
        toast(`Removed ${one.contact}`);
        await this.load();
      },
    });
  }

  close() {}
}
