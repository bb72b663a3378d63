// Lantern Books, the demo's web shop: shows how a merchant takes a payment by phone number.
//
// Three addresses, one page: /shop (catalogue), /shop/checkout?item=ID, /shop/order/ID.

import { catalogueScreen } from "/shop/catalogue.js";
import { checkoutScreen } from "/shop/checkout.js";
import { orderScreen } from "/shop/order.js";
import { byId, h, show } from "/shared/dom.js";
import { languageSwitch, loadMessages, t } from "/shared/messages.js";
import { loading, notice } from "/shared/parts.js";
import { request, wordsFor } from "/shared/request.js";

const main = h("main", { id: "main", class: "shop-main", tabindex: "-1" });

await loadMessages();
show(
  byId("app"),
  h("a", { class: "skip", href: "#main" }, t("action.skip")),
  h(
    "header",
    { class: "shop-top" },
    h("a", { class: "shop-name", href: "/shop" }, h("img", { src: "/shop/lantern.svg", alt: "", width: 36, height: 36 }), h("span", {}, t("shop.name"))),
    languageSwitch(),
  ),
  main,
  h("footer", { class: "shop-foot quiet small" }, h("p", {}, t("shop.foot")), h("p", { class: "row" }, h("img", { src: "/shared/logo.svg", alt: "", width: 18, height: 18 }), t("shop.pays_with"))),
);
show(main, loading());
document.title = t("shop.name");

try {
  const catalogue = await request("GET", "/shop/catalogue.json");
  const [, , place, argument] = location.pathname.split("/");
  if (place === "checkout") checkoutScreen(main, catalogue, new URLSearchParams(location.search).get("item"));
  else if (place === "order") await orderScreen(main, catalogue, decodeURIComponent(argument ?? ""));
  else catalogueScreen(main, catalogue);
} catch (error) {
  show(main, notice("bad", h("p", {}, wordsFor(error))), h("p", {}, h("a", { href: "/shop", class: "button second" }, t("shop.back"))));
}
