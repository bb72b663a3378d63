// The PIN pad: six dots and large keys; a hardware keyboard works as well.
//
// Invariant: the digits live in one variable here, are handed over once, and are cleared right after; they are never put
// into the page, an attribute or storage.

import { h } from "/shared/dom.js";
import { t } from "/shared/messages.js";
import { icon } from "/shared/parts.js";

const length = 6;

/// `oncomplete(pin)` is called with the sixth digit; while its promise is open the pad is locked.
export function pinPad({ oncomplete, label = t("pin.label") }) {
  let digits = "";
  let busy = false;
  const dots = Array.from({ length }, () => h("i", {}));
  const count = h("span", { class: "unseen", "aria-live": "polite" });
  const fault = h("p", { class: "fault centred strong", role: "alert", testid: "pin-fault" });
  const keys = [];

  const draw = () => {
    dots.forEach((dot, place) => dot.classList.toggle("full", place < digits.length));
    count.textContent = t("pin.entered", { count: digits.length });
    for (const key of keys) key.disabled = busy;
  };

  const press = async (digit) => {
    if (busy || digits.length >= length) return;
    digits += digit;
    fault.textContent = "";
    draw();
    if (digits.length < length) return;
    busy = true;
    draw();
    const pin = digits;
    digits = "";
    try {
      await oncomplete(pin);
    } finally {
      busy = false;
      draw();
      // The pressed key was locked meanwhile and lost the focus; without this a keyboard would be left nowhere.
      if (element.isConnected) element.focus({ preventScroll: true });
    }
  };

  const erase = () => {
    if (busy) return;
    digits = digits.slice(0, -1);
    draw();
  };

  const key = (content, properties) => {
    const button = h("button", { type: "button", ...properties }, content);
    keys.push(button);
    return button;
  };
  const digitKey = (digit) => key(digit, { testid: `pin-key-${digit}`, onclick: () => press(digit) });

  const element = h(
    "div",
    { class: "stack pin-pad", role: "group", "aria-label": label, testid: "pin-pad", tabindex: "-1" },
    h("div", { class: "dots", "aria-hidden": "true" }, dots),
    count,
    fault,
    h(
      "div",
      { class: "keypad" },
      ["1", "2", "3", "4", "5", "6", "7", "8", "9"].map(digitKey),
      h("span", {}),
      digitKey("0"),
      key(icon("erase", 26), { class: "bare", "aria-label": t("pin.erase"), testid: "pin-erase", onclick: erase }),
    ),
  );
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^[0-9]$/.test(event.key)) {
      event.preventDefault();
      press(event.key);
    } else if (event.key === "Backspace") {
      event.preventDefault();
      erase();
    }
  });
  draw();

  return {
    element,
    focus: () => element.focus({ preventScroll: true }),
    /// Shows what was wrong with the last PIN.
    refuse: (text) => {
      fault.textContent = text;
    },
  };
}
