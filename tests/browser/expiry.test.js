// Nobody answers in time: phone and shop both say so by themselves, and it looks the same when nobody was asked at all.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser } from "./support/browser.js";
import { Demo } from "./support/demo.js";
import { Phone } from "./support/phone.js";
import { Shop } from "./support/shop.js";

// The shortest that the rule may be; everything here waits for it once.
const prompt_seconds = 30;
let demo;
let browser;

before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), Browser.start()]);
  await demo.setRule("prompt_seconds", prompt_seconds);
});
after(async () => {
  await Promise.all([browser?.stop(), demo?.remove()]);
});

test("a request that nobody answers expires on phone and shop, also where it reached nobody", async () => {
  const phone = new Phone(await browser.person("phone"), demo.base, demo.holder("everything").number);
  await phone.enrol();
  const orders = [];
  // One who is asked, one whose number is too young to be asked, and one who is nobody.
  for (const number of [phone.number, demo.holder("young_number").number, "+86 138 0013 8999"]) {
    const web = new Shop(await browser.person("shop"), demo.base);
    await web.buy("paper-cranes", number);
    await web.status("awaiting_approval");
    orders.push(web);
  }
  await phone.prompt();
  for (const { page } of [phone, ...orders]) page.setDefaultTimeout(2 * prompt_seconds * 1000);
  await phone.result("expired");
  for (const web of orders) await web.status("expired");
  const words = await Promise.all(orders.map(async (web) => (await web.at("order").textContent()).replace(/pay_\w+/, "")));
  assert.equal(words[1], words[0]);
  assert.equal(words[2], words[0]);
  await phone.done();
  await phone.goTo("history");
  await phone.historyItem((await orders[0].order()).payment.id).waitFor();
  browser.assertQuiet();
});
