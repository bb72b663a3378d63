// Payments: the list with its filter, and one payment with its whole timeline and who caused each step.

import { get } from "/operator/session.js";
import { h, show } from "/shared/dom.js";
import { t, tCode } from "/shared/messages.js";
import { amountElement, minor, money } from "/shared/money.js";
import { actionButton, facts, icon, loading, notice, statusChip } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";
import { clockTimeExact, dayAndTime, recentMoment } from "/shared/time.js";

const filters = ["", "captured", "awaiting_approval", "declined", "refused", "expired", "cancelled", "failed"];
const page = 50;

export function paymentTable(rows) {
  if (rows.length === 0) return h("p", { class: "card quiet" }, t("operator.no_payments"));
  return h(
    "div",
    { class: "table-wrap", tabindex: "0", role: "region", "aria-label": t("operator.place.payments") },
    h(
      "table",
      { class: "cards", testid: "payments" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("operator.column.merchant")), h("th", { scope: "col" }, t("operator.column.payer")), h("th", { scope: "col" }, t("operator.column.at")), h("th", { scope: "col" }, t("operator.column.status")), h("th", { scope: "col", class: "end" }, t("operator.column.amount")))),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            { testid: "payment-row", "data-payment": row.id },
            h("td", {}, h("a", { href: `#/payment/${encodeURIComponent(row.id)}`, class: "strong" }, row.merchant.name)),
            h("td", { class: "figures" }, row.payer ?? "–"),
            h("td", { class: "quiet small" }, recentMoment(row.created_at)),
            h("td", { class: "status-cell" }, statusChip(row.status), row.reason && h("div", { class: "quiet small" }, tCode("reason", row.reason, row.reason))),
            h("td", { class: "end" }, amountElement(row.amount, row.currency)),
          ),
        ),
      ),
    ),
  );
}

export function paymentsScreen(main, status) {
  const list = h("div", { class: "stack" }, loading());
  let rows = [];
  let cursor = null;
  const load = async () => {
    try {
      const asked = new URLSearchParams({ limit: String(page), ...(status ? { status } : {}), ...(cursor ? { cursor } : {}) });
      const answer = await get(`/payments?${asked}`);
      rows = [...rows, ...answer.data];
      cursor = answer.next_cursor;
      show(list, paymentTable(rows), cursor && actionButton(t("history.more"), load, { kind: "second" }));
    } catch (error) {
      show(list, notice("bad", h("p", {}, wordsFor(error))));
    }
  };
  show(
    main,
    h(
      "div",
      { class: "stack loose" },
      h("h1", {}, t("operator.place.payments")),
      h("nav", { class: "filters", "aria-label": t("operator.column.status") }, filters.map((filter) => h("a", { href: `#/payments/${filter}`, "aria-current": filter === status ? "true" : undefined }, filter ? tCode("status", filter) : t("operator.all")))),
      list,
    ),
  );
  load();
}

function legs(payment) {
  if (!payment.legs?.length) return null;
  return h(
    "section",
    { class: "card stack tight" },
    h("h2", {}, t("operator.legs")),
    h("ul", { class: "stack tight" }, payment.legs.map((leg) => h("li", { class: "row apart" }, h("span", {}, leg.label || tCode("source", leg.source)), h("span", { class: "row" }, leg.state && h("span", { class: "quiet small" }, tCode("leg", leg.state, leg.state)), amountElement(leg.amount, payment.currency))))),
  );
}

function timeline(payment) {
  return h(
    "section",
    { class: "card stack" },
    h("h2", {}, t("history.timeline")),
    h(
      "ol",
      { class: "timeline", testid: "timeline" },
      payment.timeline.map((step) =>
        h(
          "li",
          {},
          h("div", { class: "row apart wrap" }, h("span", { class: "strong" }, tCode("timeline", step.what, step.what)), h("time", { class: "quiet small figures", datetime: step.at }, clockTimeExact(step.at))),
          h("p", { class: "small quiet" }, t("operator.by_actor", { actor: step.actor })),
          step.detail && h("p", { class: "small fixed" }, step.detail),
        ),
      ),
    ),
  );
}

function detail(payment) {
  const refunded = minor(payment.refunded_amount ?? "0") > 0n;
  return h(
    "div",
    { class: "detail", testid: "payment" },
    h(
      "div",
      { class: "stack" },
      h(
        "section",
        { class: "card stack" },
        h("h1", {}, payment.merchant.name),
        h("div", { class: "row apart wrap" }, amountElement(payment.amount, payment.currency, { large: true }), statusChip(payment.status)),
        facts(
          [t("operator.column.payer"), payment.payer],
          [t("history.purpose"), payment.description],
          [t("operator.reference"), payment.reference],
          [t("history.for"), payment.for && t(`history.for_${payment.for}`)],
          [t("operator.asker"), payment.asker_name],
          [t("operator.reason"), payment.reason && tCode("reason", payment.reason, payment.reason)],
          [t("operator.merchant_sees"), payment.projected_status && payment.projected_status !== payment.status && statusChip(payment.projected_status)],
          [t("operator.column.at"), dayAndTime(payment.created_at)],
          [t("prompt.deadline"), payment.deadline && dayAndTime(payment.deadline)],
          payment.fee && [t("operator.fee"), t("operator.fee_and_tax", { fee: money(payment.fee.amount, payment.currency), tax: money(payment.fee.tax, payment.currency) })],
          refunded && [t("history.refunded_label"), money(payment.refunded_amount, payment.currency)],
          [t("history.number"), h("span", { class: "fixed" }, payment.id)],
        ),
      ),
      legs(payment),
    ),
    timeline(payment),
  );
}

export function paymentScreen(main, id) {
  const place = h("div", {}, loading());
  show(main, h("div", { class: "stack" }, h("div", {}, h("a", { class: "button plain compact", href: "#/payments" }, icon("back"), t("operator.place.payments"))), place));
  get(`/payments/${encodeURIComponent(id)}`)
    .then((payment) => show(place, detail(payment)))
    .catch((error) => show(place, notice("bad", h("p", {}, wordsFor(error)))));
}
