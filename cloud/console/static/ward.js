// The ward screen: beds in trouble as tiles, all others as lines of numbers, on one screen as long as they fit.

import { el, text, toast } from "./dom.js";
import { Places } from "./places.js";
import { isCalling, isTrouble, order, urgency } from "./rank.js";
import { Tile } from "./tile.js";
import { WardNotes } from "./ward_notes.js";

// Beds keep their places while somebody points at them: what moves under a finger is pressed wrongly.
const HOLD_MS = 2500;
// A press so soon after a bed has moved under a pointer is of the bed that was there before.
const MOVED_MS = 400;
// A score that rises or falls by one moves a bed at most this often; an alarm does so at once.
const SETTLE_MS = 5000;
const FRESH_MS = 900;
// Beds that are touched in one frame, and beds out of sight that are brought up to date each second.
const SLICE = 4;
const SCRIPT_MS = 8;
const TURN_MS = 1000;
const BEHIND = 10;
// Beds that change places in one frame: a moved bed is laid out as if it were new.
const MOVES = 4;
const PHONE = matchMedia("(max-width: 40rem)");

export class WardScreen {
  constructor(main, context) {
    this.context = context;
    this.ward = context.ward;
    this.tiles = new Map();
    this.waiting = new Set();
    // Beds out of sight are not touched at each reading: they wait here, longest first.
    this.behind = new Set();
    this.urgencies = new Map();
    this.resized = false;
    this.sorted = 0;
    this.looked = performance.now();
    this.held = -Infinity;
    this.pointed = false;
    this.moved = -Infinity;
    this.drawn = performance.now();
    // Asking each bed where it is makes the browser lay the ward out anew each time; this tells by itself.
    this.inSight = new Set();
    this.sight = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) this.inSight[isIntersecting ? "add" : "delete"](target);
      this.catchUp([...this.behind].filter((patient) => this.inSight.has(this.tiles.get(patient)?.node)));
    }, { rootMargin: "200px" });
    this.places = new Places();
    this.beds = this.places.beds;
    this.empty = el("p", { class: "loading" }, "Loading…");
    this.byBed = localStorage.getItem(`order ${this.ward.name}`) === "bed";
    this.mode = el("button", { class: "order", onclick: () => this.turn() });
    main.append(el("div", { class: "tools" }, el("h1", {}, `Ward ${this.ward.name.toUpperCase()}`), this.count = el("span", { class: "soft" }), this.mode,
      context.isNurse(this.ward.name) ? el("a", { class: "plain admit", href: `#/admit/${encodeURIComponent(this.ward.name)}` }, "Admit a patient") : null, (this.notes = new WardNotes(this.ward.name)).nodes), this.empty, this.beds);
    this.nameMode();
    this.listen();
    this.change({ changed: [...this.ward.tiles.keys()], gone: [] });
    this.timer = setInterval(() => this.tick(), 1000);
  }

  listen() {
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.ward.addEventListener("change", (event) => this.change(event.detail), { signal });
    for (const name of ["pointermove", "pointerdown", "touchstart"]) {
      this.beds.addEventListener(name, () => {
        this.held = performance.now();
        this.pointed = true;
      }, { signal, passive: true });
    }
    this.beds.addEventListener("pointerleave", () => {
      this.held = -Infinity;
      this.pointed = false;
    }, { signal });
    this.beds.addEventListener("click", (event) => {
      if (!event.detail || performance.now() - this.moved > MOVED_MS) return;
      event.preventDefault();
      event.stopPropagation();
      toast("The beds have just moved: look, and press again");
    }, { signal, capture: true });
    this.room = new ResizeObserver(() => {
      this.resized = true;
      this.schedule();
    });
    this.room.observe(document.documentElement);
  }

  turn() {
    this.byBed = !this.byBed;
    localStorage.setItem(`order ${this.ward.name}`, this.byBed ? "bed" : "worst");
    this.nameMode();
    this.resized = true;
    this.schedule();
  }

  nameMode() {
    text(this.mode, this.byBed ? "In bed order" : "Worst first");
    this.mode.setAttribute("aria-label", this.byBed ? "In bed order: change to worst first" : "Worst first: change to bed order");
  }

  change({ changed, gone }) {
    for (const patient of gone) {
      const tile = this.tiles.get(patient);
      if (tile) this.sight.unobserve(tile.node);
      this.inSight.delete(tile?.node);
      tile?.node.remove();
      for (const known of [this.tiles, this.waiting, this.behind, this.urgencies]) known.delete(patient);
      this.resized = true;
    }
    const calling = (patient) => this.ward.tiles.get(patient)?.alarms.some(isCalling);
    const now = this.ward.now();
    for (const patient of changed) {
      const shown = this.tiles.get(patient);
      const tile = this.ward.tiles.get(patient);
      if (tile && shown && !this.inSight.has(shown.node) && this.urgencies.get(patient) === urgency(tile, now)) this.behind.add(patient);
    }
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
      this.drawn = performance.now();
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
    try {
      shown.update(tile, now);
    } catch (error) {
      // One bed must not stop the drawing of all.
      shown.fail(tile);
      console.error(tile.bed, error);
    }
    return shown.node.isConnected;
  }

  sort(now) {
    const { size } = this.ward.tiles;
    this.empty.hidden = size > 0;
    if (!size) text(this.empty, this.ward.ready ? "No patient on this ward." : "Loading…");
    text(this.count, `${size} ${size === 1 ? "bed" : "beds"}`);
    const added = [...this.tiles.values()].some((tile) => tile.fresh);
    const anew = added || this.resized;
    if (!anew && performance.now() - this.held < HOLD_MS) return;
    const urgencies = new Map([...this.ward.tiles].map(([patient, tile]) => [patient, urgency(tile, now)]));
    const turned = [...urgencies].some(([patient, value]) => this.urgencies.get(patient) !== value);
    if (!anew && !turned && performance.now() - this.sorted < SETTLE_MS) return;
    this.urgencies = urgencies;
    this.sorted = performance.now();
    const wanted = order([...this.ward.tiles.values()], now, this.byBed).filter((tile) => this.tiles.has(tile.patient));
    const large = PHONE.matches ? [] : wanted.filter((tile) => this.byBed || isTrouble(tile));
    const focused = document.activeElement;
    const inLarge = new Set(large);
    const done = this.places.put(large.map((tile) => this.tiles.get(tile.patient)), wanted.filter((tile) => !inLarge.has(tile)).map((tile) => this.tiles.get(tile.patient)), anew ? Infinity : MOVES, now);
    if (this.pointed && done.moved) this.moved = performance.now();
    if (done.left) {
      this.sorted = -Infinity;
      this.schedule();
    } else if (!PHONE.matches) this.places.fit(large.length, wanted.length - large.length);
    this.resized = false;
    for (const tile of this.tiles.values()) tile.fresh = false;
    // A bed that moves takes the keyboard's place along.
    if (focused !== document.activeElement && this.beds.contains(focused)) focused.focus({ preventScroll: true });
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
    this.room.disconnect();
    clearInterval(this.timer);
    cancelAnimationFrame(this.frame);
  }
}
