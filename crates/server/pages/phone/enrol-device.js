// Enrolling this phone, second half: the PIN, this phone's key, and the wait when another phone or a day must pass first.

import { changes, stopFollowing } from "/phone/account.js";
import { call, callOpen } from "/phone/api.js";
import { forgetDevice, makeKey, saveDevice } from "/phone/keys.js";
import { h, show } from "/shared/dom.js";
import { pinPad } from "/shared/keypad.js";
import { t, tCount } from "/shared/messages.js";
import { actionButton, confirmDialog, icon, notice, statusChip, toast } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";
import { dayAndTime } from "/shared/time.js";

/// `proven` = {number, enrolment, pin: "set"|"enter", device: "first"|"further"}.
export function deviceStep(main, done, proven) {
  if (proven.device === "further") wayStep(main, done, proven);
  else pinStep(main, done, proven, false);
}

/// A further phone: the old one approves, or it is gone and this is a recovery.
function wayStep(main, done, proven) {
  const way = (testid, shape, title, text, recovery) =>
    h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "line", testid, onclick: () => pinStep(main, done, proven, recovery) },
        icon(shape, 24),
        h("span", { class: "grow" }, h("span", { class: "strong" }, title), h("br", {}), h("span", { class: "quiet small" }, text)),
        icon("forward"),
      ),
    );
  show(
    main,
    h(
      "div",
      { class: "stack loose enrol" },
      h("div", { class: "stack tight" }, h("h1", {}, t("further.title")), h("p", { class: "quiet" }, t("further.lead"))),
      h(
        "ul",
        { class: "rows" },
        way("further-approve", "phone", t("further.approve"), t("further.approve_text"), false),
        way("further-recover", "shield", t("further.recover"), t("further.recover_text"), true),
      ),
    ),
  );
}

/// Sets the PIN (asked twice) or asks for the one that exists, then registers this phone.
function pinStep(main, done, proven, recovery) {
  const setting = proven.pin === "set";
  let first = null;
  const heading = h("h1", {}, t(setting ? "enrol.pin_set" : "enrol.pin_enter"));
  const lead = h("p", { class: "quiet" }, t(setting ? "enrol.pin_set_text" : "enrol.pin_enter_text"));
  const pad = pinPad({
    label: t("pin.label"),
    oncomplete: async (pin) => {
      if (setting && first === null) {
        first = pin;
        heading.textContent = t("enrol.pin_again");
        lead.textContent = t("enrol.pin_again_text");
        return;
      }
      if (setting && first !== pin) {
        startOver(t("enrol.pin_differs"));
        return;
      }
      try {
        await register(proven, pin, recovery);
        await done();
      } catch (error) {
        const left = error.body?.tries_left;
        if (error.status === 410) {
          toast(wordsFor(error));
          await done();
        } else if (setting) startOver(wordsFor(error));
        else pad.refuse(error.code === "wrong_pin" && left !== undefined ? tCount("pin.wrong", left) : wordsFor(error));
      } finally {
        first = null;
      }
    },
  });
  function startOver(words) {
    first = null;
    heading.textContent = t("enrol.pin_set");
    lead.textContent = t("enrol.pin_set_text");
    pad.refuse(words);
  }
  show(main, h("div", { class: "stack loose enrol" }, h("div", { class: "stack tight centred" }, heading, lead), pad.element));
  pad.focus();
}

function label() {
  const platform = navigator.userAgentData?.platform ?? navigator.platform ?? "";
  const browser = /Firefox/.test(navigator.userAgent) ? "Firefox" : /Edg\//.test(navigator.userAgent) ? "Edge" : /Chrom/.test(navigator.userAgent) ? "Chrome" : /Safari/.test(navigator.userAgent) ? "Safari" : "Browser";
  return [browser, platform.split(" ")[0]].filter(Boolean).join(" · ").slice(0, 40);
}

async function register(proven, pin, recovery) {
  const key = await makeKey();
  const answer = await callOpen("POST", `/enrolments/${proven.enrolment}/device`, { public_key: key.publicKey, pin, label: label(), recovery });
  await saveDevice({ device: answer.device, number: proven.number, privateKey: key.privateKey });
}

/// Shown until this phone may act: it waits for another phone's approval, or for the day of a recovery to pass.
export function waitingScreen(main, device, done) {
  const recovering = device.status === "recovering";
  const again = async () => {
    const now = await call("GET", "/me/device");
    if (now.status !== device.status) finish();
  };
  const check = () => {
    if (document.visibilityState === "visible") again().catch(() => {});
  };
  const ondevice = ({ detail }) => {
    if (detail.status !== device.status) finish();
  };
  function finish() {
    changes.removeEventListener("device", ondevice);
    changes.removeEventListener("open", check);
    document.removeEventListener("visibilitychange", check);
    stopFollowing();
    done();
  }
  changes.addEventListener("device", ondevice);
  changes.addEventListener("open", check);
  document.addEventListener("visibilitychange", check);

  show(
    main,
    h(
      "div",
      { class: "stack loose middle centred", testid: recovering ? "recovering" : "awaiting-approval" },
      h("div", { class: "medallion" }, icon(recovering ? "clock" : "phone", 36)),
      h("div", { class: "row middle-row" }, statusChip(device.status)),
      h("h1", {}, t(recovering ? "recovering.title" : "approval.title")),
      h("p", { class: "quiet" }, recovering && device.active_from ? t("recovering.text", { moment: dayAndTime(device.active_from) }) : t(recovering ? "recovering.text_soon" : "approval.text")),
      recovering && notice("waiting", h("p", { class: "small" }, t("recovering.limits"))),
      actionButton(t("action.check_again"), again, { kind: "second", testid: "check-again" }),
      actionButton(t("approval.give_up"), async () => {
        const sure = await confirmDialog({ title: t("approval.give_up_title"), text: t("approval.give_up_text"), yes: t("approval.give_up"), danger: true });
        if (!sure) return;
        // The server's side of this device may already be gone; forgetting the key here is what counts.
        await call("POST", `/devices/${device.id}/stop`, {}).catch(() => {});
        await forgetDevice();
        finish();
      }, { kind: "plain danger", testid: "give-up" }),
    ),
  );
}
