// Test patients and equipment of the whole site, for technicians: no ward's first view.

import { el, text } from "./dom.js";
import { call } from "./net.js";
import { ago, BANGS, PRIORITY } from "./words.js";

const REFRESH_MS = 10000;
const OLD_MS = 120000;

export class SystemScreen {
  constructor(main) {
    this.wrong = el("p", { class: "problem", role: "alert", hidden: true });
    this.alarms = el("ul", { class: "rows" });
    this.gateways = el("tbody");
    this.tests = el("tbody");
    this.wards = el("p", {});
    const table = (label, heads, body) => el("div", { class: "wide panel", tabIndex: 0, role: "region", "aria-label": label }, el("table", { class: "stack" }, el("thead", {}, el("tr", {}, heads.map((name) => el("th", { scope: "col" }, name)))), body));
    main.append(el("section", { class: "view" }, el("h1", {}, "System"), this.wrong,
      el("h2", {}, "Alarms of equipment"), this.alarms,
      el("h2", {}, "Gateways"), table("Gateways", ["Gateway", "Wards", "Patients", "Newest reading"], this.gateways),
      el("h2", {}, "Test patients"), el("p", { class: "soft" }, "Their alarms go the whole way and page nobody: each proves that the path works."), table("Test patients", ["Test patient", "Gateway", "Newest reading", "Alarms"], this.tests),
      el("h2", {}, "Wards of the system"), this.wards));
    this.timer = setInterval(() => this.load(), REFRESH_MS);
    this.load();
  }

  async load() {
    try {
      this.show(await call("/api/system"));
      this.wrong.hidden = true;
    } catch (error) {
      this.fail(`${error.message} What is shown is old.`);
    }
  }

  fail(words) {
    text(this.wrong, words);
    this.wrong.hidden = false;
  }

  show(found) {
    const heard = (t) => el("td", {}, t === null ? el("span", { class: "free-beds" }, "none yet") : found.now - t > OLD_MS ? el("span", { class: "free-beds" }, ago(found.now - t)) : ago(found.now - t));
    this.alarms.replaceChildren(...(found.alarms.length ? found.alarms.map((alarm) => el("li", { class: "row-card of-system", "data-due": alarm.priority > 1 ? "over" : "soon" },
      el("span", {}, el("strong", {}, `${BANGS[alarm.priority]} ${PRIORITY[alarm.priority]} `), alarm.text), el("span", {}, [alarm.ward ? `ward ${alarm.ward.toUpperCase()}` : "whole site", alarm.subject].join(" · ")), el("span", {}, `since ${ago(found.now - alarm.start).replace(" ago", "")}`, alarm.inactivation === "acknowledged" ? `, acknowledged by ${alarm.by}` : ""))) : [el("li", { class: "soft" }, found.down ? "Unknown: the alarm service does not answer." : "None.")]));
    this.gateways.replaceChildren(...found.gateways.map((one) => el("tr", {}, el("th", { scope: "row" }, one.gateway), el("td", {}, one.wards.map((ward) => ward.toUpperCase()).join(", ")), el("td", {}, `${one.patients} ${one.patients === 1 ? "patient" : "patients"}`), heard(one.t))));
    this.tests.replaceChildren(...found.tests.map((one) => el("tr", {}, el("th", { scope: "row" }, el("a", { href: `#/patient/${encodeURIComponent(one.patient)}` }, one.patient)), el("td", {}, one.gateway), heard(one.t), el("td", {}, one.alarms ? `${one.alarms} open` : "none open"))));
    this.wards.replaceChildren(...(found.wards.length ? found.wards.flatMap((ward) => [el("a", { class: "plain", href: `#/ward/${encodeURIComponent(ward)}` }, ward.toUpperCase()), " ", el("a", { class: "plain", href: `#/rota/${encodeURIComponent(ward)}` }, `Rota of ${ward.toUpperCase()}`), " "]) : ["None."]));
    if (found.down) this.fail("The alarm service does not answer: readings and alarms are old.");
  }

  close() {
    clearInterval(this.timer);
  }
}
