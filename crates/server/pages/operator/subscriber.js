// One subscriber, found by number or id. Looking at a person is logged by the server.

import { paymentTable } from "/operator/payments.js";
import { get } from "/operator/session.js";
import { h, show } from "/shared/dom.js";
import { t, tCode } from "/shared/messages.js";
import { money } from "/shared/money.js";
import { facts, icon, loading, notice, statusChip } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";
import { day, dayAndTime } from "/shared/time.js";

function lineCard(line) {
  if (!line) return null;
  return h(
    "section",
    { class: "card stack" },
    h("h2", {}, t("operator.line")),
    facts(
      [t("operator.column.status"), tCode("line", line.status, line.status)],
      [t("operator.line_plan"), tCode("line", line.plan, line.plan)],
      [t("operator.line_activated"), line.activated_on && day(line.activated_on)],
      [t("operator.line_sim"), line.sim_changed_on && day(line.sim_changed_on)],
      [t("operator.line_device"), line.device_changed_on && day(line.device_changed_on)],
      [t("operator.line_known"), line.known_at && dayAndTime(line.known_at)],
    ),
  );
}

function devicesCard(devices) {
  if (!devices?.length) return null;
  return h(
    "section",
    { class: "card stack" },
    h("h2", {}, t("devices.title")),
    h("ul", { class: "stack tight" }, devices.map((device) => h("li", { class: "row apart wrap" }, h("span", {}, device.label, " ", h("span", { class: "quiet small" }, dayAndTime(device.created_at))), statusChip(device.status)))),
  );
}

function page(person) {
  const currency = person.currency;
  return h(
    "div",
    { class: "stack loose", testid: "subscriber" },
    h("div", { class: "row wrap" }, h("h1", {}, person.name ?? t("operator.no_name")), statusChip(person.status), h("span", { class: "quiet figures" }, person.number)),
    h(
      "div",
      { class: "detail" },
      h(
        "div",
        { class: "stack" },
        h(
          "section",
          { class: "card stack" },
          h("h2", {}, t("operator.account")),
          facts(
            [t("home.balance"), person.balance && money(person.balance.available, currency)],
            [t("operator.held"), person.balance && money(person.balance.held, currency)],
            ...(person.grants ?? []).map((grant) => [grant.label, money(grant.available, currency)]),
            person.bill && [t("home.bill"), t("limits.used_of", { used: money(person.bill.used, currency), limit: money(person.bill.limit, currency) })],
            person.pin && [t("operator.pin"), person.pin.locked ? t("pin.locked_title") : t("operator.pin_tries", { count: person.pin.tries_left })],
            [t("operator.id"), h("span", { class: "fixed" }, person.id)],
          ),
        ),
        lineCard(person.line),
        devicesCard(person.devices),
      ),
      h("section", { class: "stack tight" }, h("h2", {}, t("operator.latest")), paymentTable(person.payments ?? [])),
    ),
  );
}

export function subscriberScreen(main, asked) {
  const place = h("div", {}, loading());
  show(main, h("div", { class: "stack" }, h("div", {}, h("a", { class: "button plain compact", href: "#/" }, icon("back"), t("operator.place.overview"))), place));
  get(`/subscribers/${encodeURIComponent(asked)}`)
    .then((person) => show(place, page(person)))
    .catch((error) => show(place, notice("bad", h("p", {}, error.status === 404 ? t("operator.nobody") : wordsFor(error)))));
}
