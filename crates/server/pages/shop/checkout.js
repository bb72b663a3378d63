// Checkout: one phone number, whose it is, and one button.

import { itemLine, itemTitle } from "/shop/catalogue.js";
import { h, show } from "/shared/dom.js";
import { t } from "/shared/messages.js";
import { amountElement, money } from "/shared/money.js";
import { actionButton, icon, notice } from "/shared/parts.js";
import { request, wordsFor } from "/shared/request.js";

export function checkoutScreen(main, catalogue, id) {
  const item = catalogue.items.find((candidate) => candidate.id === id);
  if (!item) {
    show(main, notice("bad", h("p", {}, t("shop.no_item"))), h("p", {}, h("a", { href: "/shop", class: "button second" }, t("shop.back"))));
    return;
  }
  document.title = `${t("checkout.title")} · ${t("shop.name")}`;
  const number = h("input", { class: "input figures", id: "number", type: "tel", inputmode: "tel", autocomplete: "tel", required: true, placeholder: "+86 138 0013 8000", "aria-describedby": "number-fault number-hint", testid: "checkout-number" });
  const numberFault = h("p", { class: "fault", id: "number-fault", role: "alert", testid: "checkout-number-fault" });
  const name = h("input", { class: "input", id: "asker", type: "text", autocomplete: "name", maxlength: 40, "aria-describedby": "asker-hint asker-fault", testid: "checkout-asker" });
  const nameFault = h("p", { class: "fault", id: "asker-fault", role: "alert" });
  const nameField = h("div", { class: "field", hidden: true }, h("label", { for: "asker" }, t("checkout.your_name")), name, h("p", { class: "hint", id: "asker-hint" }, t("checkout.your_name_hint")), nameFault);
  const fault = h("div", {});

  const choice = (value, checked) =>
    h(
      "label",
      { class: "choice" },
      h("input", { type: "radio", name: "whose", value, checked, testid: `whose-${value}`, onchange: () => { nameField.hidden = value !== "other"; } }),
      h("span", {}, h("span", { class: "strong" }, t(`checkout.whose_${value}`)), h("br", {}), h("span", { class: "quiet small" }, t(`checkout.whose_${value}_text`))),
    );

  const mark = (input, line, words) => {
    line.textContent = words;
    if (words) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };

  const pay = actionButton(t("checkout.pay", { amount: money(item.price, catalogue.currency) }), async () => {
    const whose = form.elements.whose.value;
    mark(number, numberFault, number.value.trim() === "" ? t("checkout.number_missing") : "");
    mark(name, nameFault, whose === "other" && name.value.trim() === "" ? t("checkout.name_missing") : "");
    show(fault);
    const wrong = [number, name].find((input) => input.getAttribute("aria-invalid"));
    if (wrong) {
      wrong.focus();
      return;
    }
    try {
      const { order } = await request("POST", "/shop/api/checkout", {
        body: { item: item.id, phone_number: number.value.trim(), whose, ...(whose === "other" ? { asker_name: name.value.trim() } : {}) },
      });
      location.assign(`/shop/order/${encodeURIComponent(order)}`);
      // The next page takes over; the button stays at work until it does.
      await new Promise(() => {});
    } catch (error) {
      if (error.field?.includes("phone_number")) {
        mark(number, numberFault, wordsFor(error));
        number.focus();
      } else if (error.field?.includes("asker_name")) {
        mark(name, nameFault, wordsFor(error));
        name.focus();
      } else {
        show(fault, notice("bad", h("p", {}, wordsFor(error))));
      }
    }
  }, { kind: "wide", testid: "checkout-pay" });

  pay.type = "submit";
  const form = h(
    "form",
    { class: "card stack loose checkout-form", novalidate: true, onsubmit: (event) => event.preventDefault() },
    h("div", { class: "row" }, h("img", { src: "/shared/logo.svg", alt: "", width: 28, height: 28 }), h("h2", {}, t("checkout.by_number"))),
    h("div", { class: "field" }, h("label", { for: "number" }, t("checkout.number")), number, h("p", { class: "hint", id: "number-hint" }, t("checkout.number_hint")), numberFault),
    h("fieldset", { class: "stack tight" }, h("legend", {}, t("checkout.whose")), h("div", { class: "stack tight whose" }, choice("mine", true), choice("other", false))),
    nameField,
    fault,
    pay,
    h("p", { class: "row quiet small" }, icon("shield"), h("span", {}, t("checkout.safe"))),
  );

  show(
    main,
    h(
      "div",
      { class: "stack loose" },
      h("div", {}, h("a", { class: "button plain compact back-link", href: "/shop" }, icon("back"), t("shop.back")), h("h1", {}, t("checkout.title"))),
      h(
        "div",
        { class: "checkout" },
        h("section", { class: "card stack", "aria-label": t("checkout.order") }, h("h2", {}, t("checkout.order")), itemLine(item, catalogue.currency), h("hr", {}), h("div", { class: "row apart" }, h("span", { class: "quiet" }, t("checkout.delivery")), h("span", {}, t("checkout.free"))), h("div", { class: "row apart" }, h("span", { class: "strong" }, t("checkout.total")), amountElement(item.price, catalogue.currency))),
        form,
      ),
    ),
  );
  form.setAttribute("aria-label", t("checkout.by_number_for", { title: itemTitle(item) }));
}
