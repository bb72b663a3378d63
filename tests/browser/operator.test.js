// The operator's pages: sign-in, what happened today, and one payment with its whole timeline.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser, assertNoSidewaysScroll } from "./support/browser.js";
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

async function signIn(size = { width: 1280, height: 900 }) {
  const page = await browser.person("operator", { size });
  await page.goto(`${demo.base}/operator/`);
  await page.getByTestId("sign-in-name").fill(demo.world.operator.name);
  await page.getByTestId("sign-in-password").fill(demo.world.operator.password);
  await page.getByTestId("sign-in").click();
  await page.getByTestId("payments-today").waitFor();
  return page;
}

test("a wrong password and an unknown name are refused alike", async () => {
  const page = await browser.person("operator");
  await page.goto(`${demo.base}/operator/`);
  const words = [];
  for (const name of [demo.world.operator.name, "nobody"]) {
    await page.getByTestId("sign-in-name").fill(name);
    await page.getByTestId("sign-in-password").fill("not the password");
    await page.getByTestId("sign-in").click();
    await page.waitForFunction(() => (document.querySelector("[data-testid=sign-in-fault]")?.textContent ?? "") !== "");
    words.push(await page.getByTestId("sign-in-fault").textContent());
  }
  assert.equal(words[0], words[1]);
});

test("the overview shows today's figures and a picture of the day", async () => {
  const page = await signIn();
  assert.match(await page.getByTestId("captured-amount").textContent(), /\d+\.\d\d/);
  assert.ok(Number((await page.getByTestId("payments-today").locator(".value").textContent()).replaceAll(/\D/g, "")) > 0);
  await page.waitForFunction(() => {
    const chart = document.querySelector("[data-testid=chart]");
    return chart?.complete && chart.naturalWidth > 0;
  });
  assert.ok((await page.getByTestId("payment-row").count()) > 0);
});

test("a payment shows its whole timeline with who caused each step", async () => {
  const page = await signIn();
  await page.getByTestId("place-payments").click();
  await page.getByRole("link", { name: "Paid", exact: true }).click();
  await page.getByTestId("payment-row").first().getByRole("link").click();
  await page.getByTestId("payment").waitFor();
  const steps = await page.getByTestId("timeline").locator("li").allTextContents();
  assert.ok(steps.length >= 3, `${steps}`);
  for (const step of steps) assert.match(step, /by \S/);
});

test("a subscriber is found by number, and merchants, worklist and rules are there", async () => {
  const page = await signIn();
  await page.getByTestId("search").fill(demo.holder("bill").number);
  await page.getByTestId("search-go").click();
  await page.getByRole("main").getByText(demo.holder("bill").name).first().waitFor();
  for (const [place, table] of [["merchants", "merchants"], ["rules", "rules"]]) {
    await page.getByTestId(`place-${place}`).click();
    await page.getByTestId(table).locator("tbody tr").first().waitFor();
  }
  await page.getByTestId("rules").getByText("prompt_seconds", { exact: true }).waitFor();
  await page.getByTestId("place-worklist").click();
  await page.waitForFunction(() => document.querySelector("main .spinner") === null);
});

test("the operator's pages fit a phone and keep the session over a reload", async () => {
  const page = await signIn({ width: 390, height: 844 });
  await assertNoSidewaysScroll(page);
  for (const place of ["payments", "merchants", "worklist", "rules"]) {
    await page.getByTestId(`place-${place}`).click();
    await page.waitForFunction(() => document.querySelector("main .spinner") === null);
    await assertNoSidewaysScroll(page);
  }
  await page.reload();
  await page.getByTestId("operator-name").waitFor();
  await page.getByTestId("sign-out").click();
  await page.getByTestId("sign-in").waitFor();
});
