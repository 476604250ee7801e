// One patient: what is now, what was, and what can be done.

import { el, text } from "./dom.js";
import { chart, discharge, identify, limits, standby, transfer } from "./forms.js";
import { call } from "./net.js";
import { strips } from "./incident.js";
import { howOld, isOld, isStale } from "./rank.js";
import { alarmRow } from "./strip.js";
import { age, ago, BANGS, day, label, MIND, number, PRIORITY, short, unit } from "./words.js";

const PARTS = { rr: "Respiratory rate", spo2: "Oxygen saturation", oxygen: "Supplemental oxygen", sbp: "Systolic pressure", pulse: "Pulse", consciousness: "Consciousness", temp: "Temperature" };
const HOURS = [1, 8, 24];
const REFRESH_MS = 30000;

export class PatientScreen {
  constructor(main, context, patient) {
    this.main = main;
    this.context = context;
    this.patient = patient;
    this.hours = 8;
    this.rows = new Map();
    this.charts = [];
    this.stop = new AbortController();
    this.start().catch((error) => {
      main.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message), el("a", { class: "plain", href: "#/" }, "Back to the ward"));
    });
  }

  async start() {
    await this.load();
    const { signal } = this.stop;
    if (signal.aborted) return;
    this.frame();
    this.context.ward.addEventListener("change", ({ detail }) => {
      if (detail.gone.includes(this.patient)) this.load().then(() => this.frame()).catch(() => {});
      else if (detail.changed.includes(this.patient)) this.now();
    }, { signal });
    this.timers = [setInterval(() => this.now(), 1000), setInterval(() => this.past(), REFRESH_MS)];
    await this.past();
  }

  async load() {
    this.view = await call(`/api/patients/${encodeURIComponent(this.patient)}`);
  }

  async reload() {
    await this.load();
    this.frame();
    await this.past();
  }

  get tile() {
    return this.context.ward.tiles.get(this.patient) ?? this.view.bed;
  }

  frame() {
    const { admission } = this.view;
    const may = this.context.isNurse(admission.ward) && admission.discharged === undefined;
    const done = () => this.reload().catch(() => {});
    const tools = may ? el("div", { class: "deeds" },
      el("button", { onclick: () => chart(admission, this.tile, done) }, "Chart oxygen, consciousness"),
      el("button", { onclick: () => standby(admission, this.tile, done) }, "Standby"),
      el("button", { onclick: () => limits(this.context, this.view, done) }, "Change limits"),
      el("a", { class: "plain", href: `#/advice/${encodeURIComponent(this.patient)}` }, "Advice on limits"),
      el("button", { onclick: () => identify(this.context, admission, done) }, "Name and facts"),
      el("button", { onclick: () => transfer(this.context, admission, done) }, "Transfer"),
      el("button", { class: "danger", onclick: () => discharge(admission, () => { location.hash = "#/"; }) }, "Discharge")) : null;
    this.facts = el("p", { class: "soft" });
    this.age = el("p", { class: "patient-age", role: "status" });
    this.alarms = el("ul", { class: "alarms" });
    this.each = el("ul", { class: "alarms" });
    this.single = el("details", { class: "single", hidden: true }, el("summary", {}, "Each alarm by itself"), this.each);
    this.values = el("dl", { class: "values" });
    this.parts = el("tbody");
    this.sum = el("h2", { class: "sum" });
    this.trends = el("div", { class: "trends" });
    this.note = el("p", { class: "problem", role: "alert", hidden: true });
    this.log = el("div", { class: "log" });
    const tabs = el("div", { class: "tabs", role: "group", "aria-label": "Span of the trends" }, HOURS.map((h) => el("button", {
      "aria-pressed": String(h === this.hours), onclick: (event) => {
        this.hours = h;
        for (const tab of event.target.parentNode.children) tab.setAttribute("aria-pressed", String(tab === event.target));
        this.past();
      } }, `${h} h`)));
    this.rows.clear();
    this.main.replaceChildren(
      el("a", { class: "back", href: "#/" }, "← Ward"),
      el("div", { class: "person" }, el("h1", {}, el("span", { class: "bed" }, admission.bed), admission.name), this.age),
      this.alarms, this.single, this.facts, tools, this.values,
      el("div", { class: "halves" },
        el("section", { class: "panel" }, el("div", { class: "bar" }, el("h2", {}, "Trends"), tabs), el("p", { class: "soft dashes" }, "Dashed: alarm limits in force at the time"), this.note, this.trends),
        el("div", {},
          el("section", { class: "panel" }, this.sum, el("table", { class: "parts" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Input"), el("th", { scope: "col" }, "Score"), el("th", { scope: "col" }, "Age"))), this.parts)),
          el("section", { class: "panel" }, el("h2", {}, "Alarms, messages and charting"), this.log))));
    this.now();
  }

  now() {
    const { context, tile } = this;
    if (!this.facts) return;
    const now = context.ward.now();
    const { admission } = this.view;
    const gone = admission.discharged !== undefined;
    text(this.facts, [tile.age === null ? "age unknown" : `${tile.age} years`, `ward ${admission.ward.toUpperCase()}`, tile.oxygen ? "on oxygen" : "on air", tile.consciousness ? MIND[tile.consciousness] : "consciousness not charted", `limits: ${admission.profile}`, admission.scale2 ? "SpO₂ scale 2" : "", `id ${this.patient}`].filter(Boolean).join(" · "));
    const stale = !gone && isStale(tile, now);
    this.age.classList.toggle("is-stale", stale || gone);
    text(this.age, gone ? `Left on ${day(admission.discharged)}. Not monitored any more.` : howOld(tile, now) ? `${howOld(tile, now)}${tile.t ? ": what is shown is old" : ""}` : `Last reading ${ago(now - tile.t)}`);
    this.main.classList.toggle("stale-patient", stale);
    this.showAlarms(tile, now);
    this.showValues(tile, now);
    this.showScore(tile);
    this.drawn = performance.now();
  }

  // An incident is one strip; its alarms have their own below, each with its acknowledgement and pause.
  showAlarms(tile, now) {
    const found = strips(tile.alarms);
    const several = found.filter((strip) => strip.alarms.length > 1).flatMap((strip) => strip.alarms);
    this.showRows(this.alarms, found.map((strip) => [`${strip.id} ${strip.alarms.length > 1}`, strip, strip.alarms.length === 1]), tile, now);
    this.showRows(this.each, several.map((alarm) => [alarm.id, { ...alarm, alarms: [alarm] }, true]), tile, now);
    this.single.hidden = !several.length;
  }

  showRows(list, wanted, tile, now) {
    const kept = new Set(wanted.map(([key]) => key));
    for (const [key, row] of this.rows) {
      if (row.list !== list || kept.has(key)) continue;
      row.node.remove();
      this.rows.delete(key);
    }
    for (const [i, [key, strip, alone]] of wanted.entries()) {
      const row = this.rows.get(key) ?? Object.assign(alarmRow(this.context, { alone }), { list });
      this.rows.set(key, row);
      row.update(strip, tile, now);
      if (list.children[i] !== row.node) list.insertBefore(row.node, list.children[i] ?? null);
    }
  }

  showValues(tile, now) {
    const shown = [...this.context.signs.values()].filter((sign) => tile.signs[sign.field]);
    const key = JSON.stringify(shown.map((sign) => [sign.field, tile.signs[sign.field], Math.floor((now - tile.signs[sign.field][1]) / 1000)]));
    if (this.valuesShown === key && this.values.childElementCount) return;
    this.valuesShown = key;
    this.values.replaceChildren(...shown.map((sign) => {
      const entry = tile.signs[sign.field];
      const [value, t, breach, doubt] = entry;
      const state = doubt ? " doubt" : breach === 1 || breach === 4 ? " far" : breach ? " out" : "";
      const [lowest, low, high, highest] = this.view.limits[sign.field];
      const range = low === null ? (high === null ? "no limits" : `up to ${high}`) : high === null ? `${low} or more` : `${low} to ${high}`;
      const beyond = { 1: `▼ far below, limit ${lowest}`, 2: `▼ below ${low}`, 3: `▲ above ${high}`, 4: `▲ far above, limit ${highest}` };
      const where = doubt ? `not to be trusted: ${this.context.doubts[doubt]}` : beyond[breach] ?? `limits ${range}`;
      return el("div", { class: `one${state}${isOld(entry, tile, now) ? " old" : ""}` }, el("dt", {}, label(sign), el("span", { class: "soft" }, ` ${unit(sign)}`)),
        el("dd", {}, el("span", { class: "digits" }, number(value, sign)), el("span", { class: "where" }, where), el("span", { class: "soft" }, ago(now - t))));
    }));
  }

  showScore(tile) {
    const { news2 } = tile;
    const key = JSON.stringify(news2);
    if (this.scoreShown === key && this.parts.childElementCount) return;
    this.scoreShown = key;
    this.sum.replaceChildren("NEWS2 ", el("span", { class: "total", "data-risk": news2?.risk ?? "none" }, news2 ? String(news2.total) : "–"), el("span", { class: "soft" }, !news2 ? "not scored" : news2.missing.length ? "incomplete: may be falsely low" : `${news2.risk} risk`));
    this.parts.replaceChildren(...Object.entries(PARTS).map(([part, name]) => {
      const missing = !news2 || news2.missing.includes(part);
      const ageS = news2?.ages_s?.[part];
      return el("tr", { class: missing ? "missing" : "" }, el("th", { scope: "row" }, name), el("td", { class: `n${news2?.parts[part] ?? ""}` }, missing ? "missing" : String(news2.parts[part] ?? 0)), el("td", {}, ageS === null || ageS === undefined ? "" : age(ageS * 1000)));
    }));
  }

  async past() {
    let history;
    try {
      history = await call(`/api/patients/${encodeURIComponent(this.patient)}/history?hours=${this.hours}`);
    } catch (error) {
      this.note.hidden = false;
      this.note.textContent = error.message;
      return;
    }
    if (this.stop.signal.aborted) return;
    this.note.hidden = !history.down;
    this.note.textContent = history.down ? "The archive does not answer: only the last half hour is shown. It is tried again every 30 s." : "";
    this.showLog(history);
    await this.showTrends(history);
  }

  // Curves are loaded with the first patient's view: without them everything else stands.
  async showTrends(history) {
    let trends;
    try {
      trends = await import("./trends.js");
      if (this.stop.signal.aborted) return;
      this.charts.forEach((one) => one.destroy());
      this.charts = trends.groups(this.context.signs).map((fields) => trends.chart(history, fields, this.context.signs)).filter(Boolean);
      this.trends.replaceChildren(...(this.charts.length ? this.charts.map((one) => one.box) : [el("p", { class: "soft" }, "No readings in this span.")]));
    } catch (error) {
      this.trends.replaceChildren(el("p", { class: "problem", role: "alert" }, "The curves cannot be drawn in this browser. Values and alarms go on."));
      console.error(error);
    }
  }

  showLog(history) {
    const alarms = new Map();
    for (const row of history.alarms) {
      const one = alarms.get(row.id) ?? { first: row, priority: row.priority, steps: [], told: [] };
      const before = one.last?.priority ?? 0;
      one.last = row;
      one.priority = Math.max(one.priority, row.priority);
      if (row.inactivation === "acknowledged" && !one.steps.some((step) => step[1].startsWith("acknowledged"))) one.steps.push([row.t, `acknowledged${row.acted_by ? ` by ${row.acted_by}` : ""}`]);
      else if (row.inactivation === "audio-paused") one.steps.push([row.t, `audio paused${row.acted_by ? ` by ${row.acted_by}` : ""}`]);
      else if (row.phase === "escalate") one.steps.push([row.t, row.priority > before ? `raised to ${PRIORITY[row.priority].toLowerCase()}` : "worse: called again"]);
      if (row.phase === "end") one.steps.push([row.t, "ended"]);
      alarms.set(row.id, one);
    }
    for (const row of history.notifications) {
      const one = alarms.get(row.alarm);
      const ways = String(row.channels ?? "").replaceAll(",", " and ");
      const later = { delivered: `SMS delivered to ${row.contact}`, failed: `NOT delivered to ${row.contact}: ${row.error}`, opened: `opened by ${row.contact}`, answered: `answered by ${row.contact}` }[row.state];
      if (one) one.steps.push([row.accepted ?? row.t, later ?? (row.sns ? `sent to ${row.contact}${ways ? ` by ${ways}` : ""}` : `NOT delivered to ${row.contact}: ${row.error}`)]);
    }
    const entries = [...alarms.values()].map((one) => [one.first.started, el("li", { class: "past-alarm" },
      el("p", {}, el("span", { class: `chip p${one.priority}` }, el("span", { class: "mark", "aria-hidden": "true" }), `${BANGS[one.priority]} ${PRIORITY[one.priority]}`), el("time", {}, day(one.first.started))),
      el("p", {}, one.first.message), el("ul", {}, one.steps.sort((a, b) => a[0] - b[0]).map(([t, what]) => el("li", { class: "soft" }, el("time", {}, short(t)), ` ${what}`))))]);
    for (const row of history.actions.filter((action) => action.act === "chart")) {
      const what = [row.oxygen === null || row.oxygen === undefined ? "" : row.oxygen ? "oxygen given" : "on air", row.consciousness ? `consciousness ${row.consciousness}` : ""].filter(Boolean).join(", ");
      entries.push([row.t, el("li", { class: "past-chart" }, el("p", {}, el("span", { class: "chip calm" }, "Charted"), el("time", {}, day(row.t))), el("p", {}, `${what} · by ${row.acted_by}`))]);
    }
    for (const row of history.actions.filter((action) => action.act.startsWith("standby"))) {
      const what = row.act === "standby" ? `asked for ${Math.round(row.pause_s / 60)} min` : "ended";
      entries.push([row.t, el("li", { class: "past-chart" }, el("p", {}, el("span", { class: "chip calm" }, "Standby"), el("time", {}, day(row.t))), el("p", {}, `${what} · by ${row.acted_by}`))]);
    }
    entries.sort((a, b) => b[0] - a[0]);
    this.log.replaceChildren(entries.length ? el("ol", {}, entries.map(([, node]) => node)) : el("p", { class: "soft" }, `Nothing in the last ${this.hours} h.`));
  }

  close() {
    this.stop.abort();
    this.timers?.forEach(clearInterval);
    this.charts.forEach((one) => one.destroy());
    this.main.classList.remove("stale-patient");
  }
}
