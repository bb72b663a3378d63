// Enrolling this phone, first half: the number, and the one-time code that proves it.
//
// The answer is alike for every number, so this screen never says whether a number is known.

import { callOpen } from "/phone/api.js";
import { deviceStep } from "/phone/enrol-device.js";
import { numberInAddress } from "/phone/keys.js";
import { h, show } from "/shared/dom.js";
import { t, tCount } from "/shared/messages.js";
import { actionButton, icon, notice } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";

export function enrolScreen(main, done) {
  numberStep(main, done, numberInAddress());
}

function numberStep(main, done, number, fault = "") {
  const input = h("input", {
    class: "input figures", id: "number", type: "tel", inputmode: "tel", autocomplete: "tel", required: true, value: number,
    "aria-describedby": "number-hint number-fault", testid: "enrol-number",
  });
  const faultLine = h("p", { class: "fault", id: "number-fault", role: "alert" }, fault);
  const send = actionButton(t("enrol.send_code"), async () => {
    faultLine.textContent = "";
    try {
      const given = input.value.trim();
      const enrolment = await callOpen("POST", "/enrolments", { phone_number: given });
      codeStep(main, done, given, enrolment);
    } catch (error) {
      faultLine.textContent = wordsFor(error);
      input.setAttribute("aria-invalid", "true");
      input.focus();
    }
  }, { kind: "wide", testid: "enrol-send" });
  send.type = "submit";
  show(
    main,
    h(
      "form",
      { class: "stack loose enrol", novalidate: true, onsubmit: (event) => event.preventDefault() },
      h("div", { class: "stack tight" }, h("h1", {}, t("enrol.title")), h("p", { class: "quiet" }, t("enrol.lead"))),
      h(
        "div",
        { class: "field" },
        h("label", { for: "number" }, t("enrol.number")),
        input,
        h("p", { class: "hint", id: "number-hint" }, t("enrol.number_hint")),
        faultLine,
      ),
      send,
      h(
        "ul",
        { class: "stack tight quiet small assurances" },
        ["enrol.promise_key", "enrol.promise_pin", "enrol.promise_receive"].map((key) => h("li", { class: "row" }, icon("shield"), h("span", {}, t(key)))),
      ),
    ),
  );
  if (!number) input.focus();
}

function codeStep(main, done, number, enrolment) {
  const length = enrolment.code_length;
  const boxes = Array.from({ length }, (_, place) =>
    h("input", {
      class: "input box", inputmode: "numeric", pattern: "[0-9]*", maxlength: length, autocomplete: place === 0 ? "one-time-code" : "off",
      "aria-label": t("enrol.digit", { place: place + 1, length }), testid: `enrol-code-${place}`,
    }),
  );
  const fault = h("p", { class: "fault strong", role: "alert", testid: "enrol-fault" });
  const demo = h("div", { "aria-live": "polite" });
  let sending = false;

  const send = async () => {
    const code = boxes.map((box) => box.value).join("");
    if (sending || code.length !== length) return;
    sending = true;
    fault.textContent = "";
    for (const box of boxes) box.disabled = true;
    try {
      const answer = await callOpen("POST", `/enrolments/${enrolment.enrolment}/code`, { code });
      deviceStep(main, done, { number, enrolment: enrolment.enrolment, ...answer });
    } catch (error) {
      if (error.code === "enrolment_expired" || error.status === 410) {
        numberStep(main, done, number, wordsFor(error));
        return;
      }
      const left = error.body?.tries_left;
      fault.textContent = error.code === "wrong_code" && left !== undefined ? tCount("enrol.wrong_code", left) : wordsFor(error);
      for (const box of boxes) {
        box.disabled = false;
        box.value = "";
      }
      boxes[0].focus();
    } finally {
      sending = false;
    }
  };

  // A pasted or auto-filled code lands in one box and is spread over all of them.
  const spread = (place) => {
    const digits = boxes[place].value.replace(/\D/g, "").split("");
    boxes[place].value = digits[0] ?? "";
    digits.slice(1).forEach((digit, step) => {
      if (boxes[place + 1 + step]) boxes[place + 1 + step].value = digit;
    });
    const next = boxes[Math.min(place + digits.length, length - 1)];
    if (digits.length > 0) next.focus();
    send();
  };
  boxes.forEach((box, place) => {
    box.addEventListener("input", () => spread(place));
    box.addEventListener("focus", () => box.select());
    box.addEventListener("keydown", (event) => {
      if (event.key === "Backspace" && box.value === "" && place > 0) {
        boxes[place - 1].value = "";
        boxes[place - 1].focus();
        event.preventDefault();
      }
    });
  });

  show(
    main,
    h(
      "div",
      { class: "stack loose enrol" },
      h("div", { class: "stack tight" }, h("h1", {}, t("enrol.code_title")), h("p", { class: "quiet" }, t(`enrol.code_sent.${enrolment.channel === "screen" ? "screen" : "other"}`, { number }))),
      demo,
      h("div", { class: "boxes", role: "group", "aria-label": t("enrol.code_title") }, boxes),
      fault,
      h("button", { type: "button", class: "button plain", onclick: () => numberStep(main, done, number), testid: "enrol-other-number" }, t("enrol.other_number")),
    ),
  );
  boxes[0].focus();
  if (enrolment.channel === "screen") showScreenCode(demo, enrolment.enrolment);
}

/// Only the demo has the channel `screen`: it stands in for an SMS.
async function showScreenCode(place, enrolment) {
  try {
    const { code } = await callOpen("GET", `/enrolments/${enrolment}/screen-code`);
    show(
      place,
      notice("", h("p", { class: "strong" }, t("enrol.screen_code"), " ", h("span", { class: "screen-code figures", testid: "screen-code" }, code)), h("p", { class: "small quiet" }, t("enrol.screen_code_note"))),
    );
  } catch (error) {
    show(place, notice("bad", h("p", {}, wordsFor(error))));
  }
}
