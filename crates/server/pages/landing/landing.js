// The demo's front door: links to the shop, one phone per demo subscriber, the operator's overview and the API reference.

import { byId, h, show } from "/shared/dom.js";
import { languageSwitch, loadMessages, t, tCode } from "/shared/messages.js";
import { avatar, facts, icon, loading, notice } from "/shared/parts.js";
import { request, wordsFor } from "/shared/request.js";

function door(shape, title, text, ...content) {
  return h("section", { class: "card door stack" }, h("span", { class: "medal" }, icon(shape, 26)), h("div", {}, h("h2", {}, title), h("p", { class: "quiet" }, text)), ...content);
}

function phones(world) {
  return h(
    "section",
    { class: "phones stack tight" },
    h("h2", {}, t("demo.phones")),
    h("p", { class: "quiet" }, t("demo.phones_text")),
    h(
      "ul",
      { class: "rows" },
      world.phones.map((phone) =>
        h(
          "li",
          {},
          h(
            "a",
            { class: "line", href: phone.url, target: "_blank", rel: "noopener", testid: "demo-phone", "data-number": phone.number },
            avatar(phone.name),
            h("span", { class: "grow" }, h("span", { class: "strong" }, phone.name), " ", h("span", { class: "quiet figures" }, phone.number), h("br", {}), h("span", { class: "quiet small" }, tCode("demo.note", phone.note, phone.note))),
            icon("forward"),
          ),
        ),
      ),
    ),
    world.pin_note && notice("", h("p", { class: "small" }, tCode("demo.pin", world.pin_note, world.pin_note))),
  );
}

function front(world) {
  return [
    h("div", { class: "stack tight" }, h("h1", {}, t("demo.title")), h("p", { class: "quiet lead" }, t("demo.lead"))),
    h("ol", { class: "tour card" }, [1, 2, 3, 4].map((step) => h("li", {}, t(`demo.step_${step}`)))),
    phones(world),
    h(
      "div",
      { class: "doors" },
      door("bag", t("demo.shop"), t("demo.shop_text"), h("a", { class: "button", href: world.shop, target: "_blank", rel: "noopener", testid: "demo-shop" }, t("demo.open_shop"))),
      door("wallet", t("demo.till"), t("demo.till_text"), h("a", { class: "button", href: world.till, target: "_blank", rel: "noopener", testid: "demo-till" }, t("demo.open_till"))),
      door(
        "list",
        t("demo.operator"),
        t("demo.operator_text"),
        h("div", { class: "sign-in-facts" }, facts([t("operator.name"), h("span", { class: "fixed" }, world.operator.name)], [t("operator.password"), h("span", { class: "fixed" }, world.operator.password)])),
        h("a", { class: "button second", href: world.operator.url, target: "_blank", rel: "noopener", testid: "demo-operator" }, t("demo.open_operator")),
      ),
      door("settings", t("demo.reference"), t("demo.reference_text"), h("a", { class: "button second", href: "/reference/", testid: "demo-reference" }, t("demo.open_reference"))),
    ),
  ];
}

await loadMessages();
const main = h("main", { id: "main", class: "stack loose" }, loading());
show(byId("app"), h("div", { class: "front" }, h("header", { class: "row apart front-top" }, h("span", { class: "brand" }, h("img", { src: "/shared/logo.svg", alt: "" }), "Paytone"), languageSwitch()), main));
try {
  show(main, front(await request("GET", "/demo/api/world")));
} catch (error) {
  show(main, notice("bad", h("p", {}, wordsFor(error))));
}
