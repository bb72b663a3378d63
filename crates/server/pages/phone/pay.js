// The payment code: what a cashier scans, new every half minute, also without a network.
//
// Invariant: the key is kept as a CryptoKey that this page cannot read; a code that was scanned is never shown again.

import { changes } from "/phone/account.js";
import { callTimed, thisDevice } from "/phone/api.js";
import { saveDevice } from "/phone/keys.js";
import { barPicture, qrPicture } from "/shared/barcode.js";
import { countdownRing } from "/shared/countdown.js";
import { h, show } from "/shared/dom.js";
import { t } from "/shared/messages.js";
import { money } from "/shared/money.js";
import { actionButton, icon, loading, notice } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";
import { dayAndTime } from "/shared/time.js";

const proofs = 10_000_000n;
const mostCodes = 10;

function bytesOfNumber(number) {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setBigUint64(0, BigInt(number));
  return [...new Uint8Array(bytes.buffer)];
}

/// Twenty digits: index, end of the step, counter, proof.
export async function codeOf(pass, step, counter) {
  const text = new TextEncoder().encode("paytone payment code 1");
  const message = new Uint8Array([...text, ...bytesOfNumber(pass.index), ...bytesOfNumber(step), counter]);
  const mac = new DataView(await crypto.subtle.sign("HMAC", pass.key, message));
  const proof = (mac.getBigUint64(0) % proofs).toString().padStart(7, "0");
  return pass.index + String(step % 100).padStart(2, "0") + counter + proof;
}

function keyOf(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/// Asks for this phone's pass and keeps it for when there is no network.
async function fetchPass(replace) {
  const { body, took_ms } = await callTimed("POST", "/pass", { replace });
  const kept = thisDevice().pass;
  const same = kept?.index === body.index;
  return keep({
    index: body.index,
    key: await keyOf(body.key),
    step_seconds: body.step_seconds,
    ahead_ms: body.now + took_ms / 2 - Date.now(),
    good_until: body.good_until,
    limit: body.limit,
    currency: body.currency,
    step: same ? kept.step : 0,
    counter: same ? kept.counter : 0,
  });
}

async function keep(pass) {
  const device = thisDevice();
  device.pass = pass;
  await saveDevice(device);
  return pass;
}

function nowOf(pass) {
  return Date.now() + pass.ahead_ms;
}

function stepOf(pass) {
  return Math.floor(nowOf(pass) / 1000 / pass.step_seconds);
}

function grouped(code) {
  return code.match(/\d{4}/g).join(" ");
}

export function payScreen(main) {
  const place = h("div", { class: "stack", testid: "pay-code" }, loading());
  const said = h("div", { "aria-live": "polite" });
  let pass = thisDevice()?.pass;
  let offline = false;
  let ring = null;
  let open = true;
  let drawing = 0;

  const draw = async () => {
    if (!open || !pass) return;
    const turn = (drawing += 1);
    const step = stepOf(pass);
    if (step !== pass.step) pass = await keep({ ...pass, step, counter: 0 });
    const spent = pass.counter >= mostCodes;
    const over = nowOf(pass) >= Date.parse(pass.good_until);
    const code = spent || over ? null : await codeOf(pass, step, pass.counter);
    // Something newer is being drawn.
    if (!open || turn !== drawing) return;
    ring?.stop();
    const shift = (moment) => new Date(moment - pass.ahead_ms).toISOString();
    const from = step * pass.step_seconds * 1000;
    ring = countdownRing({ from: shift(from), deadline: shift(from + pass.step_seconds * 1000), size: 56, onend: draw, testid: "pay-countdown", clock: Date.now });
    show(
      place,
      offline && notice("waiting", h("p", { class: "small", testid: "pay-offline" }, t("pay.offline", { until: dayAndTime(pass.good_until) }))),
      over && notice("bad", h("p", {}, t("pay.over"))),
      spent && notice("waiting", h("p", {}, t("pay.spent"))),
      code && h("div", { class: "paper-card", testid: "pay-digits", "data-code": code }, barPicture(code, t("pay.bars")), h("p", { class: "figures code-digits" }, grouped(code)), qrPicture(code, t("pay.qr"))),
      h("div", { class: "row apart" }, h("p", { class: "quiet small grow" }, t("pay.hint", { limit: money(pass.limit, pass.currency) })), ring.element),
      code && h("button", { type: "button", class: "button second wide", onclick: next, testid: "pay-next" }, icon("repeat"), t("pay.next")),
      !offline && actionButton(t("pay.replace"), replace, { kind: "plain", testid: "pay-replace" }),
    );
  };
  const next = async () => {
    pass = await keep({ ...pass, counter: pass.counter + 1 });
    await draw();
  };
  const replace = async () => {
    try {
      pass = await fetchPass(true);
      show(said, notice("good", h("p", {}, t("pay.replaced"))));
    } catch (error) {
      show(said, notice("bad", h("p", {}, wordsFor(error))));
    }
    await draw();
  };
  const load = async () => {
    try {
      pass = await fetchPass(false);
      offline = false;
    } catch (error) {
      // A refusal is no missing network: then the codes would be refused as well.
      if (!pass || error.status) {
        show(place, notice("bad", h("p", {}, wordsFor(error))), actionButton(t("action.try_again"), load, { kind: "wide" }));
        return;
      }
      offline = true;
    }
    await draw();
  };
  const paid = ({ detail }) => {
    if (detail?.kind !== "payment") return;
    const good = ["authorized", "captured"].includes(detail.status);
    if (good) show(said, notice("good", h("p", { class: "strong", testid: "pay-paid" }, t("pay.paid", { amount: money(detail.amount, detail.currency), merchant: detail.purpose || detail.merchant.name }))));
    // Whatever became of it, the code was used. The server makes room for offline payments when it sees this phone.
    next().then(() => fetchPass(false)).then((fresh) => { pass = fresh; }, () => {});
  };
  const cameBack = () => {
    if (document.visibilityState === "visible") load();
  };
  show(main, h("div", { class: "stack loose" }, h("h1", {}, t("pay.title")), said, place));
  draw();
  load();
  changes.addEventListener("payment", paid);
  changes.addEventListener("open", load);
  document.addEventListener("visibilitychange", cameBack);
  return () => {
    open = false;
    ring?.stop();
    changes.removeEventListener("payment", paid);
    changes.removeEventListener("open", load);
    document.removeEventListener("visibilitychange", cameBack);
  };
}
