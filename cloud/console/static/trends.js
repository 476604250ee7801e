// Curves of some hours with the limits that were in force, by uPlot.

import uPlot from "./vendor/uplot.js";
import { el } from "./dom.js";
import { label, unit } from "./words.js";

const LINE = { hr: "#7ee2a8", pr: "#b9a7ff", rr: "#ffd08a", spo2: "#7fd1ff", temp: "#ffb0c8", sbp: "#f2f7fc", map: "#a9b8c8", dbp: "#f2f7fc" };
const GROUPS = [["hr", "pr"], ["spo2"], ["rr"], ["sbp", "map", "dbp"], ["temp"]];
const GAPS = 4;
const FAN_SPAN_MS = 8 * 3600000;

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

// What is expected, 80 %: a fan from the last point to the horizon. Only where half an hour is more than a few pixels.
function fan(history, fields, [times, ...data]) {
  const own = fields.filter((field) => history.ahead[field] && history.end - history.begin <= FAN_SPAN_MS);
  if (!own.length) return { data: [times, ...data], fans: [] };
  const end = history.ahead[own[0]].t / 1000;
  const fans = own.flatMap((field) => {
    const known = data[fields.indexOf(field)];
    const last = known.findLastIndex((value) => value !== null);
    return [0, 2].map((side) => {
      const column = Array(times.length + 1).fill(null);
      column[last] = known[last];
      column[times.length] = history.ahead[field].expected[side];
      return { field, column };
    });
  });
  return { data: [[...times, end], ...data.map((column) => [...column, null])], fans };
}

function heading(field, ahead, signs) {
  const { decimals } = signs.get(field);
  const hourly = ahead.slope * 60;
  const digits = Math.max(decimals, 1);
  const way = Math.abs(hourly) < 0.5 * 10 ** -decimals ? "steady" : `${hourly > 0 ? "rising" : "falling"} ${Math.abs(hourly).toFixed(digits)} an hour`;
  return `${label(signs.get(field))} ${way}, in 30 min ${ahead.expected[0].toFixed(decimals)} to ${ahead.expected[2].toFixed(decimals)}`;
}

export function chart(history, fields, signs) {
  const present = fields.filter((field) => history.trend.some((point) => point[field]));
  if (!present.length) return null;
  const { data, fans } = fan(history, present, columns(history, present));
  const bounds = limitSeries(history.limits, data[0], present);
  const sign = signs.get(present[0]);
  const box = el("figure", { class: "trend" }, el("figcaption", {}, present.map((field) => el("span", { class: "key" }, swatch(LINE[field] ?? "#f2f7fc"), label(signs.get(field)))), el("span", { class: "soft" }, unit(sign)), el("output", { class: "at" })),
    present.some((field) => history.ahead[field]) ? el("p", { class: "soft ahead" }, present.filter((field) => history.ahead[field]).map((field) => heading(field, history.ahead[field], signs)).join(" · ")) : null);
  const out = box.querySelector(".at");
  const axis = { stroke: "#a9b8c8", grid: { stroke: "#223042", width: 1 }, ticks: { stroke: "#223042" }, font: "12px sans-serif" };
  const options = {
    width: 600, height: 150, legend: { show: false }, cursor: { y: false, points: { size: 7 }, sync: { key: "trends" } },
    scales: { x: { time: true, range: [history.begin / 1000, Math.max(history.end / 1000, fans.length ? data[0].at(-1) : 0)] }, y: { range: (plot, low, high) => room(low, high, sign) } },
    axes: [{ ...axis, values: "{HH}:{mm}" }, { ...axis, size: 44, space: 26 }],
    series: [{}, ...present.map((field) => ({ label: field, stroke: LINE[field] ?? "#f2f7fc", width: 1.8, points: { show: false }, spanGaps: false })),
      ...bounds.map((_, i) => ({ label: i ? "upper limit" : "lower limit", stroke: "#ffd93b", width: 1.2, dash: [6, 5], points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) })),
      ...fans.map(({ field }) => ({ label: `${field} expected`, stroke: LINE[field] ?? "#f2f7fc", width: 1, dash: [2, 4], points: { show: false }, spanGaps: true }))],
    bands: fans.flatMap(({ field }, i) => (i % 2 ? [{ series: [present.length + bounds.length + i + 1, present.length + bounds.length + i], fill: `${LINE[field] ?? "#f2f7fc"}2e` }] : [])),
    hooks: { setCursor: [(plot) => {
      const i = plot.cursor.idx;
      out.textContent = i === null || i === undefined ? "" : `${new Date(plot.data[0][i] * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}  ${present.map((field, k) => `${label(signs.get(field))} ${plot.data[k + 1][i]?.toFixed(signs.get(field).decimals) ?? "–"}`).join("  ")}`;
    }] },
  };
  options.axes[0].values = (plot, splits) => splits.map((t) => new Date(t * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }));
  const plot = new uPlot(options, [...data, ...bounds, ...fans.map(({ column }) => column)], box);
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
