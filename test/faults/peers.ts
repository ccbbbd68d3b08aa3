/**
 * Hostile peers at the port for senders (`peers.py`) or at the HTTP listener (`http_peers.py`).
 *
 * @module
 */

import { join } from "node:path";
import { PYTHON } from "../../scripts/lib/available.ts";
import { atExit } from "../../scripts/lib/at-exit.ts";
import { within } from "./hub.ts";

/** A process with such peers. */
export class Peers implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #undo: () => void;

  private constructor(script: string, port: number, ...more: readonly string[]) {
    const words = [PYTHON, join(import.meta.dir, script), "127.0.0.1", String(port), ...more];
    this.#process = Bun.spawn(words, { stdio: ["pipe", "pipe", "inherit"] });
    this.#undo = atExit(() => this.#process.kill("SIGKILL"));
  }

  /** Returns when all are connected. */
  static async start(
    port: number,
    kind: "silent" | "drip" | "idle" | "flood" | "images" | "burst",
    count: number,
  ): Promise<Peers> {
    return await new Peers("peers.py", port, kind, String(count)).connected();
  }

  /** The same for the HTTP listener. @param path what they request */
  static async startHttp(
    port: number,
    kind: "pipeline" | "huge" | "slow" | "deaf" | "silent" | "crowd",
    path: string,
    count: number,
  ): Promise<Peers> {
    return await new Peers("http_peers.py", port, kind, path, String(count)).connected();
  }

  private async connected(): Promise<this> {
    const first = await within(this.#process.stdout.getReader().read(), 60_000);
    if (first?.value !== undefined) return this;
    await this[Symbol.asyncDispose]();
    throw new Error("Peers do not get a connection");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    this.#undo();
  }
}
