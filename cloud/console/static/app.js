// Boot, header, routes, and what must never be overlooked: a lost line and a state tier that does not answer.

import { el, text, toast } from "./dom.js";
import { call, setCsrf } from "./net.js";
import { Ward } from "./store.js";
import { age, BANGS, clock, PRIORITY, short } from "./words.js";
import { alarmRow } from "./tile.js";
import { isCalling } from "./rank.js";
import { header, here } from "./head.js";
import { VIEWS } from "./views.js";
import { stampPrints } from "./printed.js";

const $ = (id) => document.getElementById(id);
const context = { signs: new Map(), doubts: {}, profiles: {}, me: null, ward: null };
let screen = null;
let above = new Map();

const role = (ward) => context.me.wards.find((entry) => entry.ward === ward)?.role ?? "viewer";
context.isNurse = (ward) => role(ward) !== "viewer";
context.isAdmin = (ward) => role(ward) === "admin";

// One function for every acknowledge and pause button; `may` tells whether this person has them. Each is
// acknowledged as it is shown.
context.act = Object.assign(async (what, alarm) => {
  const whole = what === "acknowledge" && alarm.alarms;
  const body = whole ? { incident: alarm.incident, shown: alarm.shown } : { alarm: alarm.alarms?.[0].id ?? alarm.id };
  if (what === "acknowledge" && !whole && alarm.log_t) body.shown = alarm.log_t;
  try {
    await call(`/api/alarms/${whole ? "acknowledge-incident" : what}`, { method: "POST", body });
    toast(what === "pause" ? `Audio paused for 2 min: ${alarm.text}` : `Acknowledged: ${alarm.text}`);
  } catch (error) {
    toast(error.message);
  }
}, { may: false });

context.endStandby = async (tile) => {
  try {
    await call(`/api/patients/${encodeURIComponent(tile.patient)}/standby`, { method: "POST", body: { minutes: 0, bed: tile.bed } });
    toast(`Standby of ${tile.bed} ended`);
  } catch (error) {
    toast(error.message);
  }
};

function openWard(name) {
  if (context.ward?.name === name) return;
  context.ward?.close();
  const ward = new Ward(name);
  context.ward = ward;
  context.act.may = context.isNurse(name);
  ward.addEventListener("link", showLink);
  ward.addEventListener("above", showAbove);
  ward.addEventListener("change", (event) => {
    showCounts();
    announce(event.detail.changed);
  });
  above.forEach((row) => row.node.remove());
  above = new Map();
  $("above").replaceChildren();
}

function showLink() {
  const { ward } = context;
  const line = $("lost");
  const gone = ward.lostSince;
  document.body.classList.toggle("lost", Boolean(gone));
  document.body.classList.toggle("down", !gone && Boolean(ward.down));
  line.hidden = !gone && !ward.down;
  if (gone) {
    line.replaceChildren(el("strong", {}, "Connection lost"), el("span", { id: "lost-age" }), el("span", {}, "Watch the patients at the bedside."));
  } else if (ward.down) {
    line.replaceChildren(el("strong", {}, "No new values"), el("span", {}, `The monitoring service does not answer since ${short(ward.since)}. What is shown is old.`), el("span", {}, "Watch the patients at the bedside."));
  }
  tick();
}

function showAbove() {
  const { ward } = context;
  const now = ward.now();
  for (const [id, row] of above) {
    if (!ward.alarms.some((alarm) => alarm.id === id)) {
      row.node.remove();
      above.delete(id);
    }
  }
  for (const alarm of ward.alarms) {
    const row = above.get(alarm.id) ?? alarmRow(context.act);
    above.set(alarm.id, row);
    row.update(alarm, now);
    if (!row.node.isConnected) {
      const list = $("above").firstChild ?? $("above").appendChild(el("ul", { class: "alarms" }));
      list.append(row.node);
    }
  }
}

