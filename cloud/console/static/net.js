// What speaks to the server: requests, and the stream of a ward with a watch over its silence.

import { Since } from "./since.js";

const WAIT_MS = 10000;
let csrf = "";
export const setCsrf = (value) => { csrf = value; };

export async function call(path, { method = "GET", body, wait = WAIT_MS } = {}) {
  const headers = method === "GET" ? {} : { "content-type": "application/json", "x-csrf": csrf };
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(wait) });
  } catch {
    throw new Error(method === "GET" ? "No connection to Wardwatch." : "No answer from Wardwatch: it may not have been saved. Look again before you rely on it.");
  }
  if (answer.status === 401) {
    location.assign("/signin");
    throw new Error("Your session has ended.");
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.detail ?? `Wardwatch answers ${answer.status}.`);
  return content;
}

const SILENT_MS = 4000;
const RETRY_MS = 2500;
const HERE_MS = 20000;
// A worker that has said nothing for so long is not waited for: the page opens a stream of its own.
const ALONE_MS = 15000;

// The ward's stream by the worker that all pages of this browser share.
class Shared {
  constructor(ward, frame) {
    const worker = new SharedWorker(new URL("./stream_worker.js", import.meta.url), { type: "module", name: `wardwatch ${csrf.slice(0, 16)}` });
    this.port = worker.port;
    this.port.onmessage = ({ data }) => frame(data.name, data.body);
    this.ward = ward;
    this.again();
    this.timer = setInterval(() => this.port.postMessage({ what: "here" }), HERE_MS);
    this.gone = () => this.port.postMessage({ what: "leave" });
    this.back = (event) => { if (event.persisted) this.again(); };
    addEventListener("pagehide", this.gone);
    addEventListener("pageshow", this.back);
  }

  again() {
    this.port.postMessage({ what: "join", ward: this.ward });
  }

  close() {
    clearInterval(this.timer);
    removeEventListener("pagehide", this.gone);
    removeEventListener("pageshow", this.back);
    this.gone();
    this.port.close();
  }
}

class Own {
  constructor(ward, frame) {
    this.ward = ward;
    this.frame = frame;
    this.again();
  }

  again() {
    this.source?.close();
    const source = this.source = new EventSource(`/api/wards/${encodeURIComponent(this.ward)}/stream`);
    for (const name of ["ward", "tiles", "pulse"]) source.addEventListener(name, (event) => { if (source === this.source) this.frame(name, JSON.parse(event.data)); });
    source.addEventListener("bye", () => this.frame("bye"));
  }

  close() {
    this.source.close();
    this.source = null;
  }
}

// The server says something each second. `on.lost(since)` is told when it has not for four, `on.back()` when it does again.
export class Stream {
  constructor(ward, on) {
    this.ward = ward;
    this.on = on;
    this.heard = new Since();
    this.tried = new Since();
    this.lost = false;
    this.line = this.shared() ?? new Own(ward, this.frame);
    this.timer = setInterval(() => this.look(), 500);
  }

  shared() {
    try {
      return new Shared(this.ward, this.frame);
    } catch {
      return null;
    }
  }

  frame = (name, body) => {
    if (name === "bye") {
      this.close();
      location.assign("/signin");
      return;
    }
    this.heard.mark();
    // The first frame has everything; a line that comes back without it would show gaps as if nothing had happened.
    if (this.lost && name !== "ward") return;
    if (this.lost) {
      this.lost = false;
      this.on.back();
    }
    this.on[name](body);
  };

  look() {
    const silent = this.heard.ms();
    if (!this.lost && silent > SILENT_MS) {
      this.lost = true;
      this.on.lost(silent);
      this.again();
    } else if (this.lost && this.tried.ms() > RETRY_MS) this.again();
  }

  again() {
    this.tried.mark();
    if (this.line instanceof Shared && this.heard.ms() > ALONE_MS) {
      this.line.close();
      this.line = new Own(this.ward, this.frame);
    } else this.line.again();
    // A refused stream may mean an ended session; asking tells the two apart.
    fetch("/api/me", { signal: AbortSignal.timeout(RETRY_MS) }).then((answer) => { if (answer.status === 401) location.assign("/signin"); }).catch(() => {});
  }

  close() {
    clearInterval(this.timer);
    this.line.close();
  }
}
