// Users, for administrators of all wards.

import { ask, el, field, toast } from "./dom.js";
import { call } from "./net.js";

export class AdminScreen {
  constructor(main, context) {
    this.main = main;
    this.context = context;
    this.load();
  }

  async load() {
    try {
      this.show(await call("/api/users"));
    } catch (error) {
      this.main.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  show(users) {
    const people = users.map((user) => el("tr", {}, el("th", { scope: "row" }, user.name), el("td", {}, Object.entries(user.roles).map(([ward, role]) => `${role} on ${ward === "*" ? "all wards" : ward.toUpperCase()}`).join(", ") || "shut out"),
      el("td", {}, user.ready ? "" : "has no password yet"), el("td", {}, el("span", { class: "hands" }, el("button", { onclick: () => this.edit(user) }, "Roles"), el("button", { onclick: () => this.link(user) }, "New password link")))));
    const table = (names, rows) => el("table", {}, el("thead", {}, el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, rows));
    this.main.replaceChildren(el("div", { class: "tools" }, el("h1", {}, "Users"), el("button", { onclick: () => this.edit(null) }, "Add a user")),
      el("div", { class: "wide panel", tabIndex: 0, role: "region", "aria-label": "Users" }, table(["User", "Roles", "", "Change"], people)));
  }

  edit(user) {
    const held = Object.entries(user?.roles ?? {}).map(([ward, role]) => `${ward}=${role}`).join(", ");
    ask({
      title: user ? `Roles of ${user.name}` : "New user",
      action: "Save",
      body: el("div", {}, user ? null : field("User name", { name: "name", required: true }), field("Roles: ward=viewer, nurse or admin; * is all wards; empty shuts out", { name: "roles", value: held || `${this.context.ward?.name ?? "*"}=nurse` })),
      send: async (form) => {
        const roles = Object.fromEntries(form.get("roles").split(",").map((part) => part.trim()).filter(Boolean).map((part) => part.split("=").map((word) => word.trim())));
        const made = await call(`/api/users/${encodeURIComponent(user?.name ?? form.get("name"))}`, { method: "PUT", body: { roles } });
        if (made.link) this.hand(made.name, made.link);
        else toast("Roles changed");
        this.load();
      },
    });
  }

  async link(user) {
    try {
      const { link } = await call(`/api/users/${encodeURIComponent(user.name)}/link`, { method: "POST" });
      this.hand(user.name, link);
    } catch (error) {
      toast(error.message);
    }
  }

  hand(name, link) {
    ask({ title: `One-time link for ${name}`, action: "Done", body: el("div", {}, el("p", {}, "Give it to them by a safe way. It holds for a day and works once."), el("p", { class: "secret" }, link)), send: async () => {} });
  }

  close() {}
}
