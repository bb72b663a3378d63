// One order: the match code while the phone decides, then what came of it, by itself.
//
// The page asks the shop's own backend and waits there (long poll); it never talks to the payment system.

import { itemLine } from "/shop/catalogue.js";
import { countdownRing } from "/shared/countdown.js";
import { h, show } from "/shared/dom.js";
import { t, tCode } from "/shared/messages.js";
import { amountElement } from "/shared/money.js";
import { actionButton, confirmDialog, icon, notice, statusChip, toast } from "/shared/parts.js";
import { Problem, exchange, request, wordsFor } from "/shared/request.js";
import { dayAndTime, learnServerTime } from "/shared/time.js";

const wait_s = 25;
const longestPause_ms = 15_000;
const undecided = new Set(["awaiting_approval", "funding"]);
const ends = {
  authorized: ["paid", "good", "check"], captured: ["paid", "good", "check"], refused: ["refused", "bad", "cross"],
  expired: ["expired", "neutral", "clock"], cancelled: ["cancelled", "neutral", "dash"], declined: ["declined", "bad", "alert"], failed: ["failed", "bad", "alert"],
};

export async function orderScreen(main, catalogue, id) {
  const path = `/shop/api/orders/${encodeURIComponent(id)}`;
  let { body: order, date } = await exchange("GET", path);
  if (date) learnServerTime(date, 0);
  const screen = { main, catalogue, path, ring: null };
  draw(screen, order);
  let pause_ms = 500;
  while (undecided.has(order.payment.status)) {
    try {
      const next = await request("GET", `${path}?wait=${wait_s}&status=${encodeURIComponent(order.payment.status)}`);
      pause_ms = 500;
      if (next.payment.status !== order.payment.status) draw(screen, next);
      order = next;
    } catch (error) {
      if (error instanceof Problem && error.status < 500 && error.status !== 429) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause_ms));
      pause_ms = Math.min(pause_ms * 2, longestPause_ms);
    }
  }
}

function draw(screen, order) {
  screen.ring?.stop();
  screen.ring = null;
  const { payment } = order;
  const waiting = undecided.has(payment.status);
  document.title = `${waiting ? t("order.title_waiting") : tCode("status", payment.status, payment.status)} · ${t("shop.name")}`;
  const item = screen.catalogue.items.find((candidate) => candidate.id === (order.item.id ?? order.item));
  show(
    screen.main,
    h(
      "div",
      { class: "order stack loose", testid: "order", "data-status": payment.status },
      h("div", { "aria-live": "polite" }, waiting ? waitingCard(screen, payment) : endCard(payment, item)),
      item && h("section", { class: "card stack" }, h("h2", {}, t("checkout.order")), itemLine(item, payment.currency), h("p", { class: "quiet small" }, payment.id)),
    ),
  );
}

function waitingCard(screen, payment) {
  if (payment.status === "funding") {
    return h("section", { class: "card stack centred order-card" }, h("div", { class: "row middle-row" }, h("span", { class: "spinner large" })), h("h1", {}, t("order.funding")), h("p", { class: "quiet" }, t("order.funding_text")), h("div", { class: "row middle-row" }, statusChip("funding", "order-status")));
  }
  const other = payment.for === "other";
  screen.ring = countdownRing({ from: payment.created_at, deadline: payment.deadline, size: 96, testid: "order-countdown" });
  return h(
    "section",
    { class: "card stack loose centred order-card" },
    h("div", { class: "stack tight" }, h("h1", {}, t(other ? "order.ask_other" : "order.look_at_phone")), h("p", { class: "quiet" }, t(other ? "order.ask_other_text" : "order.look_at_phone_text"))),
    payment.match_code && h("div", { class: "match" }, h("p", { class: "strong" }, t(other ? "order.tell_code" : "order.your_code")), h("p", { class: "match-code figures", testid: "match-code" }, payment.match_code)),
    h("ol", { class: "steps" }, [1, 2, 3].map((step) => h("li", {}, t(`order.step_${other ? "other" : "mine"}_${step}`)))),
    h("div", { class: "row middle-row wait-line" }, screen.ring.element, h("div", { class: "wait-words" }, h("p", { class: "strong" }, t("order.waiting")), h("p", { class: "quiet small" }, t("order.turns_by_itself")))),
    actionButton(t("order.cancel"), () => cancel(screen), { kind: "plain danger", testid: "order-cancel" }),
  );
}

async function cancel(screen) {
  const sure = await confirmDialog({ title: t("order.cancel_title"), text: t("order.cancel_text"), yes: t("order.cancel"), no: t("order.keep"), danger: true });
  if (!sure) return;
  try {
    await request("POST", `${screen.path}/cancel`, { body: {} });
  } catch (error) {
    toast(wordsFor(error));
  }
}

function endCard(payment, item) {
  const [name, colour, shape] = ends[payment.status] ?? ["failed", "bad", "alert"];
  const again = item ? `/shop/checkout?item=${encodeURIComponent(item.id)}` : "/shop";
  return h(
    "section",
    { class: "card stack loose centred order-card", testid: `order-${name}` },
    h("div", { class: `medallion ${colour}` }, icon(shape, 44)),
    h("div", { class: "stack tight" }, h("h1", { testid: "order-title" }, t(`order.${name}`)), h("p", { class: "quiet" }, name === "declined" ? payment.decline ? tCode("decline", payment.decline.code, payment.decline.message) : t("order.declined_text") : t(`order.${name}_text`))),
    name === "paid" && h("p", {}, amountElement(payment.amount, payment.currency, { large: true })),
    h("div", { class: "row middle-row" }, statusChip(payment.status, "order-status")),
    name === "paid" && h("p", { class: "quiet small" }, t("order.paid_at", { moment: dayAndTime(payment.created_at) })),
    name === "paid" ? h("a", { class: "button", href: "/shop" }, t("order.more_books")) : h("div", { class: "row wrap middle-row" }, h("a", { class: "button", href: again, testid: "order-again" }, t("order.try_again")), h("a", { class: "button second", href: "/shop" }, t("shop.back"))),
    name !== "paid" && notice("", h("p", { class: "small" }, t("order.nothing_charged"))),
  );
}
