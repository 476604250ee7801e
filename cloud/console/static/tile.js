// One bed on the ward screen, as a tile or as a line of numbers. Made once, then only what differs is touched.

import { attribute, className, el, text } from "./dom.js";
import { strips } from "./incident.js";
import { howOld, isCalling, isOld, isStale, worst } from "./rank.js";
import { draw } from "./spark.js";
import { alarmRow } from "./strip.js";
import { age, ago, countdown, label, MIND, number, unit } from "./words.js";

const STRIPS = 2;
const ARROW = { 1: "▼", 2: "▼", 3: "▲", 4: "▲" };
const WHERE = { 1: "far below its limit", 2: "below its limit", 3: "above its limit", 4: "far above its limit" };
const SHOWN = new Set(["hr", "pr", "spo2", "rr", "temp", "sbp", "dbp", "map"]);

function value(name, kind, curve) {
  const digits = el("span", { class: "digits" }, "–");
  const arrow = el("span", { class: "arrow", "aria-hidden": "true" });
  const where = el("span", { class: "unseen" });
  const title = el("span", { class: "sign" }, name);
  const canvas = curve ? el("canvas", { class: "spark", "aria-hidden": "true" }) : null;
  const box = el("div", {}, title, el("span", { class: "number" }, digits, arrow), where, canvas);
  return { box, digits, arrow, where, title, canvas, kind };
}

function show(part, sign, entry, tile, now, doubts) {
  if (!entry) {
    text(part.digits, "–");
    text(part.arrow, "");
    text(part.where, "");
    className(part.box, `value ${part.kind} none`);
    return;
  }
  const [number_, , breach, doubt] = entry;
  text(part.digits, number(number_, sign));
  text(part.arrow, doubt ? "?" : ARROW[breach] ?? "");
  const old = isOld(entry, tile, now);
  text(part.where, [WHERE[breach], doubt ? `not to be trusted: ${doubts[doubt]}` : "", old ? `${age(now - entry[1])} old` : ""].filter(Boolean).join(", "));
  const beyond = breach === 1 || breach === 4 ? " far" : breach ? " out" : "";
  className(part.box, `value ${part.kind}${doubt ? " doubt" : beyond}${old ? " old" : ""}`);
}

export class Tile {
  constructor(patient, context) {
    this.patient = patient;
    this.context = context;
    this.form = "line";
    this.bed = el("span", { class: "bed" });
    this.name = el("span", { class: "name" });
    this.link = el("a", { class: "open", href: `#/patient/${encodeURIComponent(patient)}` }, this.bed, " ", this.name);
    this.total = el("span", { class: "total" });
    this.risk = el("span", { class: "risk" });
    this.news = el("div", { class: "news" }, el("span", { class: "sign" }, "NEWS2"), this.total, this.risk);
    this.left = el("span", { class: "left" });
    this.end = el("button", { class: "end", onclick: () => this.context.endStandby(this.tile) }, "End standby");
    this.standby = el("div", { class: "standby", hidden: true }, this.left, this.end);
    this.alarms = el("ul", { class: "alarms" });
    this.hr = value("HR", "hr", true);
    this.spo2 = value("SpO₂", "spo2", true);
    this.rr = value("RR", "rr");
    this.bp = value("BP", "bp");
    this.map = value("MAP", "map");
    this.temp = value("Temp", "temp");
    this.others = el("p", { class: "others" });
    this.age = el("span", { class: "age" });
    this.facts = el("span", { class: "facts" });
    this.stand = el("button", { class: "stand", onclick: () => this.context.setStandby(this.tile) }, "Standby");
    this.node = el("article", { class: "tile line", "data-patient": patient },
      el("div", { class: "top" }, el("h2", {}, this.link), this.news),
      el("div", { class: "middle" }, this.standby, this.alarms),
      el("div", { class: "signs" }, [this.hr, this.spo2, this.rr, this.bp, this.map, this.temp].map(({ box }) => box)),
      this.others,
      el("div", { class: "bottom" }, this.age, this.facts, this.stand));
    this.rows = new Map();
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
    const more = Object.entries(tile.signs).filter(([field]) => !SHOWN.has(field));
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
    attribute(this.news, "data-incomplete", news2?.missing.length ? "yes" : null);
    text(this.total, news2 ? String(news2.total) : "–");
    text(this.risk, !news2 ? "not scored" : news2.missing.length ? "incomplete" : `${news2.risk} risk`);
    attribute(this.news, "title", news2 ? Object.entries(news2.parts).map(([part, n]) => `${part} ${n}`).join(", ") + (news2.missing.length ? `; without ${news2.missing.join(", ")}` : "") : null);
  }

  list(tile, now) {
    const lead = worst(tile);
    attribute(this.node, "data-priority", lead ? lead.priority : 0);
    attribute(this.node, "data-calling", lead && isCalling(lead) ? "yes" : "no");
    const found = strips(tile.alarms);
    const wanted = found.slice(0, STRIPS);
    for (const [id, row] of this.rows) {
      if (!wanted.some((strip) => strip.id === id)) {
        row.node.remove();
        this.rows.delete(id);
      }
    }
    for (const [i, strip] of wanted.entries()) {
      const row = this.rows.get(strip.id) ?? alarmRow(this.context);
      this.rows.set(strip.id, row);
      row.update(strip, tile, now);
      if (this.alarms.children[i] !== row.node) this.alarms.insertBefore(row.node, this.alarms.children[i] ?? null);
    }
    const hidden = found.length - wanted.length;
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
    const { standby } = tile;
    className(this.node, `tile ${this.form}${stale ? " stale" : ""}${standby ? " standing" : ""}${this.rows.size ? " alarmed" : ""}`);
    this.standby.hidden = !standby;
    this.stand.hidden = Boolean(standby) || !this.context.act.may;
    if (standby) {
      this.end.hidden = !this.context.act.may;
      attribute(this.end, "aria-label", `End standby of ${tile.bed}`);
      text(this.left, standby.until > now ? `Standby, ${countdown(standby.until - now)} left, by ${standby.by}` : `Standby by ${standby.by} is over`);
    } else attribute(this.stand, "aria-label", `Standby of ${tile.bed}`);
    for (const row of this.rows.values()) row.tick(now);
  }

  // A bed that cannot be shown says so in its place: its last values must not stand there as if they were of now.
  fail(tile) {
    this.tile = tile;
    text(this.bed, tile.bed);
    text(this.age, "Cannot be shown: look at the patient");
    className(this.node, `tile ${this.form} stale`);
  }

  curves(now) {
    if (this.form !== "large" || now - this.drawn < 10000) return;
    this.drawn = now;
    draw(this.hr.canvas, this.tile.trail, this.tile.signs.hr ? "hr" : "pr", now);
    draw(this.spo2.canvas, this.tile.trail, "spo2", now);
  }
}
