// Boot, routes, and what a person does with an alarm.

import { Announcer } from "./announce.js";
import { el, toast } from "./dom.js";
import { standby } from "./forms.js";
import { header, here, showCounts, showLink, tickHead } from "./head.js";
import { call, setCsrf } from "./net.js";
import { Ward } from "./store.js";
import { alarmRow } from "./strip.js";
import { VIEWS } from "./views.js";
import { stampPrints } from "./printed.js";

const RETRY_MS = 5000;
const OWN_VERSION = new URL(import.meta.url).pathname.split("/")[2];
const $ = (id) => document.getElementById(id);
const context = { signs: new Map(), doubts: {}, profiles: {}, me: null, ward: null };
let screen = null;
// Since when a view is being loaded: one that never comes must not look alive either.
let opening = null;
let above = new Map();

const role = (ward) => context.me.wards.find((entry) => entry.ward === ward)?.role ?? "viewer";
context.isNurse = (ward) => role(ward) !== "viewer";
context.isAdmin = (ward) => role(ward) === "admin";

const DONE = { acknowledge: "Acknowledged", coming: "You are coming", pause: "Audio paused for 2 min", "not-actionable": "Marked as not actionable" };

// One function for every button of a strip; `may` tells whether this person has them. Each acts on what was shown: the
// server refuses it when an alarm has risen since.
context.act = Object.assign(async (what, strip, words, alone) => {
  const [lead] = strip.alarms;
  const whole = what === "acknowledge" && strip.incident && !alone;
  const body = whole ? { incident: strip.incident } : { alarm: lead.id };
  if (what === "acknowledge" || what === "coming") body.shown = whole || what === "coming" ? strip.log_t : lead.log_t;
  try {
    await call(`/api/alarms/${whole ? "acknowledge-incident" : what}`, { method: "POST", body });
    toast(`${DONE[what]}: ${words}`);
  } catch (error) {
    toast(error.message);
  }
}, { may: false });

context.setStandby = (tile) => standby({ patient: tile.patient, bed: tile.bed, name: tile.name }, tile, () => {});
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
  const announcer = new Announcer();
  context.ward = ward;
  context.act.may = context.isNurse(name);
  ward.addEventListener("link", () => showLink(ward));
  ward.addEventListener("above", showAbove);
  ward.addEventListener("change", (event) => {
    showCounts(ward);
    announcer.hear(ward, event.detail.changed, context.signs);
  });
  above = new Map();
  $("above").replaceChildren();
  showLink(ward);
}

function showAbove() {
  const { ward } = context;
  const now = ward.now();
  for (const [id, row] of above) {
    if (ward.alarms.some((alarm) => alarm.id === id)) continue;
    row.node.remove();
    above.delete(id);
  }
  for (const alarm of ward.alarms) {
    const row = above.get(alarm.id) ?? alarmRow(context);
    above.set(alarm.id, row);
    row.update({ ...alarm, alarms: [alarm] }, null, now);
    if (row.node.isConnected) continue;
    const list = $("above").firstChild ?? $("above").appendChild(el("ul", { class: "alarms" }));
    list.append(row.node);
  }
}

function tick() {
  const { ward } = context;
  if (ward) {
    tickHead(ward);
    above.forEach((row) => row.tick(ward.now()));
    if (ward.version && OWN_VERSION !== ward.version) renew(ward.version);
  }
  // A screen that draws says when; one that no longer does must not look alive.
  window.wardwatchBeats(opening ?? screen?.drawn ?? performance.now());
}

// The server is of another version: the page loads itself again, once, when nobody is in the middle of something.
function renew(version) {
  if (document.querySelector("dialog[open]") || document.querySelector("#menu[open]")) return;
  if (sessionStorage.getItem("renewed") === version) return;
  sessionStorage.setItem("renewed", version);
  location.reload();
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
  const named = { ward: name, bed: name.split("/")[0] }[view.of];
  const wanted = named || (context.ward?.name ?? home());
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
  opening = performance.now();
  try {
    Screen = await view.load();
  } catch {
    opening = null;
    main.replaceChildren(el("p", { class: "problem", role: "alert" }, "This view did not load. Watch the patients at the bedside."), el("p", {}, el("a", { class: "plain", href: "/" }, "Try again")));
    return;
  }
  if (turn !== route.turn) return;
  opening = null;
  main.replaceChildren();
  document.body.dataset.view = view.path;
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

// A screen on the wall has no lock: it would go dark by its own setting, and be taken for a calm ward.
function stayAwake() {
  if (document.visibilityState === "visible" && matchMedia("(min-width: 64rem)").matches) navigator.wakeLock?.request("screen").catch(() => {});
}

async function boot() {
  const [, signs] = await Promise.all([context.refresh(), call("/api/signs")]);
  context.signs = new Map(signs.signs.map((sign) => [sign.field, sign]));
  context.doubts = signs.doubts;
  context.profiles = signs.profiles;
  if (!boot.once) {
    boot.once = true;
    stampPrints(context);
    addEventListener("hashchange", route);
    document.addEventListener("visibilitychange", stayAwake);
    setInterval(tick, 1000);
  }
  await route();
  tick();
  stayAwake();
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js").catch(() => {});
}

function start() {
  boot().catch((error) => {
    $("main").replaceChildren(el("p", { class: "problem", role: "alert" }, `${error.message} Watch the patients at the bedside.`), el("p", { class: "soft" }, "It is tried again every few seconds."));
    setTimeout(start, RETRY_MS);
  });
}

start();
