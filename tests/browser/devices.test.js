// Further phones of one number: let in by the first, or recovered, which every other phone hears of and can stop.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser, picture } from "./support/browser.js";
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

async function phoneOf(note, name) {
  return new Phone(await browser.person(name), demo.base, demo.holder(note).number);
}

test("a second phone is let in by the first with its PIN, and then approves payments", async () => {
  const first = await phoneOf("everything", "first phone");
  await first.enrol();
  const second = await phoneOf("everything", "second phone");
  await second.prove();
  await second.at("further-approve").click();
  await second.typePin();
  await second.at("awaiting-approval").waitFor();

  await first.prompt();
  await first.at("prompt-device").waitFor();
  await first.at("prompt-continue").click();
  await first.typePin();
  await first.result("device");
  await first.done();
  await second.at("home").waitFor();

  const web = new Shop(await browser.person("shop"), demo.base);
  await web.buy("paper-cranes", second.number);
  const code = await web.matchCode();
  await Promise.all([first.prompt(), second.prompt()]);
  await second.approve(code);
  await second.result("paid");
  await web.status("captured");
  // The other phone of the same payer is told that the request is over.
  await first.result("paid");
});

test("a phone that the first one stops never gets in", async () => {
  const first = await phoneOf("voucher", "first phone");
  await first.enrol();
  const second = await phoneOf("voucher", "second phone");
  await second.prove();
  await second.at("further-approve").click();
  await second.typePin();
  await second.at("awaiting-approval").waitFor();
  await first.prompt();
  await first.at("prompt-refuse").click();
  await first.result("stopped");
  await second.at("enrol-again").waitFor();
});

test("a recovery is shown on the first phone, which stops it", async () => {
  const first = await phoneOf("welfare", "first phone");
  await first.enrol();
  const second = await phoneOf("welfare", "recovering phone");
  await second.prove();
  await second.at("further-recover").click();
  await second.typePin();
  await second.at("recovering").waitFor();

  await first.prompt();
  await first.at("prompt-later").click();
  await first.goTo("settings");
  const row = first.at("device").filter({ has: first.page.locator("[data-status=recovering]") });
  await row.waitFor();
  await row.getByTestId("device-stop").click();
  await row.waitFor({ state: "detached" });
  await second.at("enrol-again").waitFor();
  await first.page.reload();
  await first.at("sources").waitFor();
  assert.equal(await first.at("prompt").count(), 0);
});

test("a phone that is removed is told so at once", async () => {
  const first = await phoneOf("bank", "first phone");
  await first.enrol();
  const second = await phoneOf("bank", "second phone");
  await second.prove();
  await second.at("further-approve").click();
  await second.typePin();
  await first.prompt();
  await first.at("prompt-continue").click();
  await first.typePin();
  await first.done();
  await second.at("home").waitFor();
  await second.goTo("settings");
  const row = second.at("device").filter({ has: second.at("device-stop") });
  await row.getByTestId("device-stop").click();
  await second.at("dialog-yes").click();
  await first.at("enrol-again").waitFor();
});

test("the code that was sent is counted, and a PIN that is easy to guess is not taken", async () => {
  const phone = await phoneOf("bill", "phone");
  await phone.open();
  await phone.at("enrol-send").click();
  const code = (await phone.at("screen-code").textContent()).trim();
  await phone.typeCode(code === "000000" ? "000001" : "000000");
  await phone.page.waitForFunction(() => (document.querySelector("[data-testid=enrol-fault]")?.textContent ?? "") !== "");
  await phone.typeCode(code);
  await phone.typePin("123456");
  await phone.typePin("123456");
  await phone.page.waitForFunction(() => (document.querySelector("[data-testid=pin-fault]")?.textContent ?? "") !== "");
  await phone.typePin();
  await phone.typePin();
  await phone.at("home").waitFor();
});

test("who signs out gets no requests, also after a reload, until signing in again", async () => {
  const phone = await phoneOf("little", "phone");
  await phone.enrol();
  const ended = phone.page.waitForResponse((answer) => answer.request().method() === "DELETE" && answer.url().endsWith("/phone/api/sessions"));
  await phone.goTo("settings");
  await phone.at("sign-out").click();
  await phone.at("dialog-no").click();
  await phone.at("dialog").waitFor({ state: "detached" });
  await phone.at("sources").waitFor();
  await phone.at("sign-out").click();
  await phone.at("dialog-yes").click();
  assert.equal((await ended).status(), 200);
  await phone.at("signed-out").waitFor();
  await picture(phone.page, "phone-signed-out");

  const asked = [];
  phone.page.on("request", (request) => request.url().includes("/phone/api/") && asked.push(request.url()));
  await phone.page.reload();
  await phone.at("signed-out").waitFor();
  const web = new Shop(await browser.person("shop"), demo.base);
  await web.buy("paper-cranes", phone.number);
  const code = await web.matchCode();
  assert.deepEqual(asked, [], "a phone that is signed out asks nothing of the server");

  await phone.at("sign-in-again").click();
  await phone.prompt();
  assert.ok((await phone.shownCodes()).includes(code));
});
