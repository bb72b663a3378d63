// A cashier scans the one-time code that a phone shows: once, also when the phone has no network.

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

async function scan(page, code) {
  await page.goto(`${demo.base}/till`);
  await page.getByTestId("till-code").fill(code);
  await page.getByTestId("till-scan").click();
}

async function becomes(page, state) {
  await page.locator(`[data-testid=reader][data-state=${state}]`).waitFor();
}

function shown(phone) {
  return phone.at("pay-digits").getAttribute("data-code");
}

test("a scanned code is paid once, the phone says so and shows another one", async () => {
  phone = new Phone(await browser.person("phone"), demo.base, demo.holder("everything").number);
  await phone.enrol();
  await phone.goTo("pay");
  const code = await shown(phone);
  assert.match(code, /^28\d{18}$/);
  await assertNoSidewaysScroll(phone.page);
  await picture(phone.page, "pay-code");
  const page = await browser.person("till");
  await scan(page, code);
  await becomes(page, "approved");
  await picture(page, "till-scanned");
  await phone.at("pay-paid").waitFor();
  await phone.page.locator(`[data-testid=pay-digits]:not([data-code="${code}"])`).waitFor();
  await scan(page, code);
  await becomes(page, "declined");
});
