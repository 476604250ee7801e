// The ward that the page shows: beds by patient, the server's time, the link, and who listens.

import { Stream } from "./net.js";
import { Since } from "./since.js";
import { apply, nothing } from "./ward_state.js";

export class Ward extends EventTarget {
  constructor(name) {
    super();
    this.name = name;
    this.state = nothing();
    this.down = null;
    this.since = 0;
    this.lost = null;
    this.server = Date.now();
    this.heard = new Since();
    this.ready = false;
    this.version = null;
    this.stream = new Stream(name, {
      ward: (body) => this.frame("ward", body),
      tiles: (body) => this.frame("tiles", body),
      pulse: (body) => this.frame("pulse", body),
      lost: (silentMs) => {
        this.lost = new Since();
        this.silentBefore = silentMs;
        this.tell("link");
      },
      back: () => {
        this.lost = null;
        this.tell("link");
      },
    });
  }

  get tiles() {
    return this.state.tiles;
  }

  get alarms() {
    return this.state.alarms;
  }

  // Age of what is shown while the link is lost, ms.
  lostMs() {
    return this.lost.ms() + this.silentBefore;
  }

  // "live" is said only of values that the alarm engine has just given.
  link() {
    if (this.lost) return "lost";
    if (!this.ready) return "…";
    return this.down ? "old" : "live";
  }

  // The server's time: ages must not depend on this computer's clock, nor on its sleep.
  now() {
    return this.server + this.heard.ms();
  }

  tell(what, detail) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }

  frame(name, body) {
    this.server = body.now;
    this.heard.mark();
    if (name === "pulse") return;
    const turned = this.down !== body.down || !this.ready;
    this.down = body.down;
    this.since = body.since;
    this.version = body.version;
    const { changed, gone, above } = apply(this.state, name, body);
    this.ready = this.ready || name === "ward";
    if (turned) this.tell("link");
    if (name === "ward" || changed.length || gone.length) this.tell("change", { changed, gone });
    if (above) this.tell("above");
  }

  close() {
    this.stream.close();
  }
}
