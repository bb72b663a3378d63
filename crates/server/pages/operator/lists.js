// Two plain lists: merchants and the rules in force.

import { get } from "/operator/session.js";
import { h, show } from "/shared/dom.js";
import { t, tCode } from "/shared/messages.js";
import { loading, notice, statusChip } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";

function listScreen(main, { title, path, draw }) {
  const place = h("div", {}, loading());
  show(main, h("div", { class: "stack loose" }, h("h1", {}, title), place));
  get(path)
    .then((answer) => show(place, h("div", { class: "stack" }, draw(answer))))
    .catch((error) => show(place, notice("bad", h("p", {}, wordsFor(error)))));
}

function table(testid, name, columns, rows) {
  return h(
    "div",
    { class: "table-wrap", tabindex: "0", role: "region", "aria-label": name },
    h("table", { testid }, h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col" }, column)))), h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell)))))),
  );
}

export function merchantsScreen(main) {
  listScreen(main, {
    title: t("operator.place.merchants"),
    path: "/merchants",
    draw: ({ data }) =>
      table(
        "merchants",
        t("operator.place.merchants"),
        [t("operator.column.merchant"), t("operator.category"), t("operator.plan"), t("operator.column.status")],
        data.map((merchant) => [h("span", {}, h("span", { class: "strong" }, merchant.name), h("br", {}), h("span", { class: "quiet fixed" }, merchant.id)), tCode("category", merchant.category, merchant.category), merchant.plan ?? "–", statusChip(merchant.status)]),
      ),
  });
}

function valueWords(value) {
  if (typeof value === "boolean") return t(value ? "operator.yes" : "operator.no");
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function rulesScreen(main) {
  listScreen(main, {
    title: t("operator.place.rules"),
    path: "/rules",
    draw: ({ version, rules }) => [
      h("p", { class: "quiet" }, t("operator.rules_version", { version })),
      table(
        "rules",
        t("operator.place.rules"),
        [t("operator.rule"), t("operator.value")],
        rules.map(({ code, value }) => [h("span", {}, h("span", { class: "strong" }, tCode("rule", code, code)), h("br", {}), h("span", { class: "quiet fixed" }, code)), valueWords(value)]),
      ),
    ],
  });
}
