// The first scene: a phone is held to a till, and the terminal prints "approved".

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { assertNoSidewaysScroll, Browser, picture } from "./support/browser.js";
import { Demo } from "./support/demo.js";
import { Phone } from "./support/phone.js";

let demo;
let browser;
/// Stays open from test to test.
let phone;

before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), Browser.start()]);
});
after(async () => {
  await Promise.all([browser?.stop(), demo?.remove()]);
});
afterEach(() => browser.assertQuiet());

async function till(name, options) {
  const page = await browser.person(name, options);
  await page.goto(`${demo.base}/till`);
  await page.getByTestId("reader").waitFor();
  return page;
}

async function becomes(page, state) {
  await page.locator(`[data-testid=reader][data-state=${state}]`).waitFor();
}

test("a tap prints a receipt, the phone shows it with the store's name, and it can be taken back", async () => {
  const holder = demo.holder("everything");
  phone = new Phone(await browser.person("phone"), demo.base, holder.number);
  await phone.enrol();
  const page = await till("till");
  await page.getByTestId(`phone-${holder.number}`).click();
  await page.getByTestId("sum-12.50").click();
  await picture(page, "till-ready");
  await page.getByTestId("reader").click();
  await becomes(page, "approved");
  const receipt = await page.getByTestId("receipt").innerText();
  assert.match(receipt, /12\.50/);
  assert.match(receipt, /TILL0001/);
  assert.match(receipt, /issuer’s own cryptogram/);
  await picture(page, "till-approved");
  await assertNoSidewaysScroll(page);
  await phone.page.getByText("Morning Mart").first().waitFor();
  await picture(phone.page, "till-phone");
  await page.getByTestId("till-reverse").click();
  await becomes(page, "reversed");
});

test("above the tap limit the till waits until the phone has answered, in the reader's language", async () => {
  const page = await till("till in Chinese", { language: "zh-CN", dark: true });
  await page.getByTestId(`phone-${phone.number}`).click();
  await page.getByTestId("sum-368.00").click();
  await page.getByTestId("reader").click();
  await becomes(page, "asking");
  await picture(page, "till-asking");
  await phone.prompt();
  await picture(phone.page, "till-prompt");
  await phone.at("prompt-continue").click();
  await phone.typePin();
  await becomes(page, "approved");
  await picture(page, "till-approved-dark");
});

test("a phone whose SIM was changed today is declined, and the till says no more than it may", async () => {
  const holder = demo.holder("sim_change");
  const page = await till("till once more");
  await page.getByTestId(`phone-${holder.number}`).click();
  await page.getByTestId("reader").click();
  await becomes(page, "declined");
  assert.match(await page.getByTestId("why").innerText(), /may not pay at the moment/);
});