function showCounts() {
  const found = { 3: 0, 2: 0, 1: 0 };
  for (const tile of context.ward.tiles.values()) for (const alarm of tile.alarms) if (isCalling(alarm)) found[alarm.priority] += 1;
  const shown = JSON.stringify(found);
  if (showCounts.shown === shown) return;
  showCounts.shown = shown;
  const chips = [3, 2, 1].filter((p) => found[p]).map((p) => el("span", { class: `chip p${p}` }, el("span", { class: "mark", "aria-hidden": "true" }), String(found[p]), el("span", { class: "word" }, ` ${PRIORITY[p].toLowerCase()}`), el("span", { class: "unseen" }, ` open alarms of ${PRIORITY[p].toLowerCase()} priority`)));
  $("counts").replaceChildren(...(chips.length ? chips : [el("span", { class: "chip calm" }, "no open alarm")]));
  document.title = found[3] ? `${BANGS[3]} ${found[3]} high · Wardwatch` : "Wardwatch";
}

const spoken = new Set();

function announce(changed) {
  const first = !spoken.size;
  for (const patient of changed) {
    const tile = context.ward.tiles.get(patient);
    for (const alarm of tile?.alarms ?? []) {
      const key = `${alarm.id}/${alarm.priority}`;
      if (spoken.has(key)) continue;
      spoken.add(key);
      if (first || alarm.priority < 2) continue;
      const line = el("p", {}, `${PRIORITY[alarm.priority]} priority, bed ${tile.bed}: ${alarm.text}`);
      $("told").append(line);
      setTimeout(() => line.remove(), 20000);
    }
  }
  spoken.add("begun");
}

function tick() {
  const { ward } = context;
  if (!ward) return;
  const now = ward.now();
  text($("time"), clock(now));
  const link = $("link");
  const state = ward.lostSince ? "lost" : ward.down ? "old" : ward.ready ? "live" : "…";
  text(link, state);
  link.dataset.state = state;
  if (ward.lostSince) {
    text($("lost-age"), `What is shown is ${age(Date.now() - ward.lostSince)} old.`);
    document.title = "Connection lost · Wardwatch";
  } else if (document.title.startsWith("Connection lost")) {
    showCounts.shown = "";
    showCounts();
  }
  above.forEach((row) => row.tick(now));
}

function home() {
  const last = localStorage.getItem("ward");
  const { wards } = context.me;
  return (wards.find(({ ward, system }) => ward === last && !system) ?? wards.find(({ system }) => !system) ?? wards[0])?.ward;
}

async function route() {
  const [, what, ...rest] = location.hash.split("/");
  const view = VIEWS.find(({ path }) => path === what) ?? VIEWS[0];
  const name = decodeURIComponent(rest.join("/"));
  const wanted = view.of === "ward" && name ? name : context.ward?.name ?? home();
  const turn = route.turn = Symbol(view.path);
  screen?.close();
  screen = null;
  const main = $("main");
  here(context, view, wanted);
  if (!wanted && view.of !== "site") {
    main.replaceChildren(el("p", { class: "loading" }, "You have no ward yet. An administrator can give you one."));
    return;
  }
  if (wanted) {
    openWard(wanted);
    localStorage.setItem("ward", wanted);
  }
  let Screen;
  try {
    Screen = await view.load();
  } catch {
    main.replaceChildren(el("p", { class: "problem", role: "alert" }, "This view did not load. Watch the patients at the bedside."), el("p", {}, el("a", { class: "plain", href: "/" }, "Try again")));
    return;
  }
  if (turn !== route.turn) return;
  main.replaceChildren();
  screen = new Screen(main, context, view.of === "ward" ? wanted : name);
  if (route.before) main.focus({ preventScroll: true });
  route.before = true;
  scrollTo(0, 0);
}

context.refresh = async () => {
  context.me = await call("/api/me");
  setCsrf(context.me.csrf);
  header(context);
};

async function boot() {
  const [, signs] = await Promise.all([context.refresh(), call("/api/signs")]);
  context.signs = new Map(signs.signs.map((sign) => [sign.field, sign]));
  context.doubts = signs.doubts;
  context.profiles = signs.profiles;
  stampPrints(context);
  addEventListener("hashchange", route);
  setInterval(tick, 1000);
  await route();
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js").catch(() => {});
}

boot().catch((error) => {
  $("main").replaceChildren(el("p", { class: "problem", role: "alert" }, error.message), el("p", {}, el("a", { class: "plain", href: "/" }, "Try again")));
});
