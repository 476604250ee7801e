// Alarms as a person reads them: one strip for an incident with its problems, each with its present value. Pure.

import { isCalling, isOld, isStale } from "./rank.js";
import { label, number, PRIORITY } from "./words.js";

// One strip for each incident; a technical alarm, or one of no incident, is shown by itself. Who calls comes first.
export function strips(alarms) {
  const found = new Map();
  for (const alarm of alarms) {
    const key = alarm.incident || alarm.id;
    const own = found.get(key);
    if (own) own.push(alarm);
    else found.set(key, [alarm]);
  }
  const made = [...found.values()].map((own) => (own[0].incident ? bundled(own) : { ...own[0], alarms: [own[0]] }));
  return made.sort((a, b) => Number(isCalling(b)) - Number(isCalling(a)) || b.priority - a.priority || a.start - b.start);
}

function bundled(alarms) {
  const all = (key, value) => alarms.every((alarm) => alarm[key] === value);
  const most = (key) => Math.max(...alarms.map((alarm) => alarm[key] ?? 0));
  const sorted = [...alarms].sort((a, b) => Number(isCalling(b)) - Number(isCalling(a)) || b.priority - a.priority || a.start - b.start);
  const [lead] = sorted;
  return {
    ...lead,
    id: lead.incident,
    alarms: sorted,
    start: Math.min(...alarms.map((alarm) => alarm.start)),
    log_t: most("log_t"),
    state: all("state", "latched") ? "latched" : "active",
    inactivation: all("inactivation", "acknowledged") ? "acknowledged" : alarms.some(isCalling) ? "enabled" : "audio-paused",
    acknowledged: alarms.filter((alarm) => alarm.inactivation === "acknowledged").length,
    paused_until: most("paused_until"),
    handover: most("handover"),
    coming: sorted.find((alarm) => alarm.coming)?.coming ?? null,
  };
}

const SIDE = { "-1": "low", 1: "high" };
const BEYOND = { "-1": "below", 1: "above" };

// Problems of a strip: name, present value and rest in words. Two signs of one problem are one. A value is shown only if it
// is one: of now, believed, and of a bed that is judged.
export function problems(strip, tile, now, signs) {
  const seen = new Set();
  const found = [];
  for (const alarm of strip.alarms) {
    const key = alarm.problem ?? alarm.id;
    if (seen.has(key)) continue;
    seen.add(key);
    found.push(problem(alarm, tile, now, signs, strip.alarms.length > 1));
  }
  return found;
}

function problem(alarm, tile, now, signs, several) {
  const sign = signs.get(alarm.condition);
  if (alarm.condition === "news2-risk" && tile?.news2 && !isStale(tile, now)) return { name: "NEWS2", value: String(tile.news2.total), rest: `${tile.news2.risk} risk` };
  const { side } = alarm;
  if (!sign || !side || !tile) return { name: "", value: "", rest: alarm.text };
  const name = label(sign);
  const limit = alarm.limit === null || alarm.limit === undefined || several ? SIDE[side] : `${BEYOND[side]} ${alarm.limit}`;
  const entry = tile.signs[alarm.condition];
  if (!entry || entry[3] || isOld(entry, tile, now) || isStale(tile, now)) return { name, value: "", rest: `${limit}, no value now` };
  const within = !entry[2];
  return { name, value: number(entry[0], sign), rest: `${sign.unit === "%" ? "% " : ""}${within ? "was " : ""}${limit}` };
}

// The strip in one line, without values: what a button is called must not change each second.
export function inWords(strip, signs) {
  const words = strip.alarms.map((alarm) => {
    const sign = signs.get(alarm.condition);
    if (strip.alarms.length === 1) return alarm.text;
    return sign && alarm.side ? `${label(sign)} ${SIDE[alarm.side]}` : alarm.text;
  });
  return [...new Set(words)].join(", ");
}

export const spoken = (strip, bed, signs) => `${PRIORITY[strip.priority]} priority, bed ${bed}: ${inWords(strip, signs)}`;
