// The demo's till: pick an amount and a phone, hold it to the reader, watch the receipt.
//
//   ready ── tap ──▶ reading ──▶ waiting for the phone ──▶ approved, declined ── next ──▶ ready

import { byId, h, show } from "/shared/dom.js";
import { hasText, languageSwitch, loadMessages, t } from "/shared/messages.js";
import { amountElement, money } from "/shared/money.js";
import { actionButton, avatar, icon, loading, notice } from "/shared/parts.js";
import { request, wordsFor } from "/shared/request.js";

const sums = ["6.50", "12.50", "88.00", "368.00"];
/// A decision takes milliseconds: whatever takes longer waits for somebody.
const askedAfterMs = 1200;

const state = { amount: sums[1], number: null, code: null, verified: false, now: "ready", answer: null, fault: null };
let till = null;

function person() {
  return till.phones.find((phone) => phone.number === state.number);
}

function asks() {
  if (state.code) return request("POST", "/till/api/scans", { body: { code: state.code, amount: state.amount } });
  return request("POST", "/till/api/taps", { body: { number: state.number, amount: state.amount, verified: state.verified } });
}

function scan(code) {
  state.code = code;
  tap();
}

async function tap() {
  if (state.now === "reading" || state.now === "asking") return;
  Object.assign(state, { now: "reading", answer: null, fault: null });
  draw();
  const asked = setTimeout(() => {
    state.now = "asking";
    draw();
  }, askedAfterMs);
  try {
    state.answer = await asks();
    state.now = state.answer.approved ? "approved" : "declined";
  } catch (error) {
    state.now = "declined";
    state.fault = wordsFor(error);
  } finally {
    clearTimeout(asked);
  }
  draw();
}

async function reverse() {
  try {
    const answer = await request("POST", "/till/api/reversals", { body: { id: state.answer.id } });
    if (answer.approved) state.now = "reversed";
  } catch (error) {
    state.fault = wordsFor(error);
  }
  draw();
}

const looks = {
  ready: ["phone", "till.ready", ""],
  reading: ["phone", "till.reading", "busy"],
  asking: ["clock", "till.asking", "busy"],
  approved: ["check", "till.approved", "good"],
  declined: ["cross", "till.declined", "bad"],
  reversed: ["repeat", "till.reversed", "good"],
};

function why() {
  if (state.fault) return state.fault;
  if (state.now === "asking") return t("till.asking_text");
  if (state.now !== "declined") return null;
  const key = `till.code.${state.answer.code}`;
  return hasText(key) ? t(key) : `${t("till.code")} ${state.answer.code}`;
}

function machine() {
  const [shape, text, look] = looks[state.now];
  const more = why();
  const label = state.now === "ready" ? t("till.tap_of", { name: person().name }) : undefined;
  return h(
    "section",
    { class: "machine" },
    h("div", { class: "screen" }, h("p", { class: "store" }, till.store), amountElement(state.amount, till.currency, { large: true, testid: "till-amount" })),
    h(
      "button",
      { type: "button", class: `reader ${look}`, onclick: state.now === "ready" ? tap : again, disabled: look === "busy", "aria-label": label, testid: "reader", "data-state": state.now },
      h("span", { class: "waves" }, icon(shape, 30)),
      h("span", { class: "said", role: "status", testid: "verdict" }, t(text)),
      more && h("span", { class: "more", testid: "why" }, more),
    ),
  );
}

function again() {
  Object.assign(state, { now: "ready", code: null, answer: null, fault: null });
  draw();
}

function receipt() {
  const { answer } = state;
  if (!answer) return null;
  const line = (name, value) => value && [h("dt", {}, name), h("dd", {}, value)];
  return h(
    "div",
    { class: "slot" },
    h(
      "article",
      { class: "receipt", "aria-label": t("till.receipt"), testid: "receipt" },
      h("p", { class: "head" }, till.store),
      h("p", { class: "verdict" }, t(looks[state.now][1]), h("br", {}), money(answer.amount, answer.currency)),
      h(
        "dl",
        {},
        answer.card ? line(t("till.card"), answer.card) : line(t("till.by_code"), `${state.code.slice(0, 2)}•••• ${state.code.slice(-4)}`),
        line(t("till.approval"), answer.approval),
        line(t("till.code"), answer.code),
        line(t("till.trace"), answer.trace),
        line(t("till.terminal"), till.terminal),
        line(t("till.took"), t("till.took_ms", { ms: answer.took_ms })),
      ),
      answer.issuer_verified && h("p", { class: "foot" }, t("till.issuer")),
    ),
  );
}

