/**
 * Programs that subscribe to what a hub publishes, as imagezmq does.
 *
 * @module
 */

import { join } from "node:path";
import { PYTHON } from "../../../scripts/lib/available.ts";
import { COMES_MS } from "./zmq-peer.ts";

/** What a subscriber has received. */
export interface Received {
  /** The subscriber's number, from 0. */
  readonly number: number;
  /** undefined if it takes no topics. */
  readonly topic: string | undefined;
  readonly text: string;
  readonly sha256: string;
}

/** How they subscribe. */
export interface SubscriberOptions {
  readonly endpoint: string;
  /** How many there are in the process. */
  readonly count: number;
  /** The beginning of names, in a frame of their own. */
  readonly topic?: string;
  /** A file with their own keys, and the hub's public key. */
  readonly keys?: string;
  readonly server_key?: string;
}

/** A process with some subscribers, until it is disposed of. */
export class ImageSubscribers implements AsyncDisposable {
  readonly received: Received[] = [];
  private readonly process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  private readonly reading: Promise<void>;
  private text = "";

  constructor(options: SubscriberOptions) {
    const script = join(import.meta.dir, "image_subscriber.py");
    this.process = Bun.spawn([PYTHON, script, JSON.stringify(options)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.reading = this.read();
  }

  /** What one of them has received, in its order. */
  of(number: number): Received[] {
    return this.received.filter((each) => each.number === number);
  }

  /** Waits until it is so. @throws {Error} if it is not in time */
  async until(isSo: () => boolean): Promise<void> {
    for (const end = performance.now() + COMES_MS; !isSo(); await Bun.sleep(20))
      if (performance.now() > end)
        throw new Error(`It did not come; ${this.received.length} messages did`);
  }

  /** Stops it, as if its machine had no time for it, or lets it go on. */
  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.process.kill(name);
  }

  private async read(): Promise<void> {
    for await (const bytes of this.process.stdout) {
      const lines = (this.text + Buffer.from(bytes).toString()).split("\n");
      this.text = lines.pop()!;
      for (const line of lines) {
        const message = JSON.parse(line) as string | [number, string | null, string, string];
        if (typeof message === "string") continue;
        const [number, topic, text, sha256] = message;
        this.received.push({ number, topic: topic ?? undefined, text, sha256 });
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited;
    await this.reading;
  }
}
