// Serves the page's own files when the network is away, and a page that says so. It never keeps a patient's data: what
// is not below /static/ goes to the network or fails, so nothing on the screen can be an old value from a cache.
const KEEP = "wardwatch-1";
const OFFLINE = "/static/offline.html";
const FIRST = [OFFLINE, "/static/base.css", "/static/icon.svg"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEEP).then((kept) => kept.addAll(FIRST)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const clear = async () => {
    for (const name of await caches.keys()) if (name !== KEEP) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(clear());
});

async function fresh(request) {
  const kept = await caches.open(KEEP);
  try {
    const answer = await fetch(request);
    if (answer.ok) await kept.put(request, answer.clone());
    return answer;
  } catch (error) {
    const old = await kept.match(request);
    if (old) return old;
    throw error;
  }
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (url.pathname.startsWith("/static/")) event.respondWith(fresh(request));
  else if (request.mode === "navigate") event.respondWith(fetch(request).catch(() => caches.match(OFFLINE)));
});

// A message is shown as it came: title, text and the link of the alarm's page, which opens in this page's own origin.
self.addEventListener("push", (event) => {
  let told = {};
  try {
    told = event.data.json();
  } catch {
    // What cannot be read is still an alarm.
  }
  const body = told.body || "An alarm: see the ward page.";
  event.waitUntil(self.registration.showNotification(told.title || "Wardwatch", { body, tag: told.url || body, renotify: true, requireInteraction: true, icon: "/static/icon-192.png", data: { url: told.url || "/" } }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = new URL(event.notification.data.url, self.location.origin);
  event.waitUntil(self.clients.openWindow(url.origin === self.location.origin ? url.href : "/"));
});
