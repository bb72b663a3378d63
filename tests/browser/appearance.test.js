// Pictures of what people see, in both languages and both colour schemes, kept in `test-results/`.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser, assertNoSidewaysScroll, picture } from "./support/browser.js";
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

const looks = [
  { name: "en-light", language: "en-US", dark: false, holder: "everything", asker: "Niece Lan" },
  { name: "en-dark", language: "en-US", dark: true, holder: "welfare", asker: "Niece Lan" },
  { name: "zh-light", language: "zh-CN", dark: false, holder: "bill", asker: "侄女小兰" },
  { name: "zh-dark", language: "zh-CN", dark: true, holder: "bank", asker: "侄女小兰" },
];

for (const look of looks) {
  test(`shop, phone and operator are pictured: ${look.name}`, async () => {
    const desk = { size: { width: 1280, height: 860 }, language: look.language, dark: look.dark };
    const phone = new Phone(await browser.person("phone", { language: look.language, dark: look.dark }), demo.base, demo.holder(look.holder).number);
    await phone.open();
    await phone.at("enrol-send").waitFor();
    await picture(phone.page, `phone-enrol-${look.name}`);
    await phone.enrol();
    await phone.at("history-list").waitFor();
    await picture(phone.page, `phone-home-${look.name}`);

    const web = new Shop(await browser.person("shop", desk), demo.base);
    await web.page.goto(`${demo.base}/shop`);
    await web.at("catalogue").waitFor();
    await picture(web.page, `shop-shelf-${look.name}`);
    await web.at("buy-river-atlas").click();
    await web.fill(phone.number, look.asker);
    await picture(web.page, `shop-checkout-${look.name}`);
    await web.at("checkout-pay").click();
    const code = await web.matchCode();
    await picture(web.page, `shop-waiting-${look.name}`);

    await phone.prompt();
    await picture(phone.page, `phone-prompt-${look.name}`);
    await phone.chooseCode(code);
    await picture(phone.page, `phone-pin-${look.name}`);
    await phone.typePin();
    await phone.result("paid");
    await picture(phone.page, `phone-paid-${look.name}`);
    await web.status("captured");
    await picture(web.page, `shop-paid-${look.name}`);
    await phone.done();
    await phone.goTo("history");
    await phone.historyItem((await web.order()).payment.id).waitFor();
    await picture(phone.page, `phone-history-${look.name}`);
    await phone.historyItem((await web.order()).payment.id).click();
    await phone.at("timeline").waitFor();
    await picture(phone.page, `phone-payment-${look.name}`);
    await phone.goTo("settings");
    await phone.at("sources").waitFor();
    await picture(phone.page, `phone-settings-${look.name}`);

    const operator = await browser.person("operator", desk);
    await operator.goto(`${demo.base}/operator/`);
    await operator.getByTestId("sign-in-name").fill(demo.world.operator.name);
    await operator.getByTestId("sign-in-password").fill(demo.world.operator.password);
    await operator.getByTestId("sign-in").click();
    await operator.getByTestId("payments-today").waitFor();
    await operator.waitForFunction(() => document.querySelector("[data-testid=chart]")?.naturalWidth > 0);
    await picture(operator, `operator-overview-${look.name}`);
    const front = await browser.person("front door", desk);
    await front.goto(`${demo.base}/`);
    await front.getByTestId("demo-shop").waitFor();
    await picture(front, `front-door-${look.name}`);
    await front.goto(`${demo.base}/reference/`);
    await front.waitForFunction(() => document.querySelector("main .spinner") === null);
    await picture(front, `reference-${look.name}`);
    await assertNoSidewaysScroll(front);

    // A page in one language has no text of the other's and no key that has no text.
    const texts = await phone.page.locator("main").textContent();
    assert.doesNotMatch(texts, /\b[a-z_]+\.[a-z_]+\b/);
  });
}
