// The operator's pages: sign in, then overview, payments, merchants, worklist, rules, and one search field.

import { merchantsScreen, rulesScreen } from "/operator/lists.js";
import { overviewScreen } from "/operator/overview.js";
import { paymentScreen, paymentsScreen } from "/operator/payments.js";
import { operator, signIn, signOut } from "/operator/session.js";
import { subscriberScreen } from "/operator/subscriber.js";
import { worklistScreen } from "/operator/worklist.js";
import { byId, h, show } from "/shared/dom.js";
import { languageSwitch, loadMessages, t, tCode } from "/shared/messages.js";
import { actionButton, icon } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";

const places = ["", "payments", "merchants", "worklist", "rules"];
const screens = {
  "": overviewScreen, payments: paymentsScreen, payment: paymentScreen, merchants: merchantsScreen,
  worklist: worklistScreen, rules: rulesScreen, subscriber: subscriberScreen,
};
const root = byId("app");
const main = h("main", { id: "main", class: "desk-main", tabindex: "-1" });
const nav = h("nav", { class: "desk-places" });
let leaveScreen = () => {};

function brand() {
  return h("span", { class: "brand" }, h("img", { src: "/shared/logo.svg", alt: "" }), "Paytone");
}

function openScreen() {
  leaveScreen();
  const [, name = "", argument = ""] = location.hash.split("/");
  show(nav, places.map((place) => h("a", { href: `#/${place}`, "aria-current": place === name ? "page" : undefined, testid: `place-${place || "overview"}` }, t(`operator.place.${place || "overview"}`))));
  main.replaceChildren();
  leaveScreen = (screens[name] ?? overviewScreen)(main, decodeURIComponent(argument)) ?? (() => {});
  window.scrollTo(0, 0);
}

function search() {
  const input = h("input", { class: "input", type: "search", "aria-label": t("operator.search"), placeholder: t("operator.search"), testid: "search" });
  return h(
    "form",
    {
      class: "desk-search",
      role: "search",
      onsubmit: (event) => {
        event.preventDefault();
        const asked = input.value.trim();
        if (asked === "") return;
        location.hash = asked.startsWith("pay_") ? `#/payment/${encodeURIComponent(asked)}` : `#/subscriber/${encodeURIComponent(asked)}`;
        input.value = "";
      },
    },
    input,
    h("button", { class: "icon-button", "aria-label": t("operator.search_go"), testid: "search-go" }, icon("search")),
  );
}

function desk() {
  const who = operator();
  show(
    root,
    h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, t("action.skip")),
    h(
      "header",
      { class: "desk-top" },
      h(
        "div",
        { class: "desk-line" },
        brand(),
        nav,
        search(),
        languageSwitch(),
        h("span", { class: "small quiet", testid: "operator-name" }, `${who.name} · ${tCode("role", who.role, who.role)}`),
        h("button", { type: "button", class: "button plain compact", onclick: signOut, testid: "sign-out" }, t("operator.sign_out")),
      ),
    ),
    main,
  );
  nav.setAttribute("aria-label", t("tabs.label"));
  openScreen();
  window.addEventListener("hashchange", openScreen);
}

function signInScreen() {
  const name = h("input", { class: "input", id: "name", autocomplete: "username", required: true, testid: "sign-in-name" });
  const password = h("input", { class: "input", id: "password", type: "password", autocomplete: "current-password", required: true, testid: "sign-in-password" });
  const fault = h("p", { class: "fault strong", role: "alert", testid: "sign-in-fault" });
  const go = actionButton(t("operator.sign_in"), async () => {
    fault.textContent = "";
    try {
      await signIn(name.value.trim(), password.value);
      desk();
    } catch (error) {
      fault.textContent = wordsFor(error);
      password.value = "";
      password.focus();
    }
  }, { kind: "wide", testid: "sign-in" });
  go.type = "submit";
  show(
    root,
    h(
      "main",
      { class: "sign-in stack loose" },
      h("div", { class: "row apart" }, brand(), languageSwitch()),
      h(
        "form",
        { class: "card stack", onsubmit: (event) => event.preventDefault() },
        h("h1", {}, t("operator.title")),
        h("div", { class: "field" }, h("label", { for: "name" }, t("operator.name")), name),
        h("div", { class: "field" }, h("label", { for: "password" }, t("operator.password")), password),
        fault,
        go,
      ),
    ),
  );
  name.focus();
}

await loadMessages();
document.title = `${t("operator.title")} · Paytone`;
if (operator()) desk();
else signInScreen();
