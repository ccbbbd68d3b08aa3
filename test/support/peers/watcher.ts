/**
 * Programs that watch a folder for new files, as people use them behind a hub.
 *
 * @module
 */

import { basename, join } from "node:path";
import { PYTHON } from "../../../scripts/lib/available.ts";
import { COMES_MS } from "./zmq-peer.ts";

/** The program: inotifywait of inotify-tools, or Python's watchdog. */
type Program = "inotifywait" | "watchdog";

const COMMANDS: Record<Program, (folder: string) => string[]> = {
  inotifywait: (folder) =>
    `inotifywait --monitor --recursive --event close_write --event moved_to --format`
      .split(" ")
      .concat("%e %w%f", folder),
  watchdog: (folder) => [PYTHON, join(import.meta.dir, "watcher.py"), folder],
};

/** How a watcher reports that it watches, and what it reports of a file. */
const WATCHES = /^(?:Watches established\.|watches)$/m;
const LINE = /^(?<event>created|closed|moved|CLOSE_WRITE,CLOSE|MOVED_TO) (?<path>.+)$/gm;

/** Reports for a whole file; watchdog uses `created` for one that was moved in. */
export type Told = "CLOSE_WRITE,CLOSE" | "MOVED_TO" | "closed" | "created";

/** A program that watches a folder and everything below it, until it is disposed of. */
export class Watcher implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #read: Promise<unknown>;
  #output = "";

  private constructor(command: string[]) {
    this.#process = Bun.spawn(command, { stdio: ["pipe", "pipe", "pipe"] });
    this.#read = Promise.all([
      this.#collect(this.#process.stdout),
      this.#collect(this.#process.stderr),
    ]);
  }

  /** Returns when it sees all events. */
  static async start(program: Program, folder: string): Promise<Watcher> {
    const watcher = new Watcher(COMMANDS[program](folder));
    await watcher.#until(() => WATCHES.test(watcher.#output));
    return watcher;
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.#output += decoder.decode(chunk, { stream: true });
  }

  async #until(isSo: () => boolean): Promise<void> {
    for (let end = performance.now() + COMES_MS; !isSo(); await Bun.sleep(10)) {
      if (performance.now() > end) throw new Error(`It did not come to that:\n${this.#output}`);
    }
  }

  /** Names that were reported so far, also hidden and temporary ones. */
  seen(told: readonly Told[]): string[] {
    return Array.from(
      this.#output.matchAll(LINE),
      ({ groups = {} }) => groups as Record<string, string>,
    )
      .filter(({ event }) => told.some((each) => each === event))
      .map(({ path = "" }) => basename(path));
  }

  /**
   * Waits for a number of reports of this kind, and then checks whether more come. @returns them,
   * sorted
   */
  async seenLike(like: RegExp, count: number, told: readonly Told[]): Promise<string[]> {
    const found = (): string[] => this.seen(told).filter((name) => like.test(name));
    await this.#until(() => found().length >= count);
    await Bun.sleep(200);
    return found().toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    await this.#read;
  }
}
