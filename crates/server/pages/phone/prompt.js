// The prompt: over everything that is open, who asks, how much, what for, until when, in that order.
//
// ```text
//   facts + match codes ──▶ PIN ──▶ answer (result.js)
//          └── refuse / report and block ──▶ answer
// ```
// Invariant: the facts on the screen are those of the document that is signed (approval.js takes the same object).

import { changes } from "/phone/account.js";
import { approve, refuse } from "/phone/approval.js";
import { showResult, showShortage } from "/phone/result.js";
import { countdownRing } from "/shared/countdown.js";
import { h, show } from "/shared/dom.js";
import { pinPad } from "/shared/keypad.js";
import { t, tCode, tCount } from "/shared/messages.js";
import { amountElement, money } from "/shared/money.js";
import { actionButton, avatar, confirmDialog, facts, icon, notice, toast } from "/shared/parts.js";
import { Problem, Unreachable, wordsFor } from "/shared/request.js";
import { clockTimeExact, day } from "/shared/time.js";

// A new phone's request lasts for a day or without end; seconds would only worry.
const longestCountdown_ms = 3_600_000;

function countsDown(prompt) {
  return Boolean(prompt.deadline) && Date.parse(prompt.deadline) - Date.parse(prompt.created_at) <= longestCountdown_ms;
}

export function openPrompt(prompt, { place, onlater, onanswered, onclose }) {
  const body = h("div", { class: "prompt-body" });
  const ring = countsDown(prompt)
    ? countdownRing({ from: prompt.created_at, deadline: prompt.deadline, size: 64, testid: "prompt-countdown", onend: () => finish({ kind: "expired" }) })
    : { element: h("span", {}), stop: () => {} };
  const dialog = h("dialog", { class: "prompt", "aria-labelledby": "prompt-title", testid: "prompt", "data-prompt": prompt.id }, body);
  const standing = { sending: false, finished: false };

  const close = () => {
    ring.stop();
    changes.removeEventListener("prompt_closed", onclosed);
    dialog.close();
    dialog.remove();
    onclose();
  };
  const finish = (result) => {
    if (standing.finished || (standing.sending && result.kind === "expired")) return;
    standing.finished = true;
    ring.stop();
    onanswered(result.status ?? null);
    showResult(body, prompt, result, close);
  };
  // The merchant cancelled it, it expired, or another phone of the same payer was quicker.
  const onclosed = ({ detail }) => {
    if (detail.id === prompt.id && !standing.sending && !standing.finished) finish({ kind: "closed", status: detail.status });
  };
  changes.addEventListener("prompt_closed", onclosed);
  // Escape must neither answer nor lose a request: it means "later".
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    if (standing.sending) return;
    if (!standing.finished) onlater();
    close();
  });

  const screen = { prompt, body, ring, standing, place, finish, later: () => { onlater(); close(); } };
  drawFacts(screen);
  document.body.append(dialog);
  dialog.showModal();
  body.querySelector("h1")?.focus();
}

function topBar(screen, left) {
  const { now, of } = screen.place();
  return h("div", { class: "prompt-top" }, left, h("p", { class: "quiet small strong" }, of > 1 ? t("prompt.place", { now, of }) : t(`prompt.kind.${screen.prompt.kind}`)), screen.ring.element);
}

function who(prompt) {
  const { merchant, device } = prompt;
  if (prompt.kind === "device") {
    return h("div", { class: "who" }, h("span", { class: "avatar big" }, icon("phone", 28)), h("div", {}, h("h1", { id: "prompt-title", tabindex: "-1", testid: "prompt-device" }, device.label), h("p", { class: "quiet" }, t("prompt.new_phone"))));
  }
  return h(
    "div",
    { class: "who" },
    avatar(merchant.name, true),
    h("div", {}, h("h1", { id: "prompt-title", tabindex: "-1", testid: "prompt-merchant" }, merchant.name), h("p", { class: "quiet" }, merchant.category ? tCode("category", merchant.category) : t("prompt.merchant"))),
  );
}

function howMuch(prompt) {
  if (prompt.kind === "payment") {
    return h("div", { class: "how-much" }, h("p", { class: "strong" }, t("prompt.you_will_pay")), amountElement(prompt.amount, prompt.currency, { large: true, testid: "prompt-amount" }));
  }
  if (prompt.kind === "mandate") {
    const { max_per_payment, max_per_month, ends_on } = prompt.mandate;
    return h(
      "div",
      { class: "stack tight" },
      h("p", { class: "strong" }, t("prompt.you_will_allow")),
      h("p", { class: "how-much" }, amountElement(max_per_payment, prompt.currency, { large: true, testid: "prompt-amount" }), h("span", { class: "quiet" }, t("prompt.per_payment"))),
      facts([t("prompt.per_month"), money(max_per_month, prompt.currency)], [t("prompt.until"), day(ends_on)]),
    );
  }
  return prompt.device.recovering
    ? notice("bad", h("p", { class: "strong" }, t("prompt.recovery_title")), h("p", { class: "small" }, t("prompt.recovery_text")))
    : notice("waiting", h("p", {}, t("prompt.device_text")));
}

