// One bed on the ward screen. Made once, then only what differs is touched.

import { attribute, className, el, text } from "./dom.js";
import { howOld, isCalling, isOld, isStale, strips, worst } from "./rank.js";
import { draw } from "./spark.js";
import { age, ago, BANGS, countdown, label, number, PRIORITY, unit } from "./words.js";

const ALARMS_SHOWN = 3;
const ARROW = { 1: "▼", 2: "▼", 3: "▲", 4: "▲" };
const WHERE = { 1: "far below its limit", 2: "below its limit", 3: "above its limit", 4: "far above its limit" };
export const MIND = { A: "alert", C: "new confusion", V: "responds to voice", P: "responds to pain", U: "unresponsive" };

function value(name, big) {
  const digits = el("span", { class: "digits" }, "–");
  const arrow = el("span", { class: "arrow", "aria-hidden": "true" });
  const where = el("span", { class: "unseen" });
  const title = el("span", { class: "sign" }, name);
  const canvas = big ? el("canvas", { class: "spark", "aria-hidden": "true" }) : null;
  const box = el("div", { class: big ? "value big" : "value" }, el("span", { class: "label" }, title, arrow), digits, where, canvas);
  return { box, digits, arrow, where, title, canvas };
}

function show(part, sign, entry, tile, now, doubts) {
  if (!entry) {
    text(part.digits, "–");
    text(part.arrow, "");
    text(part.where, "");
    className(part.box, part.canvas ? "value big none" : "value none");
    return;
  }
  const [number_, , breach, doubt] = entry;
  text(part.digits, number(number_, sign));
  text(part.arrow, doubt ? "?" : ARROW[breach] ?? "");
  const old = isOld(entry, tile, now);
  text(part.where, [WHERE[breach], doubt ? `not to be trusted: ${doubts[doubt]}` : "", old ? `${age(now - entry[1])} old` : ""].filter(Boolean).join(", "));
  const beyond = breach === 1 || breach === 4 ? " far" : breach ? " out" : "";
  className(part.box, `value${part.canvas ? " big" : ""}${doubt ? " doubt" : beyond}${old ? " old" : ""}`);
}

export class Tile {
  constructor(patient, context) {
    this.patient = patient;
    this.context = context;
    this.bed = el("span", { class: "bed" });
    this.name = el("span", { class: "name" });
    this.link = el("a", { class: "open", href: `#/patient/${encodeURIComponent(patient)}` }, this.bed, this.name);
    this.total = el("span", { class: "total" });
    this.risk = el("span", { class: "risk" });
    this.news = el("div", { class: "news" }, el("span", { class: "sign" }, "NEWS2"), this.total, this.risk);
    this.left = el("span", { role: "status" });
    this.end = el("button", { class: "end", onclick: () => this.context.endStandby(this.tile) }, "End standby");
    this.standby = el("div", { class: "standby", hidden: true }, this.left, this.end);
    this.alarms = el("ul", { class: "alarms" });
    this.hr = value("HR", true);
    this.spo2 = value("SpO₂ %", true);
    this.rr = value("RR");
    this.bp = value("BP");
    this.map = value("MAP");
    this.temp = value("Temp");
    this.others = el("p", { class: "others" });
    this.age = el("span", { class: "age" });
    this.facts = el("span", { class: "facts" });
    this.node = el("article", { class: "tile", "data-patient": patient },
      el("div", { class: "top" }, el("h2", {}, this.link), this.news),
      this.standby, this.alarms,
      el("div", { class: "signs" }, this.hr.box, this.spo2.box, el("div", { class: "rest" }, this.rr.box, this.bp.box, this.map.box, this.temp.box)),
      this.others,
      el("div", { class: "bottom" }, this.age, this.facts));
    this.buttons = new Map();
    this.drawn = 0;
    this.touched = 0;
  }

  update(tile, now) {
    this.tile = tile;
    const { signs, doubts } = this.context;
    text(this.bed, tile.bed);
    text(this.name, `${tile.name} · ${tile.age ?? "age unknown"}`);
    const pulse = tile.signs.hr ? "hr" : "pr";
    text(this.hr.title, pulse === "hr" ? "HR" : tile.signs.pr ? "Pulse" : "HR");
    show(this.hr, signs.get(pulse), tile.signs[pulse], tile, now, doubts);
    show(this.spo2, signs.get("spo2"), tile.signs.spo2, tile, now, doubts);
    show(this.rr, signs.get("rr"), tile.signs.rr, tile, now, doubts);
    show(this.temp, signs.get("temp"), tile.signs.temp, tile, now, doubts);
    this.pressure(tile, now);
    this.score(tile);
    this.list(tile, now);
    const shown = new Set(["hr", "pr", "spo2", "rr", "temp", "sbp", "dbp", "map"]);
    const more = Object.entries(tile.signs).filter(([field]) => !shown.has(field));
    text(this.others, more.map(([field, [v]]) => `${label(signs.get(field))} ${number(v, signs.get(field))} ${unit(signs.get(field))}`).join(" · "));
    const facts = [tile.canary ? "test patient" : "", tile.oxygen ? "on oxygen" : "", tile.scale2 ? "SpO₂ scale 2" : ""];
    if (tile.consciousness && tile.consciousness !== "A") facts.push(MIND[tile.consciousness]);
    text(this.facts, facts.filter(Boolean).join(" · "));
    this.tick(now);
  }

  // Both pressures in one figure; the worse of the two decides how it looks.
  pressure(tile, now) {
    const { sbp, dbp, map } = tile.signs;
    const { signs, doubts } = this.context;
    const far = (entry) => (!entry?.[2] ? 0 : entry[2] === 1 || entry[2] === 4 ? 2 : 1);
    const lead = sbp && far(sbp) >= far(dbp) ? sbp : dbp ?? sbp;
    show(this.bp, signs.get("sbp"), lead, tile, now, doubts);
    if (lead) text(this.bp.digits, `${sbp ? number(sbp[0]) : "–"}/${dbp ? number(dbp[0]) : "–"}`);
    show(this.map, signs.get("map"), map, tile, now, doubts);
  }

