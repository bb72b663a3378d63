// Keeps the phone's shell so that it opens without a network. Never money: nothing under /phone/api is kept or answered here.
//
// The network comes first, so a new release is seen at the next opening; the kept copy answers only when there is no network.

const cacheName = "paytone-phone-shell-1";
const shell = [
  "/phone/",
  "/phone/phone.css",
  "/phone/app.js",
  "/phone/account.js",
  "/phone/api.js",
  "/phone/approval.js",
  "/phone/devices.js",
  "/phone/enrol.js",
  "/phone/enrol-device.js",
  "/phone/history.js",
  "/phone/home.js",
  "/phone/keys.js",
  "/phone/mandates.js",
  "/phone/pay.js",
  "/phone/prompt.js",
  "/phone/result.js",
  "/phone/settings.js",
  "/phone/stream.js",
  "/phone/icon.svg",
  "/phone/manifest.webmanifest",
  "/shared/logo.svg",
  "/shared/style.css",
  "/shared/dom.js",
  "/shared/messages.js",
  "/shared/money.js",
  "/shared/time.js",
  "/shared/request.js",
  "/shared/parts.js",
  "/shared/barcode.js",
  "/shared/countdown.js",
  "/shared/keypad.js",
  "/messages/en.json",
  "/messages/zh.json",
];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(cacheName).then((cache) => cache.addAll(shell)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== cacheName).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const path = url.pathname;
  if (event.request.method !== "GET" || url.origin !== self.location.origin || !shell.includes(path)) return;
  event.respondWith(
    fetch(event.request)
      .then((answer) => {
        if (answer.ok) {
          const copy = answer.clone();
          event.waitUntil(caches.open(cacheName).then((cache) => cache.put(path, copy)));
        }
        return answer;
      })
      .catch(() => caches.match(path)),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(
    self.clients.matchAll({ type: "window" }).then((windows) => {
      const open = windows.find((window) => window.url === event.notification.data?.url) ?? windows[0];
      return open ? open.focus() : self.clients.openWindow(event.notification.data?.url ?? "/phone/");
    }),
  );
});
