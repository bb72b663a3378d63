// What a shopper does in the demo's web shop.

export class Shop {
  constructor(page, base) {
    Object.assign(this, { page, base });
  }

  at(testid) {
    return this.page.getByTestId(testid);
  }

  /// From the shelf to the order's page. `asker` makes it somebody else's number.
  async buy(item, number, asker) {
    await this.page.goto(`${this.base}/shop`);
    await this.at(`buy-${item}`).click();
    await this.fill(number, asker);
    await this.at("checkout-pay").click();
    await this.at("order").waitFor();
  }

  async fill(number, asker) {
    await this.at("checkout-number").fill(number);
    if (asker === undefined) return;
    await this.at("whose-other").check();
    await this.at("checkout-asker").fill(asker);
  }

  async matchCode() {
    return (await this.at("match-code").textContent()).trim();
  }

  /// The order's page turned to this status by itself.
  async status(status) {
    await this.page.locator(`[data-testid=order][data-status=${status}]`).waitFor();
  }

  /// The order as the shop's own backend knows it.
  async order() {
    const id = decodeURIComponent(new URL(this.page.url()).pathname.split("/").at(-1));
    const answer = await this.page.request.get(`${this.base}/shop/api/orders/${encodeURIComponent(id)}`);
    return answer.json();
  }
}
