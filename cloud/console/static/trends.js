// Curves of some hours with the limits that were in force, by uPlot.

import { el } from "./dom.js";
import { label, unit } from "./words.js";

// A kiosk without a locale has the language "C", at which the library's first line ends; it must have one of the web.
if (!isLocale(navigator.language)) Object.defineProperty(navigator, "language", { value: "en-GB", configurable: true });
const { default: uPlot } = await import("./vendor/uplot.js");

const DARK = !matchMedia("(prefers-color-scheme: light)").matches;
const LINE = DARK
  ? { hr: "#7ee2a8", pr: "#b9a7ff", rr: "#ffd08a", spo2: "#7fd1ff", temp: "#ffb0c8", sbp: "#f2f7fc", map: "#a9b8c8", dbp: "#f2f7fc" }
  : { hr: "#17633a", pr: "#5b3fd0", rr: "#a35a00", spo2: "#0a5a8c", temp: "#b0245c", sbp: "#0c1722", map: "#5f6f80", dbp: "#0c1722" };
const [INK, PALE, LIMIT, OTHER] = DARK ? ["#a9b8c8", "#223042", "#ffd93b", "#f2f7fc"] : ["#45566a", "#dbe2ea", "#8a6a00", "#0c1722"];
const GROUPS = [["hr", "pr"], ["spo2"], ["rr"], ["sbp", "map", "dbp"], ["temp"]];
const GAPS = 4;

function isLocale(name) {
  try {
    return Intl.getCanonicalLocales(name).length > 0;
  } catch {
    return false;
  }
}

export function groups(signs) {
  const known = new Set(GROUPS.flat());
  return [...GROUPS, ...[...signs.keys()].filter((field) => !known.has(field)).map((field) => [field])];
}

function limitSeries(steps, times, fields) {
  const found = [];
  for (const i of [1, 2]) {
    const at = (t) => {
      let now = null;
      for (const step of steps) {
        if (step.t / 1000 > t && now !== null) break;
        now = step.signs[fields[0]]?.[i] ?? null;
      }
      return now;
    };
    found.push(times.map(at));
  }
  return found;
}

// The trend has a point per span that has readings; a longer silence is a gap in the curve, never a straight line.
function columns(history, fields) {
  const times = [];
  const data = fields.map(() => []);
  const step = (history.end - history.begin) / 360;
  let before = 0;
  for (const point of history.trend) {
    if (before && point.t - before > GAPS * Math.max(step, 20000)) {
      times.push((before + 1) / 1000);
      data.forEach((column) => column.push(null));
    }
    times.push(point.t / 1000);
    fields.forEach((field, i) => data[i].push(point[field]?.[0] ?? null));
    before = point.t;
  }
  return [times, ...data];
}

// Less than this of the sign's last digit in an hour is noise.
const STEADY = 2;

// What has been, in words: a level and a slope promise nothing of the next hour.
function heading(field, slope, signs) {
  const { decimals } = signs.get(field);
  const hourly = slope * 60;
  const way = Math.abs(hourly) < STEADY * 10 ** -decimals ? "steady" : `${hourly > 0 ? "rising" : "falling"} ${Math.abs(hourly).toFixed(Math.max(decimals, 1))} an hour`;
  return `${label(signs.get(field))} ${way}`;
}

export function chart(history, fields, signs) {
  const present = fields.filter((field) => history.trend.some((point) => point[field]));
  if (!present.length) return null;
  const data = columns(history, present);
  const bounds = limitSeries(history.limits, data[0], present);
  const sign = signs.get(present[0]);
  const box = el("figure", { class: "trend" }, el("figcaption", {}, present.map((field) => el("span", { class: "key" }, swatch(LINE[field] ?? OTHER), label(signs.get(field)))), el("span", { class: "soft" }, unit(sign)), el("output", { class: "at" })),
    el("span", { class: "slope" }, present.filter((field) => field in history.slopes).map((field) => heading(field, history.slopes[field], signs)).join(" · ")));
  const out = box.querySelector(".at");
  const axis = { stroke: INK, grid: { stroke: PALE, width: 1 }, ticks: { stroke: PALE }, font: "12px sans-serif" };
  const options = {
    width: 600, height: 150, legend: { show: false }, cursor: { y: false, points: { size: 7 }, sync: { key: "trends" } },
    scales: { x: { time: true, range: [history.begin / 1000, history.end / 1000] }, y: { range: (plot, low, high) => room(low, high, sign) } },
    axes: [{ ...axis, values: "{HH}:{mm}" }, { ...axis, size: 44, space: 26 }],
    series: [{}, ...present.map((field) => ({ label: field, stroke: LINE[field] ?? OTHER, width: 1.8, points: { show: false }, spanGaps: false })),
      ...bounds.map((_, i) => ({ label: i ? "upper limit" : "lower limit", stroke: LIMIT, width: 1.2, dash: [6, 5], points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) }))],
    hooks: { setCursor: [(plot) => {
      const i = plot.cursor.idx;
      out.textContent = i === null || i === undefined ? "" : `${new Date(plot.data[0][i] * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}  ${present.map((field, k) => `${label(signs.get(field))} ${plot.data[k + 1][i]?.toFixed(signs.get(field).decimals) ?? "–"}`).join("  ")}`;
    }] },
  };
  options.axes[0].values = (plot, splits) => splits.map((t) => new Date(t * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }));
  const plot = new uPlot(options, [...data, ...bounds], box);
  const fit = new ResizeObserver(() => plot.setSize({ width: Math.max(240, box.clientWidth), height: 150 }));
  fit.observe(box);
  return { box, destroy: () => { fit.disconnect(); plot.destroy(); } };
}

function swatch(colour) {
  const box = el("span", { class: "swatch", "aria-hidden": "true" });
  box.style.background = colour;
  return box;
}

function room(low, high, sign) {
  const least = { "Cel": 2, "%": 10 }[sign.unit] ?? 30;
  const pad = Math.max((high - low) * 0.12, (least - (high - low)) / 2, 0.2);
  const top = sign.unit === "%" ? Math.min(101, high + pad) : high + pad;
  return [low - pad, top];
}
