// The ward as the stream tells it: beds by patient, the server's time, and who listens.

import { Stream } from "./net.js";

const TRAIL_MS = 20000;
const TRAIL_POINTS = 90;

export class Ward extends EventTarget {
  constructor(name) {
    super();
    this.name = name;
    this.tiles = new Map();
    this.alarms = [];
    this.down = null;
    this.since = 0;
    this.lostSince = 0;
    this.offset = 0;
    this.ready = false;
    this.stream = new Stream(name, {
      ward: (body) => this.whole(body),
      tiles: (body) => this.some(body),
      pulse: (body) => this.head(body, true),
      lost: (since) => {
        this.lostSince = since;
        this.tell("link");
      },
      back: () => {
        this.lostSince = 0;
        this.tell("link");
      },
    });
  }

  // The server's time: ages must not depend on this computer's clock.
  now() {
    return Date.now() + this.offset;
  }

  tell(what, detail) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }

  head(body, pulse) {
    this.offset = body.now - Date.now();
    if (pulse) return;
    const changed = this.down !== body.down;
    this.down = body.down;
    this.since = body.since;
    if (changed) this.tell("link");
  }

  whole(body) {
    this.head(body);
    const before = this.tiles;
    this.tiles = new Map(body.tiles.map((tile) => [tile.patient, tile]));
    for (const tile of this.tiles.values()) tile.trail ??= before.get(tile.patient)?.trail ?? [];
    this.alarms = body.alarms;
    this.ready = true;
    this.tell("change", { changed: [...this.tiles.keys()], gone: [...before.keys()].filter((p) => !this.tiles.has(p)) });
    this.tell("above");
  }

  some(body) {
    this.head(body);
    for (const tile of body.tiles) {
      tile.trail = this.tiles.get(tile.patient)?.trail ?? [];
      this.follow(tile);
      this.tiles.set(tile.patient, tile);
    }
    for (const patient of body.gone) this.tiles.delete(patient);
    if (body.tiles.length || body.gone.length) {
      this.tell("change", { changed: body.tiles.map((tile) => tile.patient), gone: body.gone });
    }
    if (body.alarms) {
      this.alarms = body.alarms;
      this.tell("above");
    }
  }

  follow(tile) {
    const last = tile.trail.at(-1);
    if (!tile.t || (last && tile.t - last[0] < TRAIL_MS)) return;
    const values = {};
    for (const [field, [value, t, , doubt]] of Object.entries(tile.signs)) {
      if (!doubt && tile.t - t < 3 * TRAIL_MS) values[field] = value;
    }
    tile.trail.push([tile.t, values]);
    if (tile.trail.length > TRAIL_POINTS) tile.trail.shift();
  }

  close() {
    this.stream.close();
  }
}
