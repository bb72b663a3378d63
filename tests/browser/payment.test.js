// The second scene, end to end: a number is typed at a checkout, that number's phone asks its holder, the shop knows at once.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser } from "./support/browser.js";
import { Demo } from "./support/demo.js";
import { Phone, pin } from "./support/phone.js";
import { Shop } from "./support/shop.js";

const desk = { size: { width: 1100, height: 900 } };
let demo;
let browser;

before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), Browser.start()]);
});
after(async () => {
  await Promise.all([browser?.stop(), demo?.remove()]);
});
afterEach(() => browser.assertQuiet());

const phones = new Map();

/// One phone per holder, which stays open from test to test.
async function phoneOf(note) {
  if (!phones.has(note)) {
    const phone = new Phone(await browser.person(`phone of ${note}`), demo.base, demo.holder(note).number);
    await phone.enrol();
    phones.set(note, phone);
  }
  const phone = phones.get(note);
  await phone.goTo("home");
  return phone;
}

async function shop() {
  return new Shop(await browser.person("shop", desk), demo.base);
}

test("a payment by my own number is approved on the phone and the shop turns to paid by itself", async () => {
  const phone = await phoneOf("everything");
  // The page itself writes down when the request appeared, so that what is measured is not how fast this test looks.
  await phone.page.evaluate(() => {
    new MutationObserver((_, observer) => {
      const prompt = document.querySelector("[data-testid=prompt][open]");
      if (!prompt) return;
      window.promptShown = Date.now();
      observer.disconnect();
    }).observe(document.body, { childList: true, subtree: true, attributes: true });
  });
  const web = await shop();
  await web.buy("river-atlas", phone.number);
  await web.status("awaiting_approval");
  const id = await phone.prompt();
  const { payment } = await web.order();
  assert.equal(payment.id, id);
  const took_ms = (await phone.page.evaluate(() => window.promptShown)) - Date.parse(payment.created_at);
  assert.ok(took_ms < 1000, `the request took ${took_ms} ms to appear`);

  assert.match(await phone.at("prompt-amount").textContent(), /128\.00/);
  assert.match(await phone.at("prompt-merchant").textContent(), /\S/);
  assert.match(await phone.at("prompt-purpose").textContent(), /\S/);
  assert.equal(await phone.at("prompt-asker").count(), 0);
  const code = await web.matchCode();
  const shown = await phone.shownCodes();
  assert.equal(shown.length, 3);
  assert.equal(new Set(shown).size, 3);
  assert.ok(shown.includes(code), `${code} is among ${shown}`);

  await phone.approve(code);
  await phone.result("paid");
  await web.status("captured");
  await web.at("order-paid").waitFor();
  await phone.done();

  await phone.goTo("history");
  await phone.historyItem(id).click();
  await phone.at("legs").waitFor();
  assert.ok((await phone.at("legs").locator("li").count()) > 0);
  assert.ok((await phone.at("timeline").locator("li").count()) >= 2);
  assert.match(await phone.page.getByRole("main").textContent(), new RegExp(id));
});

test("a request for somebody else names the asker as unverified, and is approved", async () => {
  const phone = await phoneOf("voucher");
  const web = await shop();
  await web.buy("tea-year", phone.number, "Niece Lan");
  await phone.prompt();
  assert.equal((await phone.at("prompt-asker").textContent()).trim(), "Niece Lan");
  await phone.at("prompt-unverified").waitFor();
  await phone.approve(await web.matchCode());
  await phone.result("paid");
  await web.status("captured");
  await phone.done();
});

test("a request is refused and the shop is told so", async () => {
  const phone = await phoneOf("welfare");
  const web = await shop();
  await web.buy("paper-cranes", phone.number, "Somebody");
  await phone.prompt();
  await phone.at("prompt-refuse").click();
  await phone.result("refused");
  await web.status("refused");
  await web.at("order-refused").waitFor();
  await phone.done();
});

