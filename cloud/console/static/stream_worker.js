// One stream per browser and ward, shared by its pages: a browser opens six connections to a server of HTTP/1.1, and six
// pages with a stream each would leave none for *Acknowledge*. The worker's name is a session's, so that no page ever
// shares the stream of another person.
//
// A page joins, says now and then that it is here, and asks again when it hears nothing.

import { Since } from "./since.js";
import { apply, asFrame, nothing } from "./ward_state.js";

// The server says something each second; an older state is no present one.
const FRESH_MS = 2000;
const RETRY_MS = 2500;
// A page in the background is slowed down to one word a minute.
const GONE_MS = 180000;
const SWEEP_MS = 30000;
const lines = new Map();
const heard = new Map();

class Line {
  constructor(ward) {
    this.ward = ward;
    this.pages = new Set();
    this.open();
  }

  open() {
    this.source?.close();
    this.state = nothing();
    this.tried = new Since();
    this.silent = new Since();
    const source = this.source = new EventSource(`/api/wards/${encodeURIComponent(this.ward)}/stream`);
    for (const name of ["ward", "tiles", "pulse"]) source.addEventListener(name, (event) => this.frame(source, name, JSON.parse(event.data)));
    source.addEventListener("bye", () => {
      for (const page of this.pages) page.postMessage({ name: "bye" });
      this.close();
    });
  }

  frame(source, name, body) {
    if (source !== this.source) return;
    this.silent.mark();
    for (const page of this.pages) page.postMessage({ name, body });
    apply(this.state, name, body);
  }

  ask(page) {
    this.pages.add(page);
    if (this.state.head && this.silent.ms() < FRESH_MS) page.postMessage({ name: "ward", body: { ...asFrame(this.state), now: this.state.head.now + this.silent.ms() } });
    else if (this.tried.ms() > RETRY_MS) this.open();
  }

  close() {
    this.source.close();
    lines.delete(this.ward);
  }
}

function leave(page) {
  heard.delete(page);
  for (const line of [...lines.values()]) {
    line.pages.delete(page);
    if (!line.pages.size) line.close();
  }
}

self.onconnect = ({ ports: [page] }) => {
  page.onmessage = ({ data: { what, ward } }) => {
    if (what === "leave") {
      leave(page);
      return;
    }
    heard.set(page, new Since());
    if (what !== "join") return;
    const line = lines.get(ward) ?? new Line(ward);
    lines.set(ward, line);
    line.ask(page);
  };
};

setInterval(() => {
  for (const [page, since] of [...heard]) if (since.ms() > GONE_MS) leave(page);
}, SWEEP_MS);
