// A real Chromium, one context per person, and a watch over everything a page complains about.
//
// Invariant: a page that logs an error, throws, breaks its content security policy, asks another host for anything or misses
// a file fails its test. Answers of the APIs below 500 are not faults: refusing is what they are for.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

const results = resolve(import.meta.dirname, "../../../test-results");
const step_limit_ms = 15_000;

const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export class Browser {
  #browser;
  #contexts = [];
  #faults = [];

  static async start() {
    const browser = new Browser();
    browser.#browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
    return browser;
  }

  /// A page in a context of its own: nothing is shared with the others, as between two machines.
  async person(name, { size = { width: 390, height: 844 }, language = "en-US", dark = false, touch = false } = {}) {
    const context = await this.#browser.newContext({
      viewport: size,
      locale: language,
      colorScheme: dark ? "dark" : "light",
      timezoneId: "Asia/Shanghai",
      hasTouch: touch,
      isMobile: touch,
      reducedMotion: "reduce",
    });
    this.#contexts.push(context);
    context.setDefaultTimeout(step_limit_ms);
    context.setDefaultNavigationTimeout(step_limit_ms);
    const page = await context.newPage();
    this.#watch(name, context, page);
    return page;
  }

  #watch(name, context, page) {
    const fault = (words) => this.#faults.push(`${name}: ${words}`);
    context.on("page", (other) => this.#watchPage(other, fault));
    this.#watchPage(page, fault);
    context.on("response", (answer) => {
      const path = new URL(answer.url()).pathname;
      const api = path.includes("/api/");
      if (answer.status() >= 500 || (answer.status() >= 400 && !api)) fault(`${answer.status()} for ${path}`);
    });
  }

  #watchPage(page, fault) {
    page.on("pageerror", (error) => fault(`threw ${error.stack ?? error}`));
    page.on("console", (message) => {
      // The browser's own line about an answer or a lost connection; answers are judged by status above.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource:")) fault(`logged ${message.text()}`);
    });
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (["http:", "https:", "ws:", "wss:"].includes(url.protocol) && !["127.0.0.1", "localhost"].includes(url.hostname)) fault(`asked ${url.host}`);
    });
  }

  /// Fails when any page had anything to complain about since the last call.
  assertQuiet() {
    const faults = this.#faults.splice(0);
    assert.deepEqual(faults, [], "pages must not complain");
  }

  /// Closes every context of a test.
  async leave() {
    await Promise.all(this.#contexts.splice(0).map((context) => context.close()));
  }

  async stop() {
    await this.leave();
    await this.#browser.close();
  }
}

/// Keeps a picture of the page in `test-results/`.
export async function picture(page, name) {
  await mkdir(results, { recursive: true });
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: join(results, `${name}.png`), animations: "disabled", caret: "hide" });
}

/// Nothing on the page is wider than the window.
export async function assertNoSidewaysScroll(page) {
  const { wide, window } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: innerWidth }));
  assert.ok(wide <= window, `${page.url()}: ${wide} px in a window of ${window} px`);
}
