// The ward screen: a tile a bed, worst first.

import { el } from "./dom.js";
import { admit } from "./forms.js";
import { order } from "./rank.js";
import { Tile } from "./tile.js";

// Beds keep their places while somebody points at them: what moves under a finger is pressed wrongly.
const HOLD_MS = 2500;
const SLICE = 40;

export class WardScreen {
  constructor(main, context) {
    this.context = context;
    this.ward = context.ward;
    this.tiles = new Map();
    this.waiting = new Set();
    this.held = 0;
    this.grid = el("div", { class: "grid" });
    this.empty = el("p", { class: "loading" }, this.ward.ready ? "No patient on this ward." : "Loading…");
    const tools = el("div", { class: "tools" }, el("h1", {}, `Ward ${this.ward.name.toUpperCase()}`), this.count = el("span", { class: "soft" }),
      context.isNurse(this.ward.name) ? el("button", { onclick: () => admit(context, this.ward) }, "Admit a patient") : null);
    main.append(tools, this.empty, this.grid);
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.ward.addEventListener("change", (event) => this.change(event.detail), { signal });
    for (const name of ["pointermove", "pointerdown", "touchstart"]) {
      this.grid.addEventListener(name, () => { this.held = performance.now(); }, { signal, passive: true });
    }
    this.grid.addEventListener("pointerleave", () => { this.held = 0; }, { signal });
    this.change({ changed: [...this.ward.tiles.keys()], gone: [] });
    this.timer = setInterval(() => this.tick(), 1000);
  }

  change({ changed, gone }) {
    for (const patient of gone) {
      this.tiles.get(patient)?.node.remove();
      this.tiles.delete(patient);
      this.waiting.delete(patient);
    }
    for (const patient of changed) this.waiting.add(patient);
    this.schedule();
  }

  schedule() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.work();
    });
  }

  // A slice of beds a frame: two hundred at once would hold up a press of a button.
  work() {
    const now = this.ward.now();
    let left = SLICE;
    for (const patient of this.waiting) {
      this.waiting.delete(patient);
      const tile = this.ward.tiles.get(patient);
      if (tile) this.one(tile, now);
      left -= 1;
      if (!left) break;
    }
    if (this.waiting.size) this.schedule();
    else this.sort(now);
  }

  one(tile, now) {
    let shown = this.tiles.get(tile.patient);
    if (!shown) {
      shown = new Tile(tile.patient, this.context);
      this.tiles.set(tile.patient, shown);
      shown.fresh = true;
    }
    shown.update(tile, now);
  }

  sort(now) {
    const { size } = this.ward.tiles;
    this.empty.hidden = size > 0;
    if (!size) this.empty.textContent = this.ward.ready ? "No patient on this ward." : "Loading…";
    const beds = `${size} ${size === 1 ? "bed" : "beds"}`;
    if (this.count.textContent !== beds) this.count.textContent = beds;
    const added = [...this.tiles.values()].some((tile) => tile.fresh);
    if (!added && performance.now() - this.held < HOLD_MS) return;
    const wanted = order([...this.ward.tiles.values()], now).map((tile) => this.tiles.get(tile.patient)).filter(Boolean);
    const focused = document.activeElement;
    let before = null;
    for (const tile of wanted) {
      tile.fresh = false;
      const next = before ? before.nextSibling : this.grid.firstChild;
      if (next !== tile.node) this.grid.insertBefore(tile.node, next);
      before = tile.node;
    }
    // A bed that moves takes the keyboard's place along.
    if (focused !== document.activeElement && this.grid.contains(focused)) focused.focus({ preventScroll: true });
  }

  tick() {
    const now = this.ward.now();
    const tiles = [...this.tiles.values()];
    const slice = (start) => {
      for (const tile of tiles.slice(start, start + SLICE)) {
        tile.tick(now);
        if (inSight(tile.node)) tile.curves(now);
      }
      if (start + SLICE < tiles.length) requestAnimationFrame(() => slice(start + SLICE));
      else if (!this.waiting.size) this.sort(now);
    };
    slice(0);
  }

  close() {
    this.stop.abort();
    clearInterval(this.timer);
    cancelAnimationFrame(this.frame);
  }
}

function inSight(node) {
  const { top, bottom } = node.getBoundingClientRect();
  return bottom > -200 && top < innerHeight + 200;
}
