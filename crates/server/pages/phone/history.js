// History: every payment, refund and credit, and one of them in full with where the money came from.

import { changes } from "/phone/account.js";
import { call } from "/phone/api.js";
import { h, show } from "/shared/dom.js";
import { t, tCode } from "/shared/messages.js";
import { amountElement, minor, money } from "/shared/money.js";
import { actionButton, avatar, facts, icon, loading, notice, statusChip } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";
import { clockTimeExact, day, dayAndTime, recentMoment } from "/shared/time.js";

const page = 20;
const moved = new Set(["authorized", "captured", "completed", "pending", "funding", "awaiting_approval"]);

function title(item) {
  return item.merchant?.name ?? tCode("history.kind", item.kind, item.kind);
}

/// Money that came in has a plus, money that went has a minus, and money that never moved has neither.
function signOf(item) {
  if (item.kind === "refund" || item.kind === "credit") return "+";
  return moved.has(item.status) ? "−" : "";
}

/// Until when money that was given can be spent.
function givenUntil(item) {
  const ends = item.kind === "credit" && item.legs?.[0]?.expires_at;
  return ends ? t("grant.until", { day: day(ends) }) : null;
}

/// What a source is called, and of a grant until when it can be spent.
function legName(leg) {
  const source = t(`source.${leg.source}`);
  const more = [leg.label && leg.label !== source && source, leg.expires_at && t("grant.until", { day: day(leg.expires_at) })].filter(Boolean);
  return h("span", { class: "grow" }, h("span", { class: "strong" }, leg.label || source), more.length > 0 && [h("br", {}), h("span", { class: "quiet small" }, more.join(" · "))]);
}

function row(item) {
  const neverMoved = signOf(item) === "";
  return h(
    "li",
    {},
    h(
      "a",
      { class: "line", href: `#/payment/${encodeURIComponent(item.id)}`, testid: "history-item", "data-payment": item.id },
      item.merchant ? avatar(item.merchant.name) : h("span", { class: "avatar" }, icon("gift")),
      h("span", { class: "grow" }, h("span", { class: "strong" }, title(item)), h("br", {}), h("span", { class: "quiet small" }, [item.kind === "refund" && t("history.kind.refund"), recentMoment(item.at), givenUntil(item)].filter(Boolean).join(" · "))),
      h(
        "span",
        { class: "row-end" },
        h("span", { class: item.kind === "payment" ? "" : "came-in" }, amountElement(item.amount, item.currency, { sign: signOf(item) })),
        (neverMoved || !["captured", "completed"].includes(item.status)) && statusChip(item.status),
        item.kind === "payment" && minor(item.refunded_amount ?? "0") > 0n && h("span", { class: "quiet small" }, t("history.refunded", { amount: money(item.refunded_amount, item.currency) })),
      ),
    ),
  );
}

export function historyRows(items) {
  return h("ul", { class: "rows", testid: "history-list" }, items.map(row));
}

export function historyScreen(main) {
  const list = h("div", { class: "stack" }, loading());
  let items = [];
  let cursor = null;
  const draw = () =>
    show(
      list,
      items.length === 0 ? h("p", { class: "card quiet" }, t("history.empty")) : historyRows(items),
      cursor && actionButton(t("history.more"), () => load(true), { kind: "second wide", testid: "history-more" }),
    );
  const load = async (more) => {
    try {
      const answer = await call("GET", `/history?limit=${page}${more ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      items = more ? [...items, ...answer.items] : answer.items;
      cursor = answer.next_cursor;
      draw();
    } catch (error) {
      show(list, notice("bad", h("p", {}, wordsFor(error))), actionButton(t("action.try_again"), () => load(false), { kind: "second" }));
    }
  };
  const fresh = () => load(false);
  show(main, h("div", { class: "stack loose" }, h("h1", {}, t("tab.history")), list));
  load(false);
  changes.addEventListener("payment", fresh);
  return () => changes.removeEventListener("payment", fresh);
}

function legs(item) {
  if (!item.legs?.length) return null;
  return h(
    "section",
    { class: "stack tight" },
    h("h2", {}, t(item.kind === "payment" ? "history.paid_from" : "history.went_to")),
    h("ul", { class: "rows", testid: "legs" }, item.legs.map((leg) => h("li", {}, h("div", { class: "line" }, icon({ grant: "gift", bill: "bill", bank: "bank" }[leg.source] ?? "wallet", 24), legName(leg), amountElement(leg.amount, item.currency))))),
  );
}

function timeline(item) {
  if (!item.timeline?.length) return null;
  return h(
    "section",
    { class: "stack tight" },
    h("h2", {}, t("history.timeline")),
    h("ol", { class: "timeline card", testid: "timeline" }, item.timeline.map((step) => h("li", {}, h("span", { class: "strong" }, tCode("timeline", step.what, step.what)), h("br", {}), h("span", { class: "quiet small figures" }, clockTimeExact(step.at))))),
  );
}

function detail(item) {
  const refunded = minor(item.refunded_amount ?? "0") > 0n;
  return h(
    "div",
    { class: "stack loose" },
    h(
      "div",
      { class: "card stack centred" },
      h("div", { class: "middle-row row" }, item.merchant ? avatar(item.merchant.name, true) : h("span", { class: "avatar big" }, icon("gift", 28))),
      h("h1", {}, title(item)),
      amountElement(item.amount, item.currency, { large: true, sign: signOf(item) }),
      h("div", { class: "row middle-row" }, statusChip(item.status)),
      h("hr", {}),
      facts(
        [t("history.purpose"), item.purpose],
        [t("history.when"), dayAndTime(item.at)],
        item.kind === "payment" && [t("history.for"), item.for === "other" ? (item.asker_name ? t("history.for_named", { name: item.asker_name }) : t("history.for_other")) : t("history.for_self")],
        item.mandate && [t("history.mandate"), t("history.by_mandate")],
        refunded && [t("history.refunded_label"), money(item.refunded_amount, item.currency)],
        [t("history.number"), h("span", { class: "fixed" }, item.id)],
      ),
    ),
    legs(item),
    timeline(item),
  );
}

export function paymentScreen(main, id) {
  const place = h("div", {}, loading());
  const load = async () => {
    try {
      show(place, detail(await call("GET", `/history/${encodeURIComponent(id)}`)));
    } catch (error) {
      show(place, notice("bad", h("p", {}, wordsFor(error))));
    }
  };
  show(main, h("div", { class: "stack" }, h("a", { class: "button plain compact back", href: "#/history", testid: "back" }, icon("back"), t("tab.history")), place));
  load();
  const onpayment = ({ detail: changed }) => {
    if (changed?.id === id) load();
  };
  changes.addEventListener("payment", onpayment);
  return () => changes.removeEventListener("payment", onpayment);
}
