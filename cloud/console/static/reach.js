// Channels of a contact that do not reach the person, in words.

import { el } from "./dom.js";

const STANDING = { pending: "not confirmed", gone: "ended by its receiver", deactivated: "deactivated", "opted-out": "opted out (STOP)", refused: "refused", "no-device": "on no device" };
const CHANNEL = { sms: "SMS", email: "E-mail", push: "Push", webhook: "Webhook" };

// `null` if all reach the person, or none was looked at yet.
export function reach(one) {
  const bad = Object.entries(one.channels ?? {}).filter(([, standing]) => standing !== "ready");
  if (!bad.length) return null;
  const nobody = bad.length === Object.keys(one.channels).length;
  const words = bad.map(([channel, standing]) => `${CHANNEL[channel] ?? channel} ${STANDING[standing] ?? standing}`).join(", ");
  return el("p", { class: nobody ? "problem" : "soft" }, nobody ? `Not reached: ${words}` : words);
}
