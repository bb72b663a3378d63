// The document that the payer's device signs: exactly what was shown, nothing else.
//
// Invariant: the text that is signed is the text that is sent, byte for byte. Each field comes from the prompt on the screen;
// nothing is fetched between showing and signing.

import { call, thisDevice } from "/phone/api.js";
import { sign } from "/phone/keys.js";

const actions = { payment: "approve_payment", mandate: "approve_mandate", device: "approve_device" };

function documentOf(prompt, matchCode) {
  return {
    type: "paytone.approval",
    version: 1,
    action: actions[prompt.kind],
    id: prompt.kind === "device" ? prompt.device.id : prompt.id,
    merchant: prompt.merchant?.id ?? null,
    merchant_name: prompt.merchant?.name ?? null,
    amount: prompt.amount ?? null,
    currency: prompt.currency ?? null,
    purpose: prompt.purpose ?? null,
    for: prompt.for ?? null,
    asker_name: prompt.asker_name ?? null,
    mandate: prompt.mandate ?? null,
    payer: prompt.payer,
    device: thisDevice().device,
    deadline: prompt.deadline ?? null,
    origin: location.origin,
    match_code: matchCode,
  };
}

/// Signs and sends the approval. Returns the server's answer; a refusal is thrown as a Problem.
export async function approve(prompt, matchCode, pin) {
  const document = JSON.stringify(documentOf(prompt, matchCode));
  const signature = await sign(thisDevice().privateKey, `paytone.approval.v1\n${document}`);
  const path = prompt.kind === "device" ? `/devices/${prompt.device.id}/approve` : `/prompts/${prompt.id}/approve`;
  return call("POST", path, { document, signature, pin });
}

export function refuse(prompt, report) {
  return prompt.kind === "device"
    ? call("POST", `/devices/${prompt.device.id}/stop`, {})
    : call("POST", `/prompts/${prompt.id}/refuse`, { report });
}
