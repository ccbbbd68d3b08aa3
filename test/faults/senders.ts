/**
 * Senders that keep a journal: many in one process (`senders.py`), started and stopped by a row.
 *
 * @module
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { PYTHON } from "../../scripts/lib/available.ts";
import { tempDir } from "../support/machine/temp.ts";
import { atExit } from "../../scripts/lib/at-exit.ts";
import { within } from "./hub.ts";

const entrySchema = z.object({
  kind: z.enum(["image", "event", "heartbeat", "test"]),
  /** The text, as sent. */
  msg: z.string(),
  /** Of the payload, in hex. */
  sha256: z.string(),
  /** Null where none came in time. */
  reply: z.string().nullable(),
  ms: z.number(),
  /** When the reply came, in seconds since 1970. */
  at: z.number(),
});

/** One request, and what became of it. */
export type Entry = Readonly<z.infer<typeof entrySchema>>;

/** How many senders of each kind there are, and how they send. */
export interface Load {
  readonly images?: number;
  readonly events?: number;
  readonly heartbeats?: number;
  readonly tests?: number;
  /** Of an image, in bytes. */
  readonly size?: number;
  readonly pauseMs?: number;
  /** How long a reply is waited for. */
  readonly timeoutMs?: number;
  /**
   * Their keys, a file NAME.key_secret, and the key that they take for the hub's, in Z85; without
   * them there is no CURVE.
   */
  readonly curve?: { readonly keys: string; readonly serverKey: string };
  /** Words that stand before the program, such as those that enter a network namespace. */
  readonly before?: readonly string[];
}

let processes = 0;

/** A process with senders. */
export class Senders implements AsyncDisposable {
  /** What the names of its nodes begin with, and of no other's. */
  readonly prefix: string;
  readonly #owned = tempDir();
  readonly #journal = join(this.#owned.path, "journal.jsonl");
  readonly #entries: Entry[] = [];
  #parsedBytes = 0;
  readonly #process: Bun.Subprocess<"pipe", "inherit", "inherit">;
  readonly #undo: () => void;

  constructor(address: string, load: Load) {
    processes += 1;
    this.prefix = `P${processes}`;
    const options = {
      connect: address,
      journal: this.#journal,
      prefix: this.prefix,
      images: load.images ?? 0,
      events: load.events ?? 0,
      heartbeats: load.heartbeats ?? 0,
      tests: load.tests ?? 0,
      size: load.size ?? 45_000,
      "pause-ms": load.pauseMs ?? 0,
      "timeout-ms": load.timeoutMs ?? 5000,
      keys: load.curve?.keys ?? "",
      "server-key": load.curve?.serverKey ?? "",
    };
    const words = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    const program = [...(load.before ?? []), PYTHON, join(import.meta.dir, "senders.py")];
    this.#process = Bun.spawn([...program, ...words], { stdio: ["pipe", "inherit", "inherit"] });
    this.#undo = atExit(() => {
      this.#process.kill("SIGKILL");
      this.#owned[Symbol.dispose]();
    });
  }

  /** What was sent so far. */
  journal(): readonly Entry[] {
    if (!existsSync(this.#journal)) return this.#entries;
    // Only what is new is parsed: a wait asks a hundred times a second.
    const added = readFileSync(this.#journal).subarray(this.#parsedBytes);
    const complete = added.subarray(0, added.lastIndexOf("\n") + 1);
    this.#parsedBytes += complete.byteLength;
    for (const line of complete.toString().split("\n").slice(0, -1))
      this.#entries.push(entrySchema.parse(JSON.parse(line)));
    return this.#entries;
  }

  /**
   * Waits until one of the requests after `sinceS` was answered `OK`. @returns when, in seconds
   * since 1970
   */
  async firstOk(
    sinceS: number,
    kind?: Entry["kind"],
    boundMs = 50_000,
  ): Promise<number | undefined> {
    for (const end = Date.now() + boundMs; Date.now() < end; await Bun.sleep(10)) {
      const found = this.journal().find(
        (entry) =>
          entry.at > sinceS && entry.reply === "OK" && (kind === undefined || entry.kind === kind),
      );
      if (found !== undefined) return found.at;
    }
    return undefined;
  }

  /** Lets each have its last reply. @returns the whole journal */
  async stop(): Promise<Entry[]> {
    await this.#process.stdin.end();
    if ((await within(this.#process.exited, 60_000)) === undefined)
      throw new Error("The senders do not end");
    return [...this.journal()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    this.#undo();
  }
}

/** The time below which that part of the requests was answered, in milliseconds. */
export function percentile(entries: readonly Entry[], part = 0.99): number {
  const times = entries.map((entry) => entry.ms).toSorted((a, b) => a - b);
  return (
    Math.round((times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0) * 10) / 10
  );
}
