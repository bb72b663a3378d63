// Runs `paytone demo` on a free port in a folder of its own, and asks it what its world looks like.
//
// Invariant: a demo that was started is stopped and its folder removed, even when a test fails.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const start_limit_ms = 60_000;
const stop_limit_ms = 15_000;

function binary() {
  return resolve(process.env.PAYTONE ?? join(import.meta.dirname, "../../../target/debug/paytone"));
}

export class Demo {
  #process = null;
  #printed = "";
  base = "";
  world = null;

  static async start() {
    const demo = new Demo();
    demo.data = await mkdtemp(join(tmpdir(), "paytone-browser-"));
    try {
      await demo.run("127.0.0.1:0");
    } catch (error) {
      await demo.remove();
      throw error;
    }
    return demo;
  }

  /// Starts the process; `listen` is the address to listen on.
  async run(listen) {
    this.#printed = "";
    const child = spawn(binary(), ["demo", "--data", join(this.data, "demo"), "--listen", listen], { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    const ended = new Promise((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => reject(new Error(`the demo ended with ${code ?? signal}\n${this.#printed}`)));
    });
    ended.catch(() => {});
    let timer;
    const address = new Promise((found, reject) => {
      timer = setTimeout(() => reject(new Error(`no address after ${start_limit_ms} ms\n${this.#printed}`)), start_limit_ms);
      const read = (chunk) => {
        this.#printed += chunk;
        const shop = /(http:\/\/[\d.]+:\d+)\/shop/.exec(this.#printed);
        if (shop) found(shop[1]);
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
    });
    this.base = await Promise.race([address, ended]).finally(() => clearTimeout(timer));
    this.world = await this.get("/demo/api/world");
  }

  /// The subscriber of whom the world says this.
  holder(note) {
    const found = this.world.phones.find((phone) => phone.note === note);
    if (!found) throw new Error(`nobody in the demo's world is ${note}`);
    return found;
  }

  /// Changes one of the operator's rules, which takes two people.
  async setRule(name, value) {
    const [first, second] = await Promise.all(this.world.operators.map((operator) => this.signIn(operator)));
    const asked = await this.send("PUT", "/admin/api/rules", { rules: { [name]: value } }, first);
    if (asked.outcome === "proposed") await this.send("POST", `/admin/api/proposals/${asked.proposal}/approve`, {}, second);
  }

  async signIn({ name, password }) {
    return (await this.send("POST", "/admin/api/sessions", { name, password })).token;
  }

  async send(method, path, body, token) {
    const headers = { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const answer = await fetch(this.base + path, { method, headers, body: JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  /// What the process wrote so far.
  get printed() {
    return this.#printed;
  }

  async get(path) {
    const answer = await fetch(this.base + path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /// Ends the process as Ctrl-C does, or at once with `SIGKILL`. Resolves to its exit code.
  async end(signal = "SIGINT") {
    const child = this.#process;
    this.#process = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const gone = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), stop_limit_ms);
    const code = await gone;
    clearTimeout(late);
    return code;
  }

  async remove() {
    await this.end();
    await rm(this.data, { recursive: true, force: true, maxRetries: 5 });
  }
}