function asker(prompt) {
  if (prompt.for !== "other") return null;
  return notice(
    "waiting",
    h("p", {}, prompt.asker_name ? h("span", { class: "strong", testid: "prompt-asker" }, prompt.asker_name) : t("prompt.somebody"), " ", h("span", { class: "chip waiting", testid: "prompt-unverified" }, icon("alert", 14), t("prompt.unverified"))),
    h("p", { class: "small" }, t("prompt.asker_text")),
  );
}

function drawFacts(screen) {
  const { prompt, body } = screen;
  const codes = prompt.codes ?? [];
  const isDevice = prompt.kind === "device";
  show(
    body,
    topBar(screen, h("button", { type: "button", class: "button plain compact", onclick: screen.later, testid: "prompt-later" }, t("prompt.later"))),
    h(
      "div",
      { class: "stack prompt-facts" },
      who(prompt),
      howMuch(prompt),
      !isDevice && facts([t("prompt.what_for"), h("span", { testid: "prompt-purpose" }, prompt.purpose)], [t("prompt.deadline"), clockTimeExact(prompt.deadline)]),
      asker(prompt),
    ),
    h(
      "div",
      { class: "stack prompt-act" },
      codes.length > 0 ? codeChoice(screen, codes) : h("button", { type: "button", class: "button wide", onclick: () => drawPin(screen, null), testid: "prompt-continue" }, t(isDevice ? "prompt.approve_device" : "prompt.approve_tap")),
      h(
        "div",
        { class: "prompt-no" },
        actionButton(t(isDevice ? "prompt.stop_device" : "prompt.refuse"), () => sendRefusal(screen, false), { kind: "second", testid: "prompt-refuse" }),
        prompt.merchant &&
          actionButton(t("prompt.report"), async () => {
            const sure = await confirmDialog({ title: t("prompt.report_title", { merchant: prompt.merchant.name }), text: t("prompt.report_text"), yes: t("prompt.report"), no: t("action.back"), danger: true });
            if (sure) await sendRefusal(screen, true);
          }, { kind: "plain danger", testid: "prompt-report" }),
      ),
    ),
  );
}

function codeChoice(screen, codes) {
  const other = screen.prompt.for === "other";
  return h(
    "div",
    { class: "stack tight", role: "group", "aria-labelledby": "code-question" },
    h("h2", { id: "code-question", class: "centred" }, t(other ? "prompt.which_code_other" : "prompt.which_code")),
    h("div", { class: "codes" }, codes.map((code) => h("button", { type: "button", class: "code-button figures", onclick: () => drawPin(screen, code), testid: `code-${code}` }, code))),
    h("p", { class: "quiet small centred" }, t("prompt.wrong_code_ends")),
  );
}

function drawPin(screen, code) {
  const { prompt, body, standing } = screen;
  const pad = pinPad({
    oncomplete: async (pin) => {
      standing.sending = true;
      try {
        const answer = await approve(prompt, code, pin);
        screen.finish({ kind: "approved", status: answer.status });
      } catch (error) {
        standing.sending = false;
        onfault(screen, pad, error);
      } finally {
        standing.sending = false;
      }
    },
  });
  const back = h("button", { type: "button", class: "icon-button", "aria-label": t("action.back"), onclick: () => drawFacts(screen), testid: "prompt-back" }, icon("back", 24));
  const summary = {
    payment: () => t("prompt.pay_to", { amount: money(prompt.amount, prompt.currency), merchant: prompt.merchant.name }),
    mandate: () => t("prompt.allow_to", { amount: money(prompt.mandate.max_per_payment, prompt.currency), merchant: prompt.merchant.name }),
    device: () => t("prompt.let_in", { label: prompt.device.label }),
  };
  show(
    body,
    topBar(screen, back),
    h(
      "div",
      { class: "stack loose prompt-pin" },
      h("div", { class: "stack tight centred" }, h("h1", { id: "prompt-title" }, t("prompt.enter_pin")), h("p", {}, summary[prompt.kind]()), code && h("p", { class: "quiet small" }, t("prompt.code_chosen", { code }))),
      pad.element,
    ),
  );
  pad.focus();
}

function onfault(screen, pad, error) {
  if (error instanceof Unreachable) {
    pad.refuse(t("prompt.unreachable"));
  } else if (error instanceof Problem && error.code === "wrong_pin") {
    pad.refuse(tCount("pin.wrong", error.body.tries_left ?? 0));
  } else if (error instanceof Problem && (error.status === 429 || error.status >= 500)) {
    pad.refuse(wordsFor(error));
  } else if (error instanceof Problem && error.code === "insufficient_funds") {
    // The request stays open: the payer may add money or change the order of sources and try again.
    showShortage(screen.body, screen.prompt, { again: () => drawFacts(screen), later: screen.later });
  } else {
    screen.finish({ kind: "problem", error });
  }
}

async function sendRefusal(screen, report) {
  screen.standing.sending = true;
  try {
    const answer = await refuse(screen.prompt, report);
    screen.finish({ kind: report ? "reported" : "refused", status: answer.status });
  } catch (error) {
    screen.standing.sending = false;
    if (error instanceof Problem && error.status < 500 && error.status !== 429) screen.finish({ kind: "problem", error });
    else toast(wordsFor(error));
  } finally {
    screen.standing.sending = false;
  }
}
