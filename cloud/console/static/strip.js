// An alarm's strip with its buttons: on a bed, above the beds, and in the patient's view.

import { attribute, className, el, text } from "./dom.js";
import { inWords, problems } from "./incident.js";
import { isCalling } from "./rank.js";
import { age, BANGS, countdown, PRIORITY, short } from "./words.js";

const SHOWN = 4;

// `alone`: one alarm by itself, with its own acknowledgement and pause; otherwise an incident as it is shown.
export function alarmRow(context, { alone = false } = {}) {
  const { act } = context;
  const mark = el("span", { class: "mark", "aria-hidden": "true" });
  const what = el("strong", { class: "what" });
  const list = el("span", { class: "problems" });
  const state = el("span", { class: "state" });
  const button = (name, shown) => el("button", { class: name, onclick: () => act(name, row.strip, row.words, alone) }, shown);
  const coming = button("coming", "Coming");
  const acknowledge = button("acknowledge", "Acknowledge");
  const pause = alone ? button("pause", "Pause audio") : null;
  const actionable = alone ? button("not-actionable", "Not actionable") : null;
  const hands = el("span", { class: "hands" }, coming, acknowledge, pause, actionable);
  const node = el("li", {}, el("span", { class: "said" }, mark, what, " ", list, " ", state), hands);
  const parts = [];
  const row = {
    node,
    strip: null,
    update(strip, tile, now) {
      row.strip = strip;
      row.tile = tile;
      row.words = `${tile ? `${tile.bed}, ` : ""}${inWords(strip, context.signs)}`;
      className(node, `alarm p${strip.priority}${isCalling(strip) ? "" : " cared"}${strip.state === "latched" ? " latched" : ""}`);
      attribute(node, "data-alarm", strip.id);
      attribute(node, "data-incident", strip.incident || null);
      text(what, `${BANGS[strip.priority]} ${PRIORITY[strip.priority]}${strip.kind === "technical" ? " · TECHNICAL" : ""}`);
      for (const [node_, word] of [[coming, "Coming"], [acknowledge, "Acknowledge"], ...(alone ? [[pause, "Pause audio"], [actionable, "Not actionable"]] : [])]) attribute(node_, "aria-label", `${word}: ${row.words}`);
      // What ends by its cause alone has nobody to acknowledge it.
      const may = act.may && strip.answerable;
      acknowledge.hidden = !may || strip.inactivation === "acknowledged";
      coming.hidden = !may || !isCalling(strip) || strip.state === "latched" || Boolean(strip.coming) || strip.priority < 2 || !strip.incident;
      if (pause) pause.hidden = !may || !isCalling(strip) || strip.state === "latched";
      // Evidence for the ward's review of its alarms, of who has looked after the patient.
      if (actionable) actionable.hidden = !act.may || strip.inactivation !== "acknowledged";
      hands.hidden = [coming, acknowledge, pause, actionable].every((one) => !one || one.hidden);
      row.tick(now);
    },
    tick(now) {
      const { strip, tile } = row;
      show(list, parts, problems(strip, tile, now, context.signs));
      text(state, stateOf(strip, now));
    },
  };
  return row;
}

function show(list, parts, found) {
  const wanted = found.slice(0, SHOWN);
  while (parts.length > wanted.length) parts.pop().node.remove();
  while (parts.length < wanted.length) {
    const name = el("span", { class: "sign-of" });
    const value = el("b", {});
    const rest = el("span", { class: "rest-of" });
    const node = el("span", { class: "problem-of" }, name, " ", value, " ", rest);
    parts.push({ node, name, value, rest });
    list.append(node, " ");
  }
  for (const [i, one] of wanted.entries()) {
    const last = i === SHOWN - 1 && found.length > SHOWN ? ` and ${found.length - SHOWN} more` : i < wanted.length - 1 ? "," : "";
    text(parts[i].name, one.name);
    text(parts[i].value, one.value);
    text(parts[i].rest, `${one.rest}${last}`);
  }
}

function stateOf(strip, now) {
  const parts = [`since ${short(strip.start)}, ${age(now - strip.start)}`];
  if (strip.state === "latched") parts.push("over, not yet acknowledged");
  if (strip.coming && strip.inactivation !== "acknowledged") parts.push(`${strip.coming} is coming`);
  if (strip.inactivation !== "acknowledged" && strip.acknowledged) parts.push(`${strip.acknowledged} of ${strip.alarms.length} acknowledged`);
  if (strip.inactivation === "acknowledged") parts.push(`acknowledged${strip.by ? ` by ${strip.by}` : ""}`);
  if (strip.inactivation === "audio-paused") {
    const left = strip.paused_until ? Math.max(0, strip.paused_until - now) : 0;
    parts.push(`audio paused${left ? `, ${countdown(left)} left` : ""}`);
  }
  if (strip.handover) parts.push(`handed over ${strip.handover}×`);
  return parts.join(" · ");
}
