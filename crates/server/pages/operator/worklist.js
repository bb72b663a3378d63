// What waits for a person, and deciding it: proposals of colleagues, and money that would not go back.
//
// Invariant: the server says what the person who is signed in may do with each; nobody is offered to approve their own proposal.
// One intention is one idempotency key: trying again after a lost answer does nothing twice.

import { get, post } from "/operator/session.js";
import { h, show } from "/shared/dom.js";
import { t, tCode } from "/shared/messages.js";
import { money } from "/shared/money.js";
import { actionButton, confirmDialog, facts, loading, notice, toast } from "/shared/parts.js";
import { Problem, wordsFor } from "/shared/request.js";
import { dayAndTime } from "/shared/time.js";

const paths = {
  approve: (item) => `/proposals/${encodeURIComponent(item.id)}/approve`,
  reject: (item) => `/proposals/${encodeURIComponent(item.id)}/reject`,
  repeat: (item) => `/effects/${encodeURIComponent(item.id)}/repeat`,
  "to-balance": (item) => `/effects/${encodeURIComponent(item.id)}/to-balance`,
};
const looks = { approve: "compact", reject: "danger compact", repeat: "compact", "to-balance": "second compact" };

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/// Taking back one's own is another thing to a person than rejecting a colleague's, though the server does the same.
function wordOf(verb, item) {
  return verb === "reject" && item.own ? "take_back" : verb.replace("-", "_");
}

function whatOf(item) {
  return item.what ?? (item.amount ? money(item.amount, item.currency) : item.detail);
}

function card(item, reload) {
  const fault = h("div", { role: "alert", testid: "work-fault" });
  const keys = {};
  const act = (verb) => async () => {
    const word = wordOf(verb, item);
    show(fault);
    const sure = await confirmDialog({
      title: t(`operator.sure.${word}`),
      text: whatOf(item),
      yes: t(`operator.do.${word}`),
      no: t("operator.not_now"),
      danger: verb === "reject",
    });
    if (!sure) return;
    keys[verb] ??= newKey();
    try {
      const { outcome } = await post(paths[verb](item), {}, keys[verb]);
      toast(t(`operator.outcome.${outcome === "proposed" ? "proposed" : word}`));
      await reload();
    } catch (error) {
      // An answer settles what became of this try; without one the same key asks again.
      if (error instanceof Problem) delete keys[verb];
      show(fault, notice("bad", h("p", {}, wordsFor(error))));
      if (error instanceof Problem && [404, 409].includes(error.status)) await reload(item.id, wordsFor(error));
    }
  };
  return h(
    "li",
    { class: "card stack", testid: "work", "data-work": item.id, "data-kind": item.kind },
    h("div", { class: "row apart wrap" }, h("h2", {}, tCode("work", item.kind, item.kind)), h("span", { class: "quiet small" }, dayAndTime(item.at))),
    h("p", { class: "strong work-what" }, whatOf(item)),
    facts(
      item.by && [t("operator.proposed_by"), item.own ? t("operator.you") : item.by],
      item.attempts !== undefined && [t("operator.attempts"), String(item.attempts)],
      item.payment && [t("operator.about"), h("a", { href: `#/payment/${encodeURIComponent(item.payment)}` }, item.payment)],
      [t("operator.id"), h("span", { class: "fixed" }, item.id)],
    ),
    fault,
    item.may.length > 0
      ? h("div", { class: "row wrap" }, item.may.map((verb) => actionButton(t(`operator.do.${wordOf(verb, item)}`), act(verb), { kind: looks[verb], testid: `work-${verb}` })))
      : h("p", { class: "quiet small" }, t(item.kind === "leg_unknown" ? "operator.ask_the_bank" : "operator.not_yours")),
    item.own && h("p", { class: "quiet small" }, t("operator.own_proposal")),
  );
}

export function worklistScreen(main) {
  const place = h("div", {}, loading());
  show(main, h("div", { class: "stack loose" }, h("h1", {}, t("operator.place.worklist")), place));
  const load = async (gone, why) => {
    try {
      const { data } = await get("/worklist");
      const stays = gone && data.some((item) => item.id === gone);
      show(
        place,
        h(
          "div",
          { class: "stack" },
          gone && !stays && notice("bad", h("p", {}, why)),
          data.length === 0 ? notice("good", h("p", {}, t("operator.worklist_empty"))) : h("ul", { class: "work-list", testid: "worklist" }, data.map((item) => card(item, load))),
        ),
      );
    } catch (error) {
      show(place, notice("bad", h("p", {}, wordsFor(error))), actionButton(t("action.try_again"), () => load(), { kind: "second" }));
    }
  };
  load();
}
