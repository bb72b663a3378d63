// Settings: the order in which sources pay, limits, phones, blocked merchants, notifications, language, signing out.

import { account, changes, refreshMe } from "/phone/account.js";
import { call, signOut } from "/phone/api.js";
import { deviceList } from "/phone/devices.js";
import { h, show } from "/shared/dom.js";
import { languageSwitch, t } from "/shared/messages.js";
import { money } from "/shared/money.js";
import { actionButton, confirmDialog, facts, icon, notice, toast } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";

export function settingsScreen(main) {
  const place = h("div", { class: "stack loose" });
  const draw = () => {
    // Drawing anew must not throw away where the reader is.
    const focused = document.activeElement?.getAttribute("data-testid");
    show(place, sections());
    if (focused) place.querySelector(`[data-testid="${CSS.escape(focused)}"]`)?.focus();
  };
  show(main, h("div", { class: "stack loose" }, h("h1", {}, t("tab.settings")), place));
  draw();
  changes.addEventListener("me", draw);
  return () => changes.removeEventListener("me", draw);
}

function section(title, lead, ...content) {
  return h("section", { class: "stack tight" }, h("h2", {}, title), lead && h("p", { class: "quiet small" }, lead), ...content);
}

function sections() {
  const { me } = account;
  return [
    section(t("sources.title"), t("sources.lead"), sourceOrder(me)),
    section(t("devices.title"), t("devices.lead"), deviceList()),
    section(t("limits.title"), null, h("div", { class: "card" }, limits(me))),
    section(t("blocked.title"), null, blocked(me)),
    section(t("notifications.title"), t("notifications.lead"), notifications()),
    section(t("language.label"), null, h("div", {}, languageSwitch())),
    section(t("sign_out.title"), t("sign_out.lead"), h("div", {}, actionButton(t("sign_out.action"), leave, { kind: "second", testid: "sign-out" }))),
  ];
}

async function leave() {
  if (!(await confirmDialog({ title: t("sign_out.sure"), text: t("sign_out.text"), yes: t("sign_out.action"), no: t("sign_out.stay") }))) return;
  try {
    await signOut();
    // Whatever listens or draws under the session ends with the page.
    location.reload();
  } catch (error) {
    toast(wordsFor(error));
  }
}

function sourceOrder(me) {
  const move = (from, to) => async () => {
    const order = [...me.sources];
    [order[from], order[to]] = [order[to], order[from]];
    try {
      await call("PUT", "/sources", { order });
      await refreshMe();
    } catch (error) {
      toast(wordsFor(error));
    }
  };
  const button = (direction, source, from, to, disabled) =>
    h("button", { type: "button", class: "icon-button", disabled, "aria-label": t(`sources.${direction}`, { source: t(`source.${source}`) }), onclick: move(from, to), testid: `source-${direction}-${source}` }, icon(direction));
  return h(
    "ol",
    { class: "rows", testid: "sources" },
    me.sources.map((source, place) =>
      h(
        "li",
        { "data-source": source },
        h(
          "div",
          { class: "line" },
          h("span", { class: "avatar small-avatar" }, String(place + 1)),
          h("span", { class: "grow" }, h("span", { class: "strong" }, t(`source.${source}`)), h("br", {}), h("span", { class: "quiet small" }, t(`source.${source}_text`))),
          button("up", source, place, place - 1, place === 0),
          button("down", source, place, place + 1, place === me.sources.length - 1),
        ),
      ),
    ),
  );
}

function limits({ limits: limit, currency }) {
  return facts(
    [t("limits.per_payment"), money(limit.per_payment, currency)],
    [t("limits.for_other"), money(limit.for_other, currency)],
    [t("limits.per_day"), t("limits.used_of", { used: money(limit.used_today, currency), limit: money(limit.per_day, currency) })],
    [t("limits.per_month"), t("limits.used_of", { used: money(limit.used_this_month, currency), limit: money(limit.per_month, currency) })],
  );
}

function blocked(me) {
  if (me.blocked_merchants.length === 0) return h("p", { class: "card quiet" }, t("blocked.empty"));
  return h(
    "ul",
    { class: "rows", testid: "blocked" },
    me.blocked_merchants.map((merchant) =>
      h(
        "li",
        {},
        h(
          "div",
          { class: "line" },
          h("span", { class: "grow strong" }, merchant.name),
          actionButton(t("blocked.unblock"), async () => {
            try {
              await call("DELETE", `/blocked-merchants/${merchant.id}`);
              await refreshMe();
            } catch (error) {
              toast(wordsFor(error));
            }
          }, { kind: "second compact", testid: "unblock" }),
        ),
      ),
    ),
  );
}

function notifications() {
  const state = "Notification" in window ? Notification.permission : "unavailable";
  if (state !== "default") return notice(state === "granted" ? "good" : "", h("p", {}, t(`notifications.${state}`)));
  return h(
    "div",
    {},
    actionButton(t("notifications.allow"), async () => {
      await Notification.requestPermission();
      changes.dispatchEvent(new CustomEvent("me"));
    }, { kind: "second", testid: "notifications-allow" }),
  );
}
