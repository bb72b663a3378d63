// The pages as pages: what is pending is there on reopening, a lost network is told and mended, the phone can be installed,
// nothing is wider than a phone, and a restart of the server goes unnoticed.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser, assertNoSidewaysScroll } from "./support/browser.js";
import { Demo } from "./support/demo.js";
import { Phone } from "./support/phone.js";
import { Shop } from "./support/shop.js";

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

async function phoneOf(note, options) {
  const phone = new Phone(await browser.person("phone", options), demo.base, demo.holder(note).number);
  await phone.enrol();
  return phone;
}

test("a request that waits is there when the phone is opened again", async () => {
  const phone = await phoneOf("everything");
  const context = phone.page.context();
  await phone.page.close();
  const web = new Shop(await browser.person("shop"), demo.base);
  await web.buy("paper-cranes", phone.number);
  const code = await web.matchCode();

  const again = new Phone(await context.newPage(), demo.base, phone.number);
  await again.open();
  await again.prompt();
  // Put off, it is still one tap away, also after a reload.
  await again.at("prompt-later").click();
  await again.at("open-requests").waitFor();
  await again.page.reload();
  await again.approve(code);
  await again.result("paid");
  await web.status("captured");
});

test("without a network the phone says so, opens from its own copy, and catches up when the network is back", async () => {
  const phone = await phoneOf("voucher");
  const context = phone.page.context();
  await phone.page.evaluate(() => navigator.serviceWorker.ready);
  await phone.page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await context.setOffline(true);
  await phone.page.reload();
  await phone.at("try-again").waitFor();

  const web = new Shop(await browser.person("shop"), demo.base);
  await web.buy("paper-cranes", phone.number);
  const code = await web.matchCode();
  await context.setOffline(false);
  await phone.at("try-again").click();
  await phone.approve(code);
  await phone.result("paid");
  await web.status("captured");
});

test("a phone that is open hears of a request after the server was restarted", async () => {
  const phone = await phoneOf("welfare");
  const { host } = new URL(demo.base);
  assert.equal(await demo.end(), 0, "Ctrl-C ends it cleanly");
  await phone.at("offline").waitFor();
  await demo.run(host);
  const web = new Shop(await browser.person("shop"), demo.base);
  await web.buy("paper-cranes", phone.number);
  await phone.approve(await web.matchCode());
  await phone.result("paid");
  await web.status("captured");
});

test("the phone is installable", async () => {
  const phone = await phoneOf("bill");
  const session = await phone.page.context().newCDPSession(phone.page);
  const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
  // A private window can never install; that is about this test's window and not about the page.
  const errors = installabilityErrors.map((error) => error.errorId).filter((id) => id !== "in-incognito");
  assert.deepEqual(errors, []);
  const { data } = await session.send("Page.getAppManifest");
  const manifest = JSON.parse(data);
  assert.equal(manifest.display, "standalone");
  assert.equal(manifest.scope, "/phone/");
  const scope = await phone.page.evaluate(async () => (await navigator.serviceWorker.ready).scope);
  assert.equal(new URL(scope).pathname, "/phone/");
});

test("nothing is wider than a phone of 390 px, and every page keeps its policy", async () => {
  const phone = await phoneOf("bank", { touch: true });
  await assertNoSidewaysScroll(phone.page);
  for (const tab of ["history", "mandates", "settings"]) {
    await phone.goTo(tab);
    await phone.page.locator("main h1").waitFor();
    await assertNoSidewaysScroll(phone.page);
  }
  const web = new Shop(await browser.person("shop", { touch: true }), demo.base);
  for (const address of ["/", "/shop", "/shop/checkout?item=river-atlas", "/shop/checkout?item=none", "/reference/", "/operator/"]) {
    await web.page.goto(demo.base + address);
    await web.page.getByRole("main").waitFor();
    await web.page.waitForFunction(() => document.querySelector("main .spinner") === null);
    await assertNoSidewaysScroll(web.page);
  }
  await web.buy("paper-cranes", phone.number, "A name that is as long as a name may be.");
  await assertNoSidewaysScroll(web.page);
  await phone.prompt();
  await assertNoSidewaysScroll(phone.page);
  await phone.chooseCode(await web.matchCode());
  await assertNoSidewaysScroll(phone.page);
  await phone.typePin();
  await phone.result("paid");
  await assertNoSidewaysScroll(phone.page);
  await web.status("captured");
  await assertNoSidewaysScroll(web.page);
});

test("every page answers with a policy that lets nothing foreign in", async () => {
  for (const address of ["/", "/shop", "/phone/", "/operator/", "/reference/"]) {
    const answer = await fetch(demo.base + address);
    assert.equal(answer.status, 200, address);
    const policy = answer.headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'|default-src 'self'/, address);
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval|\*/, address);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff", address);
  }
});
