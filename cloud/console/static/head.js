// The head of every view, one line: ward, open alarms, link, time, and the menu with wards, views and sign-out; and the red
// lines above it.

import { el, text } from "./dom.js";
import { strips } from "./incident.js";
import { isCalling } from "./rank.js";
import { address, inMenu } from "./views.js";
import { age, BANGS, clock, dated, PRIORITY, short } from "./words.js";

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
  const link = (words, href, current) => el("li", {}, el("a", { href, "aria-current": current ? "page" : null }, words));
  const wards = context.me.wards.filter(({ system }) => !system).map((one) => link(one.ward.toUpperCase(), `#/ward/${encodeURIComponent(one.ward)}`, view.path === "ward" && one.ward === ward));
  const views = inMenu(context, ward).map((one) => link(one.name, address(one, ward), one === view));
  text($("menu").querySelector(".here"), ward ? ward.toUpperCase() : "");
  $("menu").querySelector(".sheet").replaceChildren(
    el("h2", {}, "Wards"), el("ul", { class: "of-wards" }, wards),
    el("h2", {}, "Views"), el("ul", {}, views),
    el("form", { method: "post", action: "/signout" }, el("span", { class: "soft" }, context.me.name), el("button", { class: "leave" }, "Sign out")));
  for (const tab of document.querySelectorAll(".tab")) {
    if (view.path === "ward" && tab.dataset.ward === ward) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
}

// Nothing of what is shown is known to be true while the link is lost or the alarm engine does not answer: red, not calm.
export function showLink(ward) {
  const line = $("lost");
  const link = ward.link();
  document.body.classList.toggle("lost", link === "lost");
  document.body.classList.toggle("down", link === "old");
  line.hidden = link !== "lost" && link !== "old";
  if (link === "lost") line.replaceChildren(el("strong", {}, "Connection lost"), el("span", { id: "lost-age" }), el("span", {}, "Watch the patients at the bedside."));
  else if (link === "old") line.replaceChildren(el("strong", {}, "No new values"), el("span", {}, `The monitoring service does not answer since ${short(ward.since)}. What is shown is old.`), el("span", {}, "Watch the patients at the bedside."));
  showCounts(ward);
}

// Open incidents and other alarms that call, by priority: *unknown* where nothing is known.
export function showCounts(ward) {
  const found = { 3: 0, 2: 0, 1: 0 };
  const known = ward.link() === "live";
  for (const tile of ward.tiles.values()) for (const strip of strips(tile.alarms)) if (isCalling(strip)) found[strip.priority] += 1;
  const shown = JSON.stringify([ward.link(), found]);
  if (showCounts.shown === shown && $("counts").childElementCount) return;
  showCounts.shown = shown;
  const chips = [3, 2, 1].filter((p) => found[p]).map((p) => el("span", { class: `chip p${p}` }, el("span", { class: "mark", "aria-hidden": "true" }), String(found[p]), el("span", { class: "word" }, ` ${PRIORITY[p].toLowerCase()}`), el("span", { class: "unseen" }, ` open alarms of ${PRIORITY[p].toLowerCase()} priority`)));
  const calm = el("span", { class: "chip calm" }, "no open alarm");
  $("counts").replaceChildren(...(known ? (chips.length ? chips : [calm]) : [el("span", { class: "chip unknown" }, ward.link() === "…" ? "…" : "unknown")]));
  document.title = ward.link() === "lost" ? "Connection lost · Wardwatch" : ward.link() === "old" ? "No new values · Wardwatch" : found[3] ? `${BANGS[3]} ${found[3]} high · Wardwatch` : "Wardwatch";
}

export function tickHead(ward) {
  const now = ward.now();
  text($("time"), clock(now));
  $("time").dataset.date = dated(now);
  const state = ward.link();
  text($("link"), state);
  $("link").dataset.state = state;
  if (state === "lost" && $("lost-age")) text($("lost-age"), `What is shown is ${age(ward.lostMs())} old.`);
}
