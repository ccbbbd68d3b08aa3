/**
 * Peers that mean no good (`peers.py`).
 *
 * @module
 */

import { join } from "node:path";
import { PYTHON } from "../support/available.ts";
import { atExit } from "./cleanup.ts";
import { within } from "./hub.ts";

/** A process with such peers. */
export class Peers implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #undo: () => void;

  private constructor(port: number, kind: string, count: number) {
    const words = [PYTHON, join(import.meta.dir, "peers.py"), "127.0.0.1", String(port), kind, String(count)];
    this.#process = Bun.spawn(words, { stdio: ["pipe", "pipe", "inherit"] });
    this.#undo = atExit(() => this.#process.kill("SIGKILL"));
  }

  /** Returns when all have connected. */
  static async start(
    port: number,
    kind: "silent" | "drip" | "idle" | "flood" | "images" | "burst",
    count: number,
  ): Promise<Peers> {
    const peers = new Peers(port, kind, count);
    const first = await within(peers.#process.stdout.getReader().read(), 60_000);
    if (first?.value === undefined) {
      await peers[Symbol.asyncDispose]();
      throw new Error(`${count} peers (${kind}) do not get a connection`);
    }
    return peers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    this.#undo();
  }
}
