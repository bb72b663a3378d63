// The payer's phone: decides which screen is open.
//
// ```text
//   no key ── enrol ──▶ awaiting approval / recovering ──▶ active: home · history · mandates · settings
//                                                            └── a prompt lies over whatever is open
// ```
// The screens are modules of their own; this one knows addresses, the tab bar, the page's title and notifications.

import { account, changes, closePrompt, follow, openPrompts, refreshMe, refreshPrompts, stopFollowing } from "/phone/account.js";
import { DeviceGone, allowSignIn, call, signIn, thisDevice, useDevice } from "/phone/api.js";
import { waitingScreen } from "/phone/enrol-device.js";
import { enrolScreen } from "/phone/enrol.js";
import { historyScreen, paymentScreen } from "/phone/history.js";
import { homeScreen } from "/phone/home.js";
import { canKeepKeys, forgetDevice, loadDevice } from "/phone/keys.js";
import { mandatesScreen } from "/phone/mandates.js";
import { payScreen } from "/phone/pay.js";
import { openPrompt } from "/phone/prompt.js";
import { settingsScreen } from "/phone/settings.js";
import { byId, h, show } from "/shared/dom.js";
import { languageSwitch, loadMessages, t, tCount } from "/shared/messages.js";
import { money } from "/shared/money.js";
import { actionButton, icon, loading, notice, toast } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";

const tabs = [
  ["", "home", "home"],
  ["pay", "pay", "code"],
  ["history", "history", "list"],
  ["mandates", "mandates", "repeat"],
  ["settings", "settings", "settings"],
];
const screens = { "": homeScreen, pay: payScreen, history: historyScreen, payment: paymentScreen, mandates: mandatesScreen, settings: settingsScreen };

const root = byId("app");
const main = h("main", { id: "main", class: "phone-main", tabindex: "-1" });
const banner = h("div", { class: "phone-banner", "aria-live": "polite" });
const tabBar = h("nav", { class: "tabs" });
const deferred = new Set();
const notified = new Set();
let leaveScreen = () => {};
let shownPrompt = null;
let bannerCount = 0;

function drawTabs(current) {
  show(
    tabBar,
    tabs.map(([address, key, shape]) =>
      h(
        "a",
        { href: `#/${address}`, "aria-current": address === current ? "page" : undefined, testid: `tab-${key}` },
        icon(shape, 24),
        t(`tab.${key}`),
      ),
    ),
  );
}

function openScreen() {
  leaveScreen();
  const [, name = "", argument] = location.hash.split("/");
  const screen = screens[name] ?? homeScreen;
  drawTabs(name === "payment" ? "history" : name);
  main.replaceChildren();
  leaveScreen = screen(main, decodeURIComponent(argument ?? "")) ?? (() => {});
  window.scrollTo(0, 0);
}

function drawBanner() {
  const waiting = openPrompts().filter((prompt) => prompt.id !== shownPrompt);
  show(
    banner,
    !account.connected && h("p", { class: "bar", role: "status", testid: "offline" }, h("span", { class: "spinner" }), t("state.reconnecting")),
    waiting.length > 0 &&
      h(
        "button",
        { type: "button", class: "bar ask", onclick: () => { deferred.clear(); nextPrompt(); }, testid: "open-requests" },
        icon("clock"),
        h("span", { class: "grow" }, tCount("requests.waiting", waiting.length)),
        icon("forward"),
      ),
  );
  bannerCount = openPrompts().length;
  document.title = openPrompts().length > 0 ? `● ${tCount("requests.title", openPrompts().length)} · Paytone` : "Paytone";
}

async function notifyInBackground(title, text, tag) {
  if (document.visibilityState === "visible" || !("Notification" in window) || Notification.permission !== "granted") return;
  const registration = await navigator.serviceWorker?.getRegistration("/phone/");
  registration?.showNotification(title, { body: text ?? "", tag, icon: "/phone/icon.svg", requireInteraction: true, data: { url: location.href } });
}

function notify(prompt) {
  if (notified.has(prompt.id)) return;
  notified.add(prompt.id);
  const amount = prompt.amount ? money(prompt.amount, prompt.currency) : "";
  notifyInBackground(t(`notification.${prompt.kind}`, { merchant: prompt.merchant?.name ?? "", amount }), prompt.purpose, prompt.id);
}

/// A charge under a mandate asked nothing, so it is told.
function tellCharge(item) {
  if (!item?.mandate || item.kind !== "payment" || !["authorized", "captured"].includes(item.status) || notified.has(item.id)) return;
  notified.add(item.id);
  const words = t("notification.charge", { merchant: item.merchant.name, amount: money(item.amount, item.currency) });
  toast(words);
  notifyInBackground(words, item.purpose, item.id);
}

