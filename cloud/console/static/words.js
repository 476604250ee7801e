// Times, ages and numbers as people read them.

export const PRIORITY = { 3: "HIGH", 2: "MEDIUM", 1: "LOW" };
// The number of marks tells the priority in print and for the colour-blind, as IEC 60601-1-8 has it.
export const BANGS = { 3: "!!!", 2: "!!", 1: "!" };

export function age(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 100) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 100) return `${m} min`;
  const h = Math.floor(m / 60);
  return h < 48 ? `${h} h ${m % 60} min` : `${Math.floor(h / 24)} days`;
}

export function countdown(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}

export const ago = (ms) => (ms < 2000 ? "just now" : `${age(ms)} ago`);

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const shortFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" });

export const clock = (t) => clockFormat.format(t);
export const short = (t) => shortFormat.format(t);
export const day = (t) => dayFormat.format(t);

export function number(value, sign) {
  return value.toFixed(sign ? sign.decimals : 0);
}

const UNITS = { Cel: "°C", "mm[Hg]": "mmHg" };
export const unit = (sign) => UNITS[sign.unit] ?? sign.unit;

const SHORT = { hr: "HR", pr: "Pulse", rr: "RR", spo2: "SpO₂", temp: "Temp", sbp: "Systolic", dbp: "Diastolic", map: "MAP" };
export const label = (sign) => SHORT[sign.field] ?? sign.name;
export const initial = (value) => value.charAt(0).toUpperCase() + value.slice(1);
export const MIND = { A: "alert", C: "new confusion", V: "responds to voice", P: "responds to pain", U: "unresponsive" };
const dateFormat = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", year: "numeric" });
export const dated = (t) => dateFormat.format(t);
