// Advice on one patient's limits: what another limit would have spared in the last 24 hours, and what it would have hidden.

import { ask, el, toast } from "./dom.js";
import { call } from "./net.js";
import { day, label, PRIORITY, unit } from "./words.js";

const WAIT_MS = 100000;
const PLACE = { low: 1, high: 2 };

export class AdviceScreen {
  constructor(main, context, patient) {
    this.main = main;
    this.context = context;
    this.patient = patient;
    this.path = `/api/patients/${encodeURIComponent(patient)}`;
    this.back = el("a", { class: "back", href: `#/patient/${encodeURIComponent(patient)}` }, "← Patient");
    main.append(this.back, el("p", { class: "loading", role: "status" }, "The last 24 hours run through the alarm engine again under other limits. This takes up to a minute."));
    this.load();
  }

  async load() {
    try {
      const found = await call(`${this.path}/advice`, { wait: WAIT_MS });
      if (!this.closed) this.show(found);
    } catch (error) {
      if (!this.closed) this.main.replaceChildren(this.back, el("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  show(found) {
    const groups = Map.groupBy ? Map.groupBy(found.tried, (one) => `${one.sign} ${one.bound}`) : found.tried.reduce((all, one) => all.set(`${one.sign} ${one.bound}`, [...(all.get(`${one.sign} ${one.bound}`) ?? []), one]), new Map());
    this.main.replaceChildren(this.back, el("section", { class: "view" },
      el("h1", {}, `Advice on limits: ${found.bed}, ${found.name}`),
      el("p", { class: "lead" }, "This is advice for the 24 hours before now, from the archived readings. A person decides, and looks at the patient first. A limit that hides a high alarm is never advised."),
      groups.size ? [...groups.values()].map((tried) => this.group(found, tried)) : el("p", { class: "panel" }, "No sign of this patient alarmed three times or more in the last 24 hours at a limit in force: nothing to advise.")));
  }

  group(found, tried) {
    const [{ sign, bound, present, alarms }] = tried;
    const about = this.context.signs.get(sign);
    const rows = tried.map((one) => el("tr", {},
      el("th", { scope: "row" }, `${one.tried} ${unit(about)}`),
      el("td", {}, one.spared > 0 ? `${one.spared} fewer ${one.spared === 1 ? "call" : "calls"}` : "no fewer calls"),
      el("td", {}, this.hidden(one)),
      el("td", {}, one.later_s >= 1 ? `the others up to ${Math.round(one.later_s)} s later` : "the others as before"),
      el("td", {}, one.advised ? el("span", { class: "kind", "data-kind": "admit" }, "possible") : el("span", { class: "kind", "data-kind": "hides" }, one.spared > 0 ? "not advised" : "no use")),
      el("td", {}, one.advised ? el("button", { onclick: () => this.set(found, one) }, "Set this limit") : null)));
    return el("section", { class: "panel", "aria-label": `${label(about)} ${bound}` },
      el("h2", {}, `${label(about)} ${bound === "low" ? "below" : "above"} ${present} ${unit(about)}: ${alarms} alarms in 24 hours`),
      el("div", { class: "wide", tabIndex: 0, role: "region", "aria-label": `Limits tried for ${label(about)} ${bound}` },
        el("table", { class: "stack" }, el("thead", {}, el("tr", {}, ["Limit", "Calls", "Would have hidden", "Other alarms", "Advice"].map((name) => el("th", { scope: "col" }, name)), el("th", { scope: "col" }, el("span", { class: "unseen" }, "Act")))), el("tbody", {}, rows))));
  }

  hidden(one) {
    if (!one.hidden.length) return el("span", { class: "soft" }, "hides nothing");
    const counts = [3, 2, 1].map((priority) => [priority, one.hidden.filter((alarm) => alarm.priority === priority).length]).filter(([, count]) => count);
    return el("details", {}, el("summary", {}, "hides ", counts.map(([priority, count]) => `${count} ${PRIORITY[priority].toLowerCase()}`).join(", ")),
      el("ul", {}, one.hidden.map((alarm) => el("li", {}, el("time", {}, day(alarm.start)), ` ${PRIORITY[alarm.priority]} ${alarm.text}`, alarm.over ? el("span", { class: "soft" }, `, for ${Math.round((alarm.over - alarm.start) / 1000)} s`) : ""))));
  }

  set(found, one) {
    const about = this.context.signs.get(one.sign);
    const words = `${label(about)} ${one.bound === "low" ? "below" : "above"} ${one.tried} instead of ${one.present} ${unit(about)}`;
    ask({
      title: `Set this limit for ${found.name}?`,
      action: "Set the limit",
      danger: true,
      body: el("div", {}, el("p", {}, `Alarm ${words}. In the last 24 hours it would have hidden:`), this.hidden(one), el("p", { class: "soft" }, "It holds until somebody changes it: look at it again in 24 hours.")),
      send: async () => {
        const bounds = structuredClone(found.limits);
        bounds[one.sign][PLACE[one.bound]] = one.tried;
        await call(`${this.path}/limits`, { method: "POST", body: { version: found.version, profile: found.profile, scale2: found.scale2, bounds } });
        toast(`Limit set: ${words}`);
        location.hash = `#/patient/${encodeURIComponent(this.patient)}`;
      },
    });
  }

  close() {
    this.closed = true;
  }
}
