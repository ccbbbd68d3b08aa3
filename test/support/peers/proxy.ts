/**
 * Starts `zmq_proxy.py`.
 *
 * @module
 */

import { join } from "node:path";
import { PYTHON } from "../../../scripts/lib/available.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";

/**
 * A running proxy. Requests to its port arrive at the other one with one more frame in the
 * envelope.
 */
export class Proxy implements AsyncDisposable {
  readonly port = freePort();
  readonly #process: Bun.Subprocess<"ignore", "pipe", "inherit">;

  private constructor(hubPort: number) {
    const script = join(import.meta.dir, "zmq_proxy.py");
    const addresses = [this.port, hubPort].map((port) => `tcp://127.0.0.1:${port}`);
    this.#process = Bun.spawn([PYTHON, script, ...addresses], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  }

  /** Starts a proxy before a hub or another proxy. */
  static async start(hubPort: number): Promise<Proxy> {
    const proxy = new Proxy(hubPort);
    const { done } = await proxy.#process.stdout.getReader().read();
    if (done) throw new Error("The proxy ended before it was ready");
    return proxy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }
}
