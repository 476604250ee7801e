// The head of every view, one line: ward, open alarms, link, time, and the menu with wards, views and sign-out.

import { el } from "./dom.js";
import { address, inMenu } from "./views.js";

const $ = (id) => document.getElementById(id);
// More wards than this are in the menu alone.
const TABS = 6;

export function header(context) {
  const wards = context.me.wards.filter(({ system }) => !system).map(({ ward }) => ward);
  const tabs = wards.length > 1 && wards.length <= TABS ? wards : [];
  const menu = el("details", { id: "menu" }, el("summary", {}, el("span", { class: "here" }), el("span", { class: "word" }, "Menu")), el("div", { class: "sheet" }));
  menu.addEventListener("click", (event) => { if (event.target.closest("a")) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  menu.addEventListener("focusout", (event) => { if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false; });
  $("head").replaceChildren(
    el("a", { class: "brand", href: "#/", "aria-label": "Wardwatch: the ward" }, el("img", { src: "/static/icon.svg", alt: "", width: 28, height: 28 }), el("span", { class: "word" }, "Wardwatch")),
    el("nav", { class: "tabs-of-wards", "aria-label": "Wards" }, tabs.map((ward) => el("a", { class: "tab", href: `#/ward/${encodeURIComponent(ward)}`, "data-ward": ward }, ward.toUpperCase()))),
    el("span", { id: "counts", class: "counts" }), el("span", { id: "link", class: "link" }), el("time", { id: "time" }), menu);
}

// Marks where the person is; the menu has the views of that ward.
export function here(context, view, ward) {
  const link = (text, href, current) => el("li", {}, el("a", { href, "aria-current": current ? "page" : null }, text));
  const wards = context.me.wards.filter(({ system }) => !system).map((one) => link(one.ward.toUpperCase(), `#/ward/${encodeURIComponent(one.ward)}`, view.path === "ward" && one.ward === ward));
  const views = inMenu(context, ward).map((one) => link(one.name, address(one, ward), one === view));
  $("menu").querySelector(".here").textContent = ward ? ward.toUpperCase() : "";
  $("menu").querySelector(".sheet").replaceChildren(
    el("h2", {}, "Wards"), el("ul", { class: "of-wards" }, wards),
    el("h2", {}, "Views"), el("ul", {}, views),
    el("form", { method: "post", action: "/signout" }, el("span", { class: "soft" }, context.me.name), el("button", { class: "leave" }, "Sign out")));
  for (const tab of document.querySelectorAll(".tab")) {
    if (view.path === "ward" && tab.dataset.ward === ward) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
}
