// Small parts that every kind of page uses: icons, status chips, notices, dialogs, toasts, buttons that show progress.

import { h, svg } from "/shared/dom.js";
import { t, tCode } from "/shared/messages.js";

// Each icon is a list of SVG path data on a 24 × 24 grid, drawn as strokes.
const icons = {
  check: ["M5 12.5l4.5 4.5L19 7.5"],
  cross: ["M6 6l12 12M18 6L6 18"],
  clock: ["M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z", "M12 7.5V12l3 2"],
  dash: ["M6 12h12"],
  alert: ["M12 3.5L2.5 20h19z", "M12 10v4.5M12 17.4v.1"],
  info: ["M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z", "M12 11v5.5M12 7.6v.1"],
  back: ["M15 5l-7 7 7 7"],
  forward: ["M9 5l7 7-7 7"],
  up: ["M12 19V5M6 11l6-6 6 6"],
  down: ["M12 5v14M6 13l6 6 6-6"],
  home: ["M4 11l8-7 8 7v9h-5.5v-6h-5v6H4z"],
  code: ["M4 5v14M8 5v14M11.500 5v14M14 5v14M17 5v14M20.500 5v14"],
  list: ["M8 6h12M8 12h12M8 18h12M4 6h.1M4 12h.1M4 18h.1"],
  repeat: ["M4 12a8 8 0 0 1 14-5.3L20 9M20 4v5h-5", "M20 12a8 8 0 0 1-14 5.3L4 15M4 20v-5h5"],
  settings: ["M4 7h9M17 7h3M4 17h3M11 17h9", "M15 4.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4z", "M9 14.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4z"],
  phone: ["M8 3h8a1.5 1.5 0 0 1 1.5 1.5v15A1.5 1.5 0 0 1 16 21H8a1.5 1.5 0 0 1-1.5-1.5v-15A1.5 1.5 0 0 1 8 3z", "M11 18h2"],
  erase: ["M9 6h11v12H9l-6-6z", "M12.5 10l4 4M16.5 10l-4 4"],
  shield: ["M12 3l7.5 2.8v5.4c0 4.6-3.1 8-7.5 9.8-4.4-1.8-7.5-5.2-7.5-9.8V5.8z", "M8.5 12l2.5 2.5 4.5-4.8"],
  bag: ["M5 8h14l1 12H4z", "M8.5 10.5V7a3.5 3.5 0 0 1 7 0v3.5"],
  person: ["M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8z", "M4.5 20.5c.800-4 3.8-6 7.5-6s6.7 2 7.5 6"],
  search: ["M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14z", "M16.2 16.2L21 21"],
  gift: ["M4 11h16v9.5H4z", "M3 7.5h18V11H3zM12 7.5v13", "M12 7.5C9 7.5 7 6.5 7 4.9 7 3 10.5 2.5 12 7.5c1.5-5 5-4.5 5-2.6 0 1.6-2 2.6-5 2.6z"],
  bank: ["M3.5 9.5L12 4l8.5 5.5z", "M6 10v7M10 10v7M14 10v7M18 10v7M3.5 20h17"],
  bill: ["M6 3.5h12V21l-3-2-3 2-3-2-3 2z", "M9 8.5h6M9 12.5h6"],
  wallet: ["M4 7.5h15a1.5 1.5 0 0 1 1.5 1.5v9.5A1.5 1.5 0 0 1 19 20H5.5A1.5 1.5 0 0 1 4 18.5z", "M4 7.5L16 4v3.5M16.5 13.7h.1"],
};

export function icon(name, size = 20) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", width: size, height: size, fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" },
    icons[name].map((path) => svg("path", { d: path })),
  );
}

// What a status looks like: its colour and its shape. The word comes from the texts.
const looks = {
  awaiting_approval: ["waiting", "clock"],
  requested: ["waiting", "clock"],
  funding: ["waiting", "clock"],
  pending: ["waiting", "clock"],
  recovering: ["waiting", "clock"],
  suspended: ["waiting", "alert"],
  authorized: ["good", "check"],
  captured: ["good", "check"],
  completed: ["good", "check"],
  active: ["good", "check"],
  refused: ["bad", "cross"],
  declined: ["bad", "cross"],
  failed: ["bad", "alert"],
  blocked: ["bad", "cross"],
  expired: ["neutral", "clock"],
  cancelled: ["neutral", "dash"],
  ended: ["neutral", "dash"],
  revoked: ["neutral", "dash"],
  removed: ["neutral", "dash"],
};

/// Status as word plus colour plus shape.
export function statusChip(status, testid = "status") {
  const [colour, shape] = looks[status] ?? ["neutral", "info"];
  return h("span", { class: `chip ${colour}`, testid, "data-status": status }, icon(shape, 14), tCode("status", status, status));
}

export function notice(kind, ...content) {
  const shape = { good: "check", waiting: "clock", bad: "alert" }[kind] ?? "info";
  return h("div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : undefined }, icon(shape), h("div", { class: "grow" }, ...content));
}

export function avatar(name, big = false) {
  return h("span", { class: big ? "avatar big" : "avatar", "aria-hidden": "true" }, [...(name ?? "?").trim()][0]?.toUpperCase() ?? "?");
}

export function facts(...pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs.filter((pair) => pair && pair[1] !== null && pair[1] !== undefined && pair[1] !== "").map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/// A button that runs `act` once at a time and shows that it is at work.
export function actionButton(label, act, { kind = "", testid, disabled } = {}) {
  const button = h("button", { type: "button", class: `button ${kind}`.trim(), testid, disabled }, label);
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    const slow = setTimeout(() => button.classList.add("busy"), 300);
    try {
      await act(button);
    } finally {
      clearTimeout(slow);
      button.classList.remove("busy");
      button.removeAttribute("aria-disabled");
    }
  });
  return button;
}

/// Asks and resolves to true or false; closing it in any way is a no.
export function confirmDialog({ title, text, yes, no = t("action.keep"), danger = false }) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "dialog-title", testid: "dialog" });
    const answer = (value) => () => dialog.close(value);
    dialog.append(
      h(
        "div",
        { class: "stack" },
        h("h2", { id: "dialog-title" }, title),
        text && h("p", { class: "quiet" }, text),
        h(
          "div",
          { class: "stack tight" },
          h("button", { type: "button", class: danger ? "button danger" : "button", onclick: answer("yes"), testid: "dialog-yes" }, yes),
          h("button", { type: "button", class: "button second", onclick: answer("no"), testid: "dialog-no", autofocus: true }, no),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

let toasts = null;

/// A short message that goes away by itself and is read out.
export function toast(text) {
  if (!toasts) {
    toasts = h("div", { class: "toasts", role: "status", "aria-live": "polite", testid: "toasts" });
    document.body.append(toasts);
  }
  const message = h("p", { class: "toast" }, text);
  toasts.append(message);
  setTimeout(() => message.remove(), 5000);
}

/// Shown in the place of a list or page while it is being fetched.
export function loading() {
  return h("p", { class: "row quiet", role: "status" }, h("span", { class: "spinner" }), t("state.loading"));
}
