// The demo under the machine's other name: whoever types localhost instead of the printed address is not turned away.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser } from "./support/browser.js";
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

test("a phone opened under the machine's other name is set up and pays", async () => {
  const elsewhere = demo.base.replace("127.0.0.1", "localhost");
  const phone = new Phone(await browser.person("phone"), elsewhere, demo.holder("bill").number);
  await phone.enrol();
  assert.equal(new URL(phone.page.url()).hostname, "localhost");
  const web = new Shop(await browser.person("shop"), elsewhere);
  await web.buy("paper-cranes", phone.number);
  await phone.approve(await web.matchCode());
  await phone.result("paid");
  await web.status("captured");
});
