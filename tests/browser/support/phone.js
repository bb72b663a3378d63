// What a payer does on the phone page.

import assert from "node:assert/strict";

export const pin = "294817";

export class Phone {
  constructor(page, base, number) {
    Object.assign(this, { page, base, number });
  }

  at(testid) {
    return this.page.getByTestId(testid);
  }

  async open(place = "") {
    await this.page.goto(`${this.base}/phone/?number=${encodeURIComponent(this.number)}${place}`);
  }

  /// Opens the page and goes as far as the code that the demo shows in place of an SMS.
  async prove() {
    await this.open();
    await this.at("enrol-send").click();
    const code = (await this.at("screen-code").textContent()).trim();
    assert.match(code, /^\d{6}$/);
    await this.typeCode(code);
    return code;
  }

  async typeCode(code) {
    await this.at("enrol-code-0").focus();
    await this.page.keyboard.type(code);
  }

  async typePin(digits = pin) {
    await this.at("pin-pad").waitFor();
    for (const digit of digits) await this.at(`pin-key-${digit}`).click();
  }

  /// The first phone of a number: code, then a PIN twice.
  async enrol() {
    await this.prove();
    await this.page.getByRole("heading", { name: /./ }).first().waitFor();
    await this.typePin();
    await this.typePin();
    await this.at("home").waitFor();
  }

  /// Waits for the request on the screen.
  async prompt() {
    await this.at("prompt").waitFor();
    return this.at("prompt").getAttribute("data-prompt");
  }

  async chooseCode(code) {
    await this.at(`code-${code}`).click();
  }

  async approve(code, digits = pin) {
    await this.prompt();
    await this.chooseCode(code);
    await this.typePin(digits);
  }

  async shownCodes() {
    const buttons = this.at("prompt").locator("[data-testid^=code-]");
    await buttons.first().waitFor();
    return buttons.allTextContents();
  }

  /// What the screen says became of the request.
  async result(name) {
    await this.page.locator(`[data-testid=result][data-result=${name}]`).waitFor();
  }

  async done() {
    await this.at("result-done").click();
    await this.at("prompt").waitFor({ state: "detached" });
  }

  async goTo(tab) {
    await this.at(`tab-${tab}`).click();
  }

  historyItem(payment) {
    return this.page.locator(`[data-testid=history-item][data-payment=${payment}]`);
  }
}