test("a merchant that was reported reaches this phone no more and learns nothing of it", async () => {
  const phone = await phoneOf("bank");
  const web = await shop();
  await web.buy("paper-cranes", phone.number, "Somebody");
  await phone.prompt();
  await phone.at("prompt-report").click();
  await phone.at("dialog-yes").click();
  await phone.result("reported");
  await web.status("refused");
  await phone.done();

  await web.buy("paper-cranes", phone.number);
  await web.status("awaiting_approval");
  assert.match(await web.matchCode(), /^\d{2}$/);
  await phone.goTo("settings");
  await phone.at("unblock").waitFor();
  await phone.page.reload();
  await phone.at("unblock").waitFor();
  assert.equal(await phone.at("prompt").count(), 0);
  assert.equal(await phone.at("open-requests").count(), 0);
  await phone.at("unblock").click();
  await phone.at("blocked").waitFor({ state: "detached" });
});

test("a wrong code ends the payment", async () => {
  const phone = await phoneOf("bill");
  const web = await shop();
  await web.buy("paper-cranes", phone.number);
  await phone.prompt();
  const right = await web.matchCode();
  const wrong = (await phone.shownCodes()).find((code) => code !== right);
  await phone.chooseCode(wrong);
  await phone.typePin();
  await phone.result("wrong_code");
  await web.status("refused");
  await phone.done();
});

test("a wrong PIN is counted and does not end the payment", async () => {
  const phone = await phoneOf("welfare");
  const web = await shop();
  await web.buy("paper-cranes", phone.number);
  await phone.approve(await web.matchCode(), "918273");
  await phone.page.waitForFunction(() => /4/.test(document.querySelector("[data-testid=pin-fault]")?.textContent ?? ""));
  await phone.typePin(pin);
  await phone.result("paid");
  await web.status("captured");
  await phone.done();
});

test("not enough money keeps the request open while the order of sources is changed", async () => {
  const phone = await phoneOf("little");
  const web = await shop();
  await web.buy("river-atlas", phone.number);
  await phone.approve(await web.matchCode());
  await phone.result("insufficient_funds");
  await web.status("awaiting_approval");
  await phone.at("result-sources").click();
  const order = () => phone.at("sources").locator("li").evaluateAll((rows) => rows.map((row) => row.dataset.source));
  const [first, second] = await order();
  await phone.at(`source-down-${first}`).click();
  await phone.page.waitForFunction((wanted) => document.querySelector("[data-testid=sources] li")?.dataset.source === wanted, second);
  assert.deepEqual((await order()).slice(0, 2), [second, first]);
  await phone.at("open-requests").click();
  await phone.prompt();
  await phone.at("prompt-refuse").click();
  await phone.result("refused");
  await web.status("refused");
});

test("the shopper cancels and the request leaves the phone", async () => {
  const phone = await phoneOf("bill");
  const web = await shop();
  await web.buy("paper-cranes", phone.number);
  await phone.prompt();
  await web.at("order-cancel").click();
  await web.at("dialog-yes").click();
  await web.status("cancelled");
  await phone.result("cancelled");
  await phone.done();
});

test("money from a bank account is asked for while the shop waits", async () => {
  const phone = await phoneOf("bank");
  const web = await shop();
  await web.buy("river-atlas", phone.number);
  const id = await phone.prompt();
  await phone.approve(await web.matchCode());
  await phone.result("paid");
  await web.status("captured");
  await phone.done();
  await phone.goTo("history");
  await phone.historyItem(id).click();
  await phone.at("legs").waitFor();
  assert.match(await phone.at("legs").textContent(), /bank/i);
});

test("a stranger's number looks at the checkout like a payer who does not answer", async () => {
  const phone = await phoneOf("bill");
  const silent = await shop();
  const stranger = await shop();
  await silent.buy("moon-garden", phone.number, "Somebody");
  await stranger.buy("moon-garden", "+86 138 0013 8999", "Somebody");
  const [one, other] = await Promise.all([silent.order(), stranger.order()]);
  // Names and times differ from payment to payment; which fields there are, and everything else, must not.
  const alike = ({ payment }) => ({ ...payment, id: "", match_code: typeof payment.match_code, created_at: "", deadline: Date.parse(payment.deadline) - Date.parse(payment.created_at), reference: "" });
  assert.deepEqual(alike(other), alike(one));
  const words = async (web) => (await web.at("order").textContent()).replaceAll(/pay_\w+|\d+:\d\d|\d{2}/g, "");
  assert.equal(await words(stranger), await words(silent));
  await silent.at("order-cancel").click();
  await silent.at("dialog-yes").click();
  await stranger.at("order-cancel").click();
  await stranger.at("dialog-yes").click();
  await Promise.all([silent.status("cancelled"), stranger.status("cancelled")]);
});
