// Overview: what happened today, by hour, and what waits for a person.

import { paymentTable } from "/operator/payments.js";
import { get, getPicture } from "/operator/session.js";
import { h, show, svg } from "/shared/dom.js";
import { languageCode, languageTag, t, tCode, tCount } from "/shared/messages.js";
import { amountElement, money, perMille } from "/shared/money.js";
import { loading, notice, statusChip } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";
import { day } from "/shared/time.js";

const refresh_ms = 10_000;

function count(value) {
  return new Intl.NumberFormat(languageTag()).format(value);
}

function figure(name, value, { testid, href, alarm = false, note } = {}) {
  return h("div", { class: alarm ? "card figure alarm" : "card figure", testid }, h("p", { class: "quiet small strong" }, name), h("p", { class: "value" }, href ? h("a", { href }, value) : value), note && h("p", { class: "quiet small" }, note));
}

function bytes(size) {
  const steps = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  while (size >= 1024 && step < steps.length - 1) {
    size /= 1024;
    step += 1;
  }
  return `${new Intl.NumberFormat(languageTag(), { maximumFractionDigits: 1 }).format(size)} ${steps[step]}`;
}

function byStatus(numbers) {
  return h("ul", { class: "stack tight" }, Object.entries(numbers).map(([status, number]) => h("li", { class: "row apart" }, statusChip(status), h("span", { class: "strong figures" }, count(number)))));
}

/// A list of names with a bar each; `length(part, whole)` is its length in per mille.
function shares(rows, whole, length) {
  if (rows.length === 0) return h("p", { class: "quiet" }, t("operator.nothing_today"));
  return h(
    "ul",
    { class: "shares" },
    rows.map(([name, part, shown]) =>
      h(
        "li",
        {},
        h("div", { class: "row apart" }, h("span", {}, name), h("span", { class: "strong figures" }, shown)),
        svg("svg", { class: "share-bar", viewBox: "0 0 1000 16", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("rect", { class: "bar-all", width: 1000, height: 16 }), svg("rect", { class: "bar-used", width: length(part, whole), height: 16 })),
      ),
    ),
  );
}

function hourTable(byHour, currency) {
  return h(
    "table",
    { class: "unseen" },
    h("caption", {}, t("operator.by_hour")),
    h("thead", {}, h("tr", {}, ["hour", "captured", "other", "amount"].map((key) => h("th", { scope: "col" }, t(`operator.hour.${key}`))))),
    h("tbody", {}, byHour.map((hour) => h("tr", {}, h("th", { scope: "row" }, hour.hour), h("td", {}, hour.captured), h("td", {}, hour.other), h("td", {}, money(hour.amount, currency))))),
  );
}

function page(overview, chart) {
  const { today, currency } = overview;
  const most = Math.max(1, ...Object.values(today.declined_by_reason));
  return [
    h("div", { class: "row apart wrap" }, h("h1", {}, t("operator.place.overview")), h("p", { class: "quiet" }, t("operator.business_date", { day: day(overview.business_date) }))),
    h(
      "div",
      { class: "figures-row" },
      figure(t("operator.captured"), money(today.captured_amount, currency), { testid: "captured-amount", note: currency }),
      figure(t("operator.payments_today"), count(today.payments), { testid: "payments-today" }),
      figure(t("operator.worklist_open"), count(overview.worklist_open), { testid: "worklist-open", href: "#/worklist", alarm: overview.worklist_open > 0 }),
      figure(t("operator.subscribers"), count(overview.subscribers), { note: tCount("operator.devices", overview.devices, { count: count(overview.devices) }) }),
      figure(t("operator.merchants"), count(overview.merchants)),
      figure(t("operator.journal"), count(overview.journal.seq), { note: bytes(overview.journal.bytes) }),
    ),
    h(
      "div",
      { class: "two" },
      h(
        "div",
        { class: "stack" },
        h("section", { class: "card stack" }, h("h2", {}, t("operator.by_hour")), chart, hourTable(overview.by_hour, currency)),
        h("section", { class: "stack tight" }, h("div", { class: "row apart" }, h("h2", {}, t("operator.latest")), h("a", { href: "#/payments", class: "button plain compact" }, t("home.all"))), paymentTable(overview.latest)),
      ),
      h(
        "div",
        { class: "stack" },
        h("section", { class: "card stack" }, h("h2", {}, t("operator.by_status")), byStatus(today.by_status)),
        h(
          "section",
          { class: "card stack" },
          h("h2", {}, t("operator.declined")),
          shares(Object.entries(today.declined_by_reason).sort((first, second) => second[1] - first[1]).map(([reason, number]) => [tCode("reason", reason, reason), number, count(number)]), most, (part, whole) => Math.round((part * 1000) / whole)),
        ),
        h("section", { class: "card stack" }, h("h2", {}, t("operator.top_merchants")), shares(overview.top_merchants.map((merchant) => [merchant.name, merchant.amount, amountElement(merchant.amount, currency)]), overview.top_merchants[0]?.amount ?? "0", perMille)),
      ),
    ),
  ];
}

export function overviewScreen(main) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chart = h("img", { class: "chart", alt: t("operator.by_hour"), width: 720, height: 260, testid: "chart" });
  const place = h("div", { class: "stack loose", testid: "overview" }, loading());
  let left = false;
  const load = async () => {
    try {
      const [overview, picture] = await Promise.all([get("/overview"), getPicture(`/overview/chart.svg?theme=${dark.matches ? "dark" : "light"}&language=${languageCode()}`)]);
      if (left) return;
      chart.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(picture)}`;
      // A page that is being read with the keyboard is not drawn anew under the reader's hands.
      if (place.contains(document.activeElement)) return;
      show(place, page(overview, chart));
    } catch (error) {
      if (!left) show(place, notice("bad", h("p", {}, wordsFor(error))));
    }
  };
  show(main, place);
  load();
  const timer = setInterval(() => {
    if (document.visibilityState === "visible") load();
  }, refresh_ms);
  dark.addEventListener("change", load);
  return () => {
    left = true;
    clearInterval(timer);
    dark.removeEventListener("change", load);
  };
}
