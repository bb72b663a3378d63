// The phones of this number: which there are, letting a new one in, stopping a recovery, removing one.

import { account, changes, openPrompts, refreshMe, refreshPrompts } from "/phone/account.js";
import { call } from "/phone/api.js";
import { h } from "/shared/dom.js";
import { t } from "/shared/messages.js";
import { actionButton, confirmDialog, icon, notice, statusChip, toast } from "/shared/parts.js";
import { wordsFor } from "/shared/request.js";
import { dayAndTime } from "/shared/time.js";

export function deviceList() {
  const devices = account.me.devices.filter((device) => device.status !== "removed");
  return h("ul", { class: "rows", testid: "devices" }, devices.map((device) => row(device)));
}

function row(device) {
  const pending = device.status !== "active";
  return h(
    "li",
    { testid: "device", "data-device": device.id },
    h(
      "div",
      { class: "line" },
      icon("phone", 24),
      h("span", { class: "grow" }, h("span", { class: "strong" }, device.label), device.this && h("span", { class: "quiet" }, ` · ${t("devices.this")}`), h("br", {}), h("span", { class: "quiet small" }, t("devices.since", { moment: dayAndTime(device.created_at) }))),
      statusChip(device.status),
    ),
    device.status === "recovering" && h("div", { class: "inset" }, notice("bad", h("p", { class: "small" }, device.active_from ? t("devices.recovering", { moment: dayAndTime(device.active_from) }) : t("devices.recovering_soon")))),
    !device.this &&
      h(
        "div",
        { class: "inset row wrap" },
        device.status === "awaiting_approval" && actionButton(t("devices.approve"), () => openApproval(device), { kind: "compact", testid: "device-approve" }),
        actionButton(t(pending ? "devices.stop" : "devices.remove"), () => stop(device, pending), { kind: "danger compact", testid: "device-stop" }),
      ),
  );
}

/// A phone is let in through its prompt, the same as when it popped up.
async function openApproval(device) {
  try {
    await refreshPrompts();
    const prompt = openPrompts().find((candidate) => candidate.device?.id === device.id);
    if (prompt) changes.dispatchEvent(new CustomEvent("wanted", { detail: prompt.id }));
    else toast(t("devices.no_request"));
  } catch (error) {
    toast(wordsFor(error));
  }
}

async function stop(device, pending) {
  const sure =
    pending ||
    (await confirmDialog({ title: t("devices.remove_title", { label: device.label }), text: t("devices.remove_text"), yes: t("devices.remove"), danger: true }));
  if (!sure) return;
  try {
    await call("POST", `/devices/${device.id}/stop`, {});
    await refreshMe();
  } catch (error) {
    toast(wordsFor(error));
  }
}
