// What a screen reader hears: a new incident of medium or high priority once, and once more when its priority rises.

import { el } from "./dom.js";
import { spoken, strips } from "./incident.js";

const KEPT_MS = 20000;

export class Announcer {
  constructor() {
    this.told = null;
  }

  // What stood there when the ward was opened is not news.
  hear(ward, changed, signs) {
    const first = this.told === null;
    this.told ??= new Map();
    for (const patient of changed) {
      const tile = ward.tiles.get(patient);
      for (const strip of strips(tile?.alarms ?? [])) {
        const before = this.told.get(strip.id) ?? 0;
        if (strip.priority <= before) continue;
        this.told.set(strip.id, strip.priority);
        if (!first && strip.priority > 1) say(spoken(strip, tile.bed, signs));
      }
    }
  }
}

function say(words) {
  const line = el("p", {}, words);
  document.getElementById("told").append(line);
  setTimeout(() => line.remove(), KEPT_MS);
}
