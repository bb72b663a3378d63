// What became of a prompt: paid, refused, wrong code, expired, not enough money, and what to do next.

import { account, changes } from "/phone/account.js";
import { call } from "/phone/api.js";
import { h, show } from "/shared/dom.js";
import { t, tCode } from "/shared/messages.js";
import { amountElement, money } from "/shared/money.js";
import { icon } from "/shared/parts.js";
import { clockTimeExact } from "/shared/time.js";

// Problem codes with a screen of their own; any other shows the problem's own words.
const problemScreens = new Set(["wrong_code", "too_late", "already_decided", "pin_locked", "vetoed", "device_not_active", "facts_differ"]);

// What the status that a prompt was closed with, or that an approval led to, looks like.
const outcomes = {
  authorized: "paid", captured: "paid", funding: "funding", active: "active", refused: "refused",
  cancelled: "cancelled", expired: "expired", declined: "declined", failed: "failed", removed: "stopped", ended: "cancelled",
};

const looks = {
  paid: ["good", "check"], active: ["good", "check"], device: ["good", "check"], funding: ["waiting", "clock"], refused: ["neutral", "cross"], reported: ["neutral", "cross"],
  stopped: ["good", "shield"], cancelled: ["neutral", "dash"], expired: ["neutral", "clock"], too_late: ["neutral", "clock"], already_decided: ["neutral", "info"],
};

function nameOf(prompt, result) {
  if (result.kind === "problem") return problemScreens.has(result.error.code) ? result.error.code : "problem";
  if (result.kind === "expired" || result.kind === "reported") return result.kind;
  if (prompt.kind === "device") return result.kind === "refused" ? "stopped" : result.kind === "approved" ? "device" : "already_decided";
  if (result.kind === "refused") return "refused";
  return outcomes[result.status] ?? "already_decided";
}

function explanation(name, prompt, result) {
  const merchant = prompt.merchant?.name ?? "";
  if (name === "problem") return result.error.words;
  if (name === "vetoed") return tCode("veto", result.error.body.reason, t("result.vetoed.text"));
  return t(`result.${name}.text`, { merchant });
}

export function showResult(body, prompt, result, close) {
  const name = nameOf(prompt, result);
  draw(body, prompt, result, name, close);
  if (name === "funding") followFunding(body, prompt, result, close);
}

function draw(body, prompt, result, name, close) {
  const [colour, shape] = looks[name] ?? ["bad", "alert"];
  const heading = h("h1", { id: "prompt-title", tabindex: "-1", testid: "result-title" }, t(`result.${name}.title`));
  show(
    body,
    h(
      "div",
      { class: "stack loose middle centred result", testid: "result", "data-result": name, role: "status" },
      h("div", { class: "grow" }),
      h("div", { class: `medallion ${colour}` }, name === "funding" ? h("span", { class: "spinner large" }) : icon(shape, 44)),
      heading,
      name === "paid" && h("p", {}, amountElement(prompt.amount, prompt.currency, { large: true })),
      name === "paid" && h("p", { class: "strong" }, prompt.merchant.name),
      h("p", { class: "quiet" }, explanation(name, prompt, result)),
      h("div", { class: "grow" }),
      h("button", { type: "button", class: "button wide", onclick: close, testid: "result-done" }, t("action.done")),
    ),
  );
  heading.focus();
}

/// Not enough money: nothing has ended, so this is a pause and not a result.
export function showShortage(body, prompt, { again, later }) {
  const heading = h("h1", { id: "prompt-title", tabindex: "-1", testid: "result-title" }, t("result.insufficient_funds.title"));
  const words = { available: money(account.me.balance.available, account.me.currency), time: clockTimeExact(prompt.deadline) };
  show(
    body,
    h(
      "div",
      { class: "stack loose middle centred result", testid: "result", "data-result": "insufficient_funds", role: "status" },
      h("div", { class: "grow" }),
      h("div", { class: "medallion bad" }, icon("alert", 44)),
      heading,
      h("p", { class: "quiet" }, t("result.insufficient_funds.text", words)),
      h("div", { class: "grow" }),
      h("a", { class: "button second wide", href: "#/settings", onclick: later, testid: "result-sources" }, t("result.see_sources")),
      h("button", { type: "button", class: "button wide", onclick: again, testid: "result-again" }, t("action.try_again")),
    ),
  );
  heading.focus();
}

/// A source outside (a bank) is still answering: waits for the verdict, told by the stream and asked for now and then.
function followFunding(body, prompt, result, close) {
  const settle = (status) => {
    const name = outcomes[status];
    if (!name || name === "funding") return;
    changes.removeEventListener("payment", onpayment);
    clearInterval(asking);
    if (body.isConnected) draw(body, prompt, result, name, close);
  };
  const onpayment = ({ detail }) => {
    if (detail.id === prompt.id) settle(detail.status);
  };
  changes.addEventListener("payment", onpayment);
  const asking = setInterval(async () => {
    if (!body.isConnected) {
      changes.removeEventListener("payment", onpayment);
      clearInterval(asking);
      return;
    }
    const item = await call("GET", `/history/${prompt.id}`).catch(() => null);
    if (item) settle(item.status);
  }, 2000);
}
