// A page that says so when the network is away, and push messages. It keeps no patient's data, and no part of the page
// itself: an old part beside new ones would be a page that nobody has tried.
const KEEP = "wardwatch-2";
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

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") event.respondWith(fetch(request).catch(() => caches.match(OFFLINE)));
  else if (FIRST.includes(url.pathname)) event.respondWith(fetch(request).catch(() => caches.match(url.pathname)));
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