  score(tile) {
    const { news2 } = tile;
    attribute(this.news, "data-risk", news2 ? news2.risk : "none");
    text(this.total, news2 ? String(news2.total) : "–");
    text(this.risk, !news2 ? "not scored" : news2.missing.length ? "incomplete" : `${news2.risk} risk`);
    attribute(this.news, "title", news2 ? Object.entries(news2.parts).map(([part, n]) => `${part} ${n}`).join(", ") + (news2.missing.length ? `; without ${news2.missing.join(", ")}` : "") : null);
  }

  list(tile, now) {
    const lead = worst(tile);
    attribute(this.node, "data-priority", lead ? lead.priority : 0);
    attribute(this.node, "data-calling", lead && isCalling(lead) ? "yes" : "no");
    const rows = strips(tile.alarms);
    const wanted = [...rows].sort((a, b) => Number(isCalling(b)) - Number(isCalling(a)) || b.priority - a.priority).slice(0, ALARMS_SHOWN);
    for (const [id, row] of this.buttons) {
      if (!wanted.some((alarm) => alarm.id === id)) {
        row.node.remove();
        this.buttons.delete(id);
      }
    }
    for (const alarm of wanted) {
      const row = this.buttons.get(alarm.id) ?? alarmRow(this.context.act);
      this.buttons.set(alarm.id, row);
      row.update(alarm, now);
      if (!row.node.isConnected) this.alarms.append(row.node);
    }
    const hidden = rows.length - wanted.length;
    if (!this.more && hidden > 0) this.more = el("li", { class: "more" });
    if (this.more) {
      text(this.more, hidden > 0 ? `and ${hidden} more` : "");
      if (hidden > 0) this.alarms.append(this.more);
      else this.more.remove();
    }
  }

  tick(now) {
    const { tile } = this;
    this.touched = now;
    const stale = isStale(tile, now);
    text(this.age, howOld(tile, now) || ago(now - tile.t));
    className(this.node, stale ? "tile stale" : "tile");
    const { standby } = tile;
    this.standby.hidden = !standby;
    if (standby) {
      this.end.hidden = !this.context.act.may;
      text(this.left, standby.until > now ? `Standby, ${countdown(standby.until - now)} left, by ${standby.by}` : `Standby by ${standby.by} is over`);
    }
    for (const row of this.buttons.values()) row.tick(now);
  }

  curves(now) {
    if (now - this.drawn < 10000) return;
    this.drawn = now;
    draw(this.hr.canvas, this.tile.trail, this.tile.signs.hr ? "hr" : "pr", now);
    draw(this.spo2.canvas, this.tile.trail, "spo2", now);
  }
}

// An alarm, or an incident's strip, with its buttons: the same on the ward screen and in the patient's view.
export function alarmRow(act) {
  const mark = el("span", { class: "mark", "aria-hidden": "true" });
  const what = el("strong", { class: "what" });
  const words = el("span", { class: "words" });
  const state = el("span", { class: "state" });
  const acknowledge = el("button", { class: "ack", onclick: () => act("acknowledge", row.alarm) }, "Acknowledge");
  const pause = el("button", { class: "pause", onclick: () => act("pause", row.alarm) }, "Pause audio");
  const hands = el("span", { class: "hands" }, acknowledge, pause);
  const node = el("li", {}, mark, el("span", { class: "said" }, what, " ", words, state), hands);
  const row = {
    node,
    alarm: null,
    update(alarm, now) {
      row.alarm = alarm;
      className(node, `alarm p${alarm.priority}${isCalling(alarm) ? "" : " cared"}`);
      attribute(node, "data-alarm", alarm.id);
      attribute(node, "data-incident", alarm.alarms ? alarm.incident : null);
      text(what, `${BANGS[alarm.priority]} ${PRIORITY[alarm.priority]}${alarm.kind === "technical" ? " · TECHNICAL" : ""}`);
      text(words, alarm.text);
      attribute(acknowledge, "aria-label", `Acknowledge: ${alarm.text}`);
      attribute(pause, "aria-label", `Pause audio: ${alarm.text}`);
      // What ends by its cause alone has nobody to acknowledge it.
      const may = act.may && alarm.answerable;
      acknowledge.hidden = !may || alarm.inactivation === "acknowledged";
      // A pause is of one alarm: among several it is given in the patient's view.
      pause.hidden = !may || !isCalling(alarm) || alarm.state === "latched" || alarm.alarms?.length > 1;
      hands.hidden = acknowledge.hidden && pause.hidden;
      row.tick(now);
    },
    tick(now) {
      const { alarm } = row;
      const parts = [`for ${age(now - alarm.start)}`];
      if (alarm.state === "latched") parts.push("over, not yet acknowledged");
      if (alarm.inactivation !== "acknowledged" && alarm.acknowledged) parts.push(`${alarm.acknowledged} of ${alarm.alarms.length} acknowledged`);
      if (alarm.inactivation === "acknowledged") parts.push(`acknowledged${alarm.by ? ` by ${alarm.by}` : ""}`);
      if (alarm.inactivation === "audio-paused") {
        const left = alarm.paused_until ? Math.max(0, alarm.paused_until - now) : 0;
        parts.push(`audio paused${left ? `, ${countdown(left)} left` : ""}`);
      }
      if (alarm.handover) parts.push(`handed over ${alarm.handover}×`);
      text(state, parts.join(" · "));
    },
  };
  return row;
}