function after() {
  if (state.now === "asking") return h("a", { class: "button wide", href: person().url, target: "_blank", rel: "noopener", testid: "open-phone" }, icon("phone"), t("till.open_phone"));
  if (!["approved", "declined", "reversed"].includes(state.now)) return null;
  return h(
    "div",
    { class: "stack tight" },
    h("button", { type: "button", class: "button wide", onclick: again, testid: "till-again" }, t("till.again")),
    state.now === "approved" && actionButton(t("till.reverse"), reverse, { kind: "second wide", testid: "till-reverse" }),
    h("a", { class: "button plain", href: person().url, target: "_blank", rel: "noopener" }, t("till.open_phone")),
  );
}

function choice(pressed, onclick, testid, ...content) {
  return h("button", { type: "button", class: "button second", "aria-pressed": String(pressed), onclick, testid }, ...content);
}

/// A scanner is a keyboard that types digits and Enter.
function codeField() {
  const code = h("input", { class: "input figures", id: "code", type: "text", inputmode: "numeric", autocomplete: "off", placeholder: "28•• •••• •••• •••• ••••", testid: "till-code" });
  return h(
    "form",
    {
      class: "field",
      onsubmit: (event) => {
        event.preventDefault();
        const digits = code.value.replaceAll(/\s/g, "");
        if (/^\d{1,99}$/.test(digits)) scan(digits);
      },
    },
    h("label", { for: "code" }, t("till.or_code")),
    code,
    h("p", { class: "quiet small" }, t("till.code_hint")),
    h("button", { type: "submit", class: "button second wide", testid: "till-scan" }, t("till.scan")),
  );
}

function choices() {
  const choose = (change) => () => {
    Object.assign(state, change);
    draw();
  };
  const other = h("input", {
    class: "input figures", id: "sum", type: "text", inputmode: "decimal", value: sums.includes(state.amount) ? "" : state.amount, placeholder: "20.00", testid: "till-sum",
    onchange: (event) => {
      const text = event.target.value.trim();
      if (/^\d{1,7}(\.\d{1,2})?$/.test(text) && Number(text) > 0) choose({ amount: Number(text).toFixed(2) })();
    },
  });
  return [
    h(
      "section",
      { class: "stack tight" },
      h("h2", {}, t("till.amount")),
      h("div", { class: "sums" }, sums.map((sum) => choice(sum === state.amount, choose({ amount: sum }), `sum-${sum}`, sum))),
      h("div", { class: "field" }, h("label", { for: "sum" }, t("till.other_amount")), other),
    ),
    h(
      "section",
      { class: "stack tight" },
      h("h2", {}, t("till.phones")),
      h("div", { class: "people" }, till.phones.map((phone) => choice(phone.number === state.number, choose({ number: phone.number }), `phone-${phone.number}`, avatar(phone.name), h("span", {}, phone.name)))),
      h(
        "label",
        { class: "check" },
        h("input", { type: "checkbox", checked: state.verified, onchange: (event) => { state.verified = event.target.checked; }, testid: "till-verified" }),
        h("span", {}, t("till.unlocked"), h("br", {}), h("span", { class: "quiet small" }, t("till.unlocked_hint", { limit: money(till.tap_limit, till.currency) }))),
      ),
      codeField(),
    ),
  ];
}

const main = h("main", { id: "main", class: "stack loose" }, loading());

function draw() {
  show(main, machine(), receipt(), after(), state.now === "ready" && choices());
}

await loadMessages();
document.title = `${t("till.title")} · Paytone`;
show(byId("app"), h("div", { class: "till-front" }, h("header", { class: "row apart till-top" }, h("a", { class: "brand", href: "/" }, h("img", { src: "/shared/logo.svg", alt: "" }), "Paytone"), languageSwitch()), h("h1", { class: "unseen" }, t("till.title")), main));
try {
  till = await request("GET", "/till/api/till");
  state.number = till.phones[0].number;
  draw();
} catch (error) {
  show(main, notice("bad", h("p", {}, wordsFor(error))));
}
