// Mandates: who may charge without asking, up to how much, and one tap to end it.

import { account, changes } from "/phone/account.js";
import { call } from "/phone/api.js";
import { h, show } from "/shared/dom.js";
import { pinPad } from "/shared/keypad.js";
import { t, tCount } from "/shared/messages.js";
import { money } from "/shared/money.js";
import { actionButton, avatar, facts, loading, notice, statusChip, toast } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";
import { day } from "/shared/time.js";

export function mandatesScreen(main) {
  const list = h("div", { class: "stack" }, loading());
  const load = async () => {
    try {
      const { mandates } = await call("GET", "/mandates");
      show(list, mandates.length === 0 ? h("p", { class: "card quiet" }, t("mandates.empty")) : mandates.map((mandate) => card(mandate, load)));
    } catch (error) {
      show(list, notice("bad", h("p", {}, wordsFor(error))), actionButton(t("action.try_again"), load, { kind: "second" }));
    }
  };
  show(main, h("div", { class: "stack loose" }, h("div", { class: "stack tight" }, h("h1", {}, t("tab.mandates")), h("p", { class: "quiet" }, t("mandates.lead"))), list));
  load();
  changes.addEventListener("me", load);
  return () => changes.removeEventListener("me", load);
}

function card(mandate, load) {
  const currency = mandate.currency ?? account.me.currency;
  const standing = mandate.status === "active" || mandate.status === "suspended";
  return h(
    "article",
    { class: "card stack", testid: "mandate", "data-mandate": mandate.id },
    h("div", { class: "row" }, avatar(mandate.merchant.name), h("div", { class: "grow" }, h("h2", {}, mandate.merchant.name), h("p", { class: "quiet small" }, mandate.description)), statusChip(mandate.status)),
    facts(
      [t("mandates.per_payment"), money(mandate.max_per_payment, currency)],
      [t("mandates.per_month"), money(mandate.max_per_month, currency)],
      standing && [t("mandates.used"), money(mandate.used_this_month, currency)],
      [t("mandates.ends_on"), day(mandate.ends_on)],
    ),
    mandate.status === "suspended" && notice("waiting", h("p", { class: "small" }, t("mandates.suspended"))),
    mandate.status === "suspended" && h("button", { type: "button", class: "button", testid: "mandate-resume", onclick: () => askPin(mandate, load) }, t("mandates.resume")),
    standing &&
      actionButton(t("mandates.revoke"), async () => {
        try {
          await call("POST", `/mandates/${mandate.id}/revoke`, {});
          toast(t("mandates.revoked", { merchant: mandate.merchant.name }));
        } catch (error) {
          toast(wordsFor(error));
        }
        await load();
      }, { kind: "danger", testid: "mandate-revoke" }),
  );
}

function askPin(mandate, load) {
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "resume-title" });
  const pad = pinPad({
    oncomplete: async (pin) => {
      try {
        await call("POST", `/mandates/${mandate.id}/resume`, { pin });
        dialog.close();
        await load();
      } catch (error) {
        pad.refuse(error.code === "wrong_pin" ? tCount("pin.wrong", error.body.tries_left ?? 0) : wordsFor(error));
      }
    },
  });
  dialog.append(h("div", { class: "stack" }, h("h2", { id: "resume-title", class: "centred" }, t("mandates.resume_title", { merchant: mandate.merchant.name })), pad.element, h("button", { type: "button", class: "button plain", onclick: () => dialog.close() }, t("action.back"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  pad.focus();
}
