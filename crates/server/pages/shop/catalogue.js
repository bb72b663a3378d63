// The shop's shelf, and how an item is shown wherever it appears.

import { h, show } from "/shared/dom.js";
import { languageCode, t } from "/shared/messages.js";
import { amountElement } from "/shared/money.js";

function inLanguage(texts) {
  return texts[languageCode()] ?? texts.en;
}

export function itemTitle(item) {
  return inLanguage(item.title);
}

export function picture(item, className) {
  return h("img", { class: className, src: `/shop/pictures/${item.id}.svg`, alt: "", width: 240, height: 320 });
}

/// The item with its price on one line, for checkout and order.
export function itemLine(item, currency) {
  return h("div", { class: "row item-line" }, picture(item, "thumb"), h("div", { class: "grow" }, h("p", { class: "strong", testid: "item-title" }, itemTitle(item)), h("p", { class: "quiet small" }, inLanguage(item.author))), amountElement(item.price, currency, { testid: "item-price" }));
}

export function catalogueScreen(main, catalogue) {
  show(
    main,
    h(
      "div",
      { class: "stack loose" },
      h("div", { class: "shop-lead stack tight" }, h("h1", {}, t("shop.title")), h("p", { class: "quiet" }, t("shop.lead"))),
      h(
        "ul",
        { class: "shelf", testid: "catalogue" },
        catalogue.items.map((item) =>
          h(
            "li",
            { class: "book", testid: `item-${item.id}` },
            picture(item, "cover"),
            h(
              "div",
              { class: "book-words" },
              h("h2", {}, itemTitle(item)),
              h("p", { class: "quiet small" }, inLanguage(item.author)),
              h("p", { class: "small about" }, inLanguage(item.about)),
              h("div", { class: "row apart buy" }, amountElement(item.price, catalogue.currency), h("a", { class: "button compact", href: `/shop/checkout?item=${encodeURIComponent(item.id)}`, "aria-label": t("shop.buy_this", { title: itemTitle(item) }), testid: `buy-${item.id}` }, t("shop.buy"))),
            ),
          ),
        ),
      ),
    ),
  );
}
