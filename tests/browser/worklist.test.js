// What waits for a second person, decided from the operator's page.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser, assertNoSidewaysScroll, picture } from "./support/browser.js";
import { Demo } from "./support/demo.js";

let demo;
let browser;

before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), Browser.start()]);
});
after(async () => {
  await Promise.all([browser?.stop(), demo?.remove()]);
});
afterEach(async () => {
  await browser.leave();
  browser.assertQuiet();
});

async function worklistOf(operator, options = { size: { width: 1280, height: 900 } }) {
  const page = await browser.person(operator.name, options);
  await page.goto(`${demo.base}/operator/`);
  await page.getByTestId("sign-in-name").fill(operator.name);
  await page.getByTestId("sign-in-password").fill(operator.password);
  await page.getByTestId("sign-in").click();
  await page.getByTestId("payments-today").waitFor();
  await page.getByTestId("place-worklist").click();
  await page.waitForFunction(() => document.querySelector("main .spinner") === null);
  return page;
}

/// Asks for money on somebody's balance, which takes two people. Returns the proposal's id.
async function adjust(operator, note, amount, reason) {
  const token = await demo.signIn(operator);
  const path = `/admin/api/subscribers/${encodeURIComponent(demo.holder(note).number)}/adjust`;
  const asked = await demo.send("POST", path, { amount, reason }, token);
  assert.equal(asked.outcome, "proposed");
  return asked.proposal;
}

async function balanceOf(note) {
  const token = await demo.signIn(demo.world.operators[0]);
  const path = `${demo.base}/admin/api/subscribers/${encodeURIComponent(demo.holder(note).number)}`;
  const answer = await fetch(path, { headers: { authorization: `Bearer ${token}` } });
  return Number((await answer.json()).balance.available);
}

const cardOf = (page, id) => page.locator(`[data-testid=work][data-work=${id}]`);

test("a colleague's proposal is approved or rejected from the page, one's own only taken back", async () => {
  const [mei, hao] = demo.world.operators;
  const before = await balanceOf("everything");
  const [taken, refused] = [await adjust(mei, "everything", "12.00", "an apology"), await adjust(mei, "everything", "99.00", "a slip")];
  const own = await adjust(hao, "everything", "7.00", "his own idea");
  const page = await worklistOf(hao);

  await cardOf(page, own).getByTestId("work-reject").waitFor();
  assert.equal(await cardOf(page, own).getByTestId("work-approve").count(), 0, "nobody is the second person to themselves");
  assert.match(await cardOf(page, taken).textContent(), /12\.00.*an apology/s);
  await picture(page, "operator-worklist");

  await cardOf(page, taken).getByTestId("work-approve").click();
  await page.getByTestId("dialog-no").click();
  assert.equal(await balanceOf("everything"), before, "who does not confirm has decided nothing");
  await cardOf(page, taken).getByTestId("work-approve").click();
  await page.getByTestId("dialog-yes").click();
  await cardOf(page, taken).waitFor({ state: "detached" });
  assert.equal(await balanceOf("everything"), before + 12);

  for (const id of [refused, own]) {
    await cardOf(page, id).getByTestId("work-reject").click();
    await page.getByTestId("dialog-yes").click();
    await cardOf(page, id).waitFor({ state: "detached" });
  }
  assert.equal(await balanceOf("everything"), before + 12);
});

test("what a colleague decided meanwhile is said, and is gone from the list", async () => {
  const [mei, hao] = demo.world.operators;
  const id = await adjust(mei, "welfare", "3.00", "twice decided");
  const page = await worklistOf(hao);
  await cardOf(page, id).waitFor();
  await demo.send("POST", `/admin/api/proposals/${id}/reject`, {}, await demo.signIn(mei));
  await cardOf(page, id).getByTestId("work-approve").click();
  await page.getByTestId("dialog-yes").click();
  await page.getByRole("main").getByRole("alert").first().waitFor();
  await cardOf(page, id).waitFor({ state: "detached" });
});

test("an answer that was lost is asked for again under the same key", async () => {
  const [mei, hao] = demo.world.operators;
  const before = await balanceOf("voucher");
  const id = await adjust(mei, "voucher", "5.00", "once only");
  const page = await worklistOf(hao);
  const keys = [];
  await page.route(`**/admin/api/proposals/${id}/approve`, async (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    // It is done, and nobody here hears of it.
    if (keys.length === 1) {
      await route.fetch();
      await route.abort();
    } else {
      await route.continue();
    }
  });
  for (let tries = 0; tries < 2; tries += 1) {
    await cardOf(page, id).getByTestId("work-approve").click();
    await page.getByTestId("dialog-yes").click();
    if (tries === 0) await cardOf(page, id).getByTestId("work-fault").getByRole("alert").waitFor();
  }
  await cardOf(page, id).waitFor({ state: "detached" });
  assert.equal(keys.length, 2);
  assert.match(keys[0], /^[0-9a-f]{32}$/);
  assert.equal(keys[0], keys[1]);
  assert.equal(await balanceOf("voucher"), before + 5);
});

test("money that a bank would not take back is settled from the page", async () => {
  const page = await browser.person("mei", { size: { width: 390, height: 844 } });
  const stuck = { kind: "reversal_pending", id: "eff_one", at: new Date().toISOString(), amount: "60.00", currency: "CNY", attempts: 3, payment: "pay_one", may: ["repeat", "to-balance"], detail: "60.00 CNY to go back; eff_one" };
  const unknown = { ...stuck, kind: "leg_unknown", id: "eff_two", may: [] };
  const asked = [];
  // What the bank did is not for this page to make; what is asked of the server is.
  await page.route("**/admin/api/worklist", (route) => route.fulfill({ json: { data: asked.length > 0 ? [unknown] : [stuck, unknown] } }));
  await page.route("**/admin/api/effects/**", (route) => {
    asked.push(new URL(route.request().url()).pathname);
    return route.fulfill({ status: 202, json: { outcome: "proposed", proposal: "prp_one" } });
  });
  const [mei] = demo.world.operators;
  await page.goto(`${demo.base}/operator/`);
  await page.getByTestId("sign-in-name").fill(mei.name);
  await page.getByTestId("sign-in-password").fill(mei.password);
  await page.getByTestId("sign-in").click();
  await page.getByTestId("place-worklist").click();
  await cardOf(page, "eff_one").getByTestId("work-repeat").waitFor();
  await assertNoSidewaysScroll(page);
  await picture(page, "operator-worklist-phone");
  assert.equal(await cardOf(page, "eff_two").getByRole("button").count(), 0);
  await cardOf(page, "eff_one").getByTestId("work-to-balance").click();
  await page.getByTestId("dialog-yes").click();
  await cardOf(page, "eff_one").waitFor({ state: "detached" });
  assert.deepEqual(asked, ["/admin/api/effects/eff_one/to-balance"]);
});
