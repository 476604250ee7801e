// The ward screen: a tile a bed, worst first.

import { el } from "./dom.js";
import { inOrder, isCalling, order, urgency } from "./rank.js";
import { Tile } from "./tile.js";
import { WardNotes } from "./ward_notes.js";

// Beds keep their places while somebody points at them: what moves under a finger is pressed wrongly.
const HOLD_MS = 2500;
// A score that rises or falls by one moves a bed at most this often; an alarm does so at once.
const SETTLE_MS = 5000;
const FRESH_MS = 900;
// Beds that are touched in one frame, and beds out of sight that are brought up to date each second.
const SLICE = 2;
const SCRIPT_MS = 8;
const TURN_MS = 1000;
const BEHIND = 10;
// Beds that change places in one frame: a moved bed is laid out as if it were new.
const MOVES = 1;
// Rows of one grid: who moves has all of its grid laid out anew.
const ROWS = 3;

export class WardScreen {
  constructor(main, context) {
    this.context = context;
    this.ward = context.ward;
    this.tiles = new Map();
    this.waiting = new Set();
    // Beds out of sight are not touched at each reading: they wait here, longest first.
    this.behind = new Set();
    this.urgencies = new Map();
    this.wrapped = false;
    this.sorted = 0;
    this.looked = performance.now();
    this.held = 0;
    // Asking each bed where it is makes the browser lay the ward out anew each time; this tells by itself.
    this.inSight = new Set();
    this.sight = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) this.inSight[isIntersecting ? "add" : "delete"](target);
      this.catchUp([...this.behind].filter((patient) => this.inSight.has(this.tiles.get(patient)?.node)));
    }, { rootMargin: "200px" });
    this.beds = el("div");
    this.block = ROWS;
    this.width = new ResizeObserver(() => this.measure());
    this.width.observe(this.beds);
    this.empty = el("p", { class: "loading" }, this.ward.ready ? "No patient on this ward." : "Loading…");
    const tools = el("div", { class: "tools" }, el("h1", {}, `Ward ${this.ward.name.toUpperCase()}`), this.count = el("span", { class: "soft" }),
      context.isNurse(this.ward.name) ? el("a", { class: "plain", href: `#/admit/${encodeURIComponent(this.ward.name)}` }, "Admit a patient") : null, (this.notes = new WardNotes(this.ward.name)).nodes);
    main.append(tools, this.empty, this.beds);
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.ward.addEventListener("change", (event) => this.change(event.detail), { signal });
    for (const name of ["pointermove", "pointerdown", "touchstart"]) {
      this.beds.addEventListener(name, () => { this.held = performance.now(); }, { signal, passive: true });
    }
    this.beds.addEventListener("pointerleave", () => { this.held = 0; }, { signal });
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
      this.behind.delete(patient);
    }
    const calling = (patient) => this.ward.tiles.get(patient)?.alarms.some(isCalling);
    const now = this.ward.now();
    const mayWait = (patient) => {
      const shown = this.tiles.get(patient);
      return shown && !this.inSight.has(shown.node) && this.urgencies.get(patient) === urgency(this.ward.tiles.get(patient), now);
    };
    const later = changed.filter(mayWait);
    for (const patient of later) this.behind.add(patient);
    const first = changed.filter((patient) => !this.behind.has(patient));
    // Who calls is not to wait for two hundred who do not.
    this.waiting = new Set([...first.filter(calling), ...this.waiting, ...first]);
    this.schedule();
  }

  catchUp(patients) {
    for (const patient of patients) {
      this.behind.delete(patient);
      this.waiting.add(patient);
    }
    if (patients.length) this.schedule();
  }

  schedule() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.work();
    });
  }

  // A slice of beds a frame: two hundred at once would hold up a press of a button. Places change in a frame of their
  // own, and each second however many wait: beds that change faster than they are drawn must not keep one from its place.
  work() {
    const now = this.ward.now();
    const began = performance.now();
    if (!this.waiting.size || began - this.looked > TURN_MS) {
      this.looked = began;
      this.sort(now);
      if (this.waiting.size) this.schedule();
      return;
    }
    let left = SLICE;
    for (const patient of this.waiting) {
      this.waiting.delete(patient);
      const tile = this.ward.tiles.get(patient);
      // A bed that is not on the screen yet costs no layout, only its making.
      if (tile && this.one(tile, now)) left -= 1;
      if (!left || performance.now() - began > SCRIPT_MS) break;
    }
    this.schedule();
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
    return shown.node.isConnected;
  }

  sort(now) {
    const { size } = this.ward.tiles;
    this.empty.hidden = size > 0;
    if (!size) this.empty.textContent = this.ward.ready ? "No patient on this ward." : "Loading…";
    const beds = `${size} ${size === 1 ? "bed" : "beds"}`;
    if (this.count.textContent !== beds) this.count.textContent = beds;
    const added = [...this.tiles.values()].some((tile) => tile.fresh);
    const anew = added || this.wrapped;
    if (!anew && performance.now() - this.held < HOLD_MS) return;
    const urgencies = new Map([...this.ward.tiles].map(([patient, tile]) => [patient, urgency(tile, now)]));
    const turned = [...urgencies].some(([patient, value]) => this.urgencies.get(patient) !== value);
    if (!anew && !turned && performance.now() - this.sorted < SETTLE_MS) return;
    this.urgencies = urgencies;
    this.sorted = performance.now();
    const wanted = order([...this.ward.tiles.values()], now).map((tile) => this.tiles.get(tile.patient)).filter(Boolean);
    const focused = document.activeElement;
    this.place(wanted, anew ? Infinity : MOVES);
    this.wrapped = false;
    for (const tile of wanted) tile.fresh = false;
    // A bed that moves takes the keyboard's place along.
    if (focused !== document.activeElement && this.beds.contains(focused)) focused.focus({ preventScroll: true });
  }

  measure() {
    const [grid] = this.beds.children;
    const block = grid ? ROWS * getComputedStyle(grid).gridTemplateColumns.split(" ").length : this.block;
    if (block === this.block) return;
    this.block = block;
    this.wrapped = true;
    this.schedule();
  }

  place(wanted, most) {
    let moves = 0;
    for (let first = 0; first < wanted.length; first += this.block) {
      const grid = this.beds.children[first / this.block] ?? this.beds.appendChild(el("div", { class: "grid" }));
      const part = wanted.slice(first, first + this.block);
      const places = new Map([...grid.children].map((node, place) => [node, place]));
      const staying = inOrder(part.map((tile) => places.get(tile.node)));
      let next = grid.firstChild;
      for (const [i, tile] of part.entries()) {
        if (staying.has(i)) next = tile.node.nextSibling;
        else if (moves < most) {
          grid.insertBefore(tile.node, next);
          moves += 1;
        } else {
          // The rest in the next frame, the worst first.
          this.sorted = -Infinity;
          this.schedule();
          return;
        }
      }
    }
  }

  tick() {
    const now = this.ward.now();
    this.catchUp([...this.behind].slice(0, BEHIND));
    const tiles = [...this.tiles.values()].filter((tile) => this.inSight.has(tile.node));
    const slice = (start) => {
      const some = tiles.slice(start, start + SLICE);
      // Curves ask for their size: before anything is touched, the answer costs no layout.
      for (const tile of some) tile.curves(now);
      // Beds that a reading has just touched say their age already.
      for (const tile of some) if (now - tile.touched > FRESH_MS) tile.tick(now);
      if (start + SLICE < tiles.length) requestAnimationFrame(() => slice(start + SLICE));
      else this.schedule();
    };
    slice(0);
  }

  close() {
    this.notes.close();
    this.stop.abort();
    this.sight.disconnect();
    this.width.disconnect();
    clearInterval(this.timer);
    cancelAnimationFrame(this.frame);
  }
}