function nextPrompt() {
  for (const prompt of openPrompts()) notify(prompt);
  drawBanner();
  if (shownPrompt) return;
  const waiting = openPrompts().filter((prompt) => !deferred.has(prompt.id));
  if (waiting.length === 0) return;
  const prompt = waiting[0];
  shownPrompt = prompt.id;
  openPrompt(prompt, {
    place: () => ({ now: 1, of: Math.max(1, openPrompts().length) }),
    onlater: () => deferred.add(prompt.id),
    onanswered: (status) => {
      closePrompt(prompt.id, status);
      refreshMe().catch(() => {});
    },
    onclose: () => {
      shownPrompt = null;
      nextPrompt();
    },
  });
  drawBanner();
}

function openApp() {
  show(
    root,
    h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, t("action.skip")),
    banner,
    main,
    tabBar,
  );
  openScreen();
  window.addEventListener("hashchange", openScreen);
  changes.addEventListener("prompts", nextPrompt);
  changes.addEventListener("connection", drawBanner);
  changes.addEventListener("wanted", ({ detail }) => {
    deferred.delete(detail);
    nextPrompt();
  });
  changes.addEventListener("device", async ({ detail }) => {
    if (detail.this && detail.status === "removed") gone();
    else await refreshMe().catch(() => {});
  });
  changes.addEventListener("payment", ({ detail }) => tellCharge(detail));
  // A request that was put off ends without an event of its own on this side.
  setInterval(() => {
    if (openPrompts().length !== bannerCount) drawBanner();
  }, 1000);
  follow(true);
}

function gone() {
  stopFollowing();
  leaveScreen();
  show(
    root,
    h(
      "main",
      { class: "phone-main stack loose middle" },
      notice("bad", h("h1", {}, t("gone.title")), h("p", {}, t("gone.text"))),
      actionButton(t("gone.again"), async () => {
        await forgetDevice();
        location.reload();
      }, { kind: "wide", testid: "enrol-again" }),
    ),
  );
}

function signedOut(record) {
  show(
    root,
    h(
      "main",
      { class: "phone-main stack loose middle", testid: "signed-out" },
      h("div", { class: "row apart" }, h("span", { class: "brand" }, h("img", { src: "/shared/logo.svg", alt: "" }), "Paytone"), languageSwitch()),
      h("h1", {}, t("signed_out.title")),
      h("p", { class: "quiet" }, t("signed_out.text")),
      actionButton(t("signed_out.again"), async () => {
        await allowSignIn(record);
        await start();
      }, { kind: "wide", testid: "sign-in-again" }),
    ),
  );
}

function cannotStart(error) {
  // Without a network it still pays by code.
  const pay = h("div", {});
  const pass = !error.status && thisDevice()?.pass;
  show(
    root,
    h(
      "main",
      { class: "phone-main stack loose middle" },
      notice("bad", h("p", {}, wordsFor(error))),
      actionButton(t("action.try_again"), () => { leaveScreen(); return start(); }, { kind: "wide", testid: "try-again" }),
      pass && pay,
    ),
  );
  if (pass) leaveScreen = payScreen(pay);
}

async function start() {
  show(root, h("main", { class: "phone-main stack middle" }, loading()));
  const record = await loadDevice();
  if (!record) {
    show(root, h("header", { class: "row apart enrol-top" }, h("span", { class: "brand" }, h("img", { src: "/shared/logo.svg", alt: "" }), "Paytone"), languageSwitch()), main);
    enrolScreen(main, start);
    return;
  }
  if (record.signedOut) {
    signedOut(record);
    return;
  }
  useDevice(record);
  try {
    const session = await signIn();
    if (session.device_status === "active") {
      await Promise.all([refreshMe(), refreshPrompts()]);
      openApp();
      nextPrompt();
    } else if (session.device_status === "removed") {
      gone();
    } else {
      const device = await call("GET", "/me/device");
      show(root, main);
      follow(false);
      waitingScreen(main, device, start);
    }
  } catch (error) {
    if (error instanceof DeviceGone) gone();
    else cannotStart(error);
  }
}

await loadMessages();
tabBar.setAttribute("aria-label", t("tabs.label"));
changes.addEventListener("gone", gone);
if (canKeepKeys()) {
  await start();
  navigator.serviceWorker?.register("/phone/service-worker.js", { scope: "/phone/" }).catch(() => {});
} else {
  show(root, h("main", { class: "phone-main stack middle" }, notice("bad", h("p", {}, t("start.insecure")))));
}
