// What speaks to the server: requests, and the stream of a ward with a watch over its silence.

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

export const SILENT_MS = 4000;
const RETRY_MS = 2500;

// The server says something each second. `on.lost(since)` is told when it has not for four, `on.back()` when it does again.
export class Stream {
  constructor(ward, on) {
    this.ward = ward;
    this.on = on;
    this.heard = performance.now();
    this.lost = false;
    this.timer = setInterval(() => this.look(), 500);
    this.open();
  }

  open() {
    this.source?.close();
    this.tried = performance.now();
    const source = new EventSource(`/api/wards/${encodeURIComponent(this.ward)}/stream`);
    this.source = source;
    for (const name of ["ward", "tiles", "pulse"]) {
      source.addEventListener(name, (event) => {
        if (source !== this.source) return;
        const body = JSON.parse(event.data);
        this.heard = performance.now();
        // The first frame has everything; a line that comes back without it would show gaps as if nothing had happened.
        if (this.lost && name !== "ward") return;
        if (this.lost) {
          this.lost = false;
          this.on.back();
        }
        this.on[name](body);
      });
    }
    source.addEventListener("bye", () => {
      this.close();
      location.assign("/signin");
    });
  }

  look() {
    const silent = performance.now() - this.heard;
    if (silent > SILENT_MS) {
      if (!this.lost) {
        this.lost = true;
        this.on.lost(Date.now() - silent);
      }
      if (performance.now() - this.tried > RETRY_MS) {
        // A refused stream may mean an ended session; asking tells the two apart.
        fetch("/api/me", { signal: AbortSignal.timeout(RETRY_MS) }).then((answer) => { if (answer.status === 401) location.assign("/signin"); }).catch(() => {});
        this.open();
      }
    }
  }

  close() {
    clearInterval(this.timer);
    this.source?.close();
    this.source = null;
  }
}
