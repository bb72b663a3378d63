// Home: what there is to pay with, largest first, and the latest payments.

import { account, changes } from "/phone/account.js";
import { call } from "/phone/api.js";
import { historyRows } from "/phone/history.js";
import { h, show, svg } from "/shared/dom.js";
import { t, tCode, tCount } from "/shared/messages.js";
import { amountElement, minor, money, perMille } from "/shared/money.js";
import { icon, loading, notice } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";
import { day, monthName, wholeDaysUntil } from "/shared/time.js";

const latestShown = 5;
const soon_days = 14;

export function homeScreen(main) {
  const latest = h("div", {}, loading());
  const top = h("div", { class: "stack" });
  const draw = () => show(top, overview(account.me));
  const load = async () => {
    try {
      const { items } = await call("GET", `/history?limit=${latestShown}`);
      show(latest, items.length > 0 ? historyRows(items) : h("p", { class: "quiet card" }, t("history.empty")));
    } catch (error) {
      show(latest, notice("bad", h("p", {}, wordsFor(error))));
    }
  };
  show(
    main,
    h(
      "div",
      { class: "stack loose", testid: "home" },
      top,
      h("section", { class: "stack tight" }, h("div", { class: "row apart" }, h("h2", {}, t("home.latest")), h("a", { href: "#/history", class: "button plain compact" }, t("home.all"))), latest),
    ),
  );
  draw();
  load();
  changes.addEventListener("me", draw);
  changes.addEventListener("payment", load);
  return () => {
    changes.removeEventListener("me", draw);
    changes.removeEventListener("payment", load);
  };
}

function overview(me) {
  return [
    h("header", { class: "row apart home-top" }, h("div", {}, h("h1", { class: "greeting" }, me.name ? t("home.hello", { name: me.name }) : t("home.hello_plain")), h("p", { class: "quiet small figures", testid: "home-number" }, me.number)), h("img", { src: "/shared/logo.svg", alt: "Paytone", width: 36, height: 36 })),
    me.pin.locked && notice("bad", h("p", { class: "strong" }, t("pin.locked_title")), h("p", { class: "small" }, t("pin.locked_text"))),
    h(
      "section",
      { class: "balance", "aria-label": t("home.balance") },
      h("p", { class: "strong" }, t("home.balance")),
      amountElement(me.balance.available, me.currency, { large: true, testid: "balance" }),
      minor(me.balance.held) > 0n && h("p", { class: "small" }, t("home.held", { amount: money(me.balance.held, me.currency) })),
    ),
    me.grants.length > 0 && h("section", { class: "stack tight" }, h("h2", {}, t("home.grants")), h("ul", { class: "rows" }, me.grants.map((grant) => grantRow(grant, me.currency)))),
    me.bill && bill(me.bill, me.currency),
    h("ul", { class: "rows" }, [
      me.bank && h("li", {}, h("div", { class: "line" }, icon("bank", 24), h("span", { class: "grow" }, h("span", { class: "strong" }, me.bank.label), h("br", {}), h("span", { class: "quiet small" }, t("home.bank_text"))))),
      h("li", {}, h("a", { class: "line", href: "#/settings", testid: "home-sources" }, icon("wallet", 24), h("span", { class: "grow" }, h("span", { class: "strong" }, t("home.order")), h("br", {}), h("span", { class: "quiet small" }, me.sources.map((source) => t(`source.${source}`)).join(" → "))), icon("forward"))),
    ].filter(Boolean)),
  ];
}

function grantRow(grant, currency) {
  const scope = grant.scope && [...(grant.scope.merchants ?? []), ...(grant.scope.categories ?? []).map((category) => tCode("category", category))];
  const days = grant.expires_at ? wholeDaysUntil(grant.expires_at) : null;
  return h(
    "li",
    { testid: "grant" },
    h(
      "div",
      { class: "line" },
      icon("gift", 24),
      h(
        "span",
        { class: "grow" },
        h("span", { class: "strong" }, grant.label),
        h("br", {}),
        h(
          "span",
          { class: "quiet small" },
          scope?.length > 0 ? t("grant.only_at", { places: scope.join(t("list.and")) }) : t("grant.anywhere"),
        ),
        days !== null && h("br", {}),
        days !== null && (days <= soon_days ? h("span", { class: "chip waiting" }, icon("clock", 14), tCount("grant.days_left", days)) : h("span", { class: "quiet small" }, t("grant.until", { day: day(grant.expires_at) }))),
      ),
      amountElement(grant.available, currency),
    ),
  );
}

function bill({ limit, used, available, month }, currency) {
  const share = perMille(used, limit);
  return h(
    "section",
    { class: "card stack tight", testid: "bill" },
    h("div", { class: "row apart" }, h("h2", {}, t("home.bill")), h("span", { class: "quiet small" }, monthName(month))),
    svg("svg", { class: "bar-picture", viewBox: "0 0 1000 20", preserveAspectRatio: "none", role: "img", "aria-label": t("home.bill_used", { used: money(used, currency), limit: money(limit, currency) }) }, svg("rect", { class: "bar-all", width: 1000, height: 20 }), svg("rect", { class: "bar-used", width: share, height: 20 })),
    h("div", { class: "row apart small" }, h("span", { class: "quiet" }, t("home.bill_used", { used: money(used, currency), limit: money(limit, currency) })), h("span", { class: "strong figures" }, t("home.bill_left", { amount: money(available, currency) }))),
  );
}
