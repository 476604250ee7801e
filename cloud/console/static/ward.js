// The ward screen: a tile a bed, worst first.

import { el } from "./dom.js";
import { admit } from "./forms.js";
import { inOrder, isCalling, order } from "./rank.js";
import { Tile } from "./tile.js";

// Beds keep their places while somebody points at them: what moves under a finger is pressed wrongly.
const HOLD_MS = 2500;
// Beds that are touched in one frame.
const SLICE = 10;

export class WardScreen {
  constructor(main, context) {
    this.context = context;
    this.ward = context.ward;
    this.tiles = new Map();
    this.waiting = new Set();
    this.held = 0;
    // Asking each bed where it is makes the browser lay the ward out anew each time; this tells by itself.
    this.inSight = new Set();
    this.sight = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) this.inSight[isIntersecting ? "add" : "delete"](target);
    }, { rootMargin: "200px" });
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
      const tile = this.tiles.get(patient);
      if (tile) this.sight.unobserve(tile.node);
      this.inSight.delete(tile?.node);
      tile?.node.remove();
      this.tiles.delete(patient);
      this.waiting.delete(patient);
    }
    // Who calls is not to wait for two hundred who do not.
    const calling = (patient) => this.ward.tiles.get(patient)?.alarms.some(isCalling);
    this.waiting = new Set([...changed.filter(calling), ...this.waiting, ...changed]);
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
      this.sight.observe(shown.node);
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
    const places = new Map([...this.grid.children].map((node, place) => [node, place]));
    const staying = inOrder(wanted.map((tile) => places.get(tile.node)));
    let next = null;
    for (let i = wanted.length - 1; i >= 0; i -= 1) {
      const { node } = wanted[i];
      wanted[i].fresh = false;
      if (!staying.has(i)) this.grid.insertBefore(node, next);
      next = node;
    }
    // A bed that moves takes the keyboard's place along.
    if (focused !== document.activeElement && this.grid.contains(focused)) focused.focus({ preventScroll: true });
  }

  tick() {
    const now = this.ward.now();
    const tiles = [...this.tiles.values()];
    const slice = (start) => {
      const some = tiles.slice(start, start + SLICE);
      // Curves ask for their size: before anything is touched, the answer costs no layout.
      for (const tile of some) if (this.inSight.has(tile.node)) tile.curves(now);
      for (const tile of some) tile.tick(now);
      if (start + SLICE < tiles.length) requestAnimationFrame(() => slice(start + SLICE));
      else if (!this.waiting.size) this.sort(now);
    };
    slice(0);
  }

  close() {
    this.stop.abort();
    this.sight.disconnect();
    clearInterval(this.timer);
    cancelAnimationFrame(this.frame);
  }
}
