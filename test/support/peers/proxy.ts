/**
 * Starts `zmq_proxy.py`.
 *
 * @module
 */

import { join } from "node:path";
import { PYTHON } from "../../../scripts/lib/available.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";

/**
 * A proxy that runs: what is sent to its port arrives at the other one with a frame more in its
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

  /** Starts a proxy in front of a hub, or of another proxy. */
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
