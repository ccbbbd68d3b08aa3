/**
 * A hub that can die: started again and again over the same data directory and on the same port.
 *
 * @module
 */

import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { CHECKOUT, executable, type Program, qemu, SYSROOT } from "../../scripts/lib/available.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { atExit } from "../../scripts/lib/at-exit.ts";

/** How long a start and an end may take, in milliseconds. */
const BOUND_MS = 50_000;

/** Images that a date folder may have here: more than any row sends. */
const IMAGES_MAX = 100_000_000;

/** How a hub is set up. */
export interface HubSetup {
  readonly program: Program;
  /** Where images and logs are. */
  readonly data: string;
  /** What stands below `hub:` in `imagehub.yaml`. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Words that stand before the program, such as `prlimit --nofile=64`. */
  readonly before?: readonly string[];
}

/** A copy of each program, so that a build in the meantime changes nothing. */
const copies = new Map<Program, string[]>();
let copiesDir: TempDir | undefined;

/** The words that start a program. */
export function programWords(program: Program): string[] {
  const known = copies.get(program);
  if (known !== undefined) return known;
  let words = [process.execPath, join(CHECKOUT, "src/main.ts")];
  if (program !== "source") {
    if (copiesDir === undefined) {
      const dir = tempDir();
      atExit(() => dir[Symbol.dispose]());
      copiesDir = dir;
    }
    const copy = join(copiesDir.path, `imagehub-${program}`);
    copyFileSync(executable(program), copy);
    words =
      program === process.arch ? [copy] : [qemu() ?? "qemu-aarch64-static", "-L", SYSROOT, copy];
  }
  copies.set(program, words);
  return words;
}

/** At most so long. @returns undefined where it took longer */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Where a hub runs, or has run. */
export class FaultHub implements AsyncDisposable {
  readonly port = freePort();
  readonly #owned = tempDir();
  readonly #undo: () => void;
  #process: Bun.Subprocess<"ignore", "pipe", "pipe"> | undefined;
  #output = "";
  #read: Promise<unknown> = Promise.resolve();

  constructor(private setup: HubSetup) {
    this.#undo = atExit(() => {
      this.#process?.kill("SIGKILL");
      this.#owned[Symbol.dispose]();
    });
  }

  get address(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  get data(): string {
    return this.setup.data;
  }

  /** The hub's own number, also where another program started it. */
  get pid(): number {
    const { pid } = this.#process!;
    if ((this.setup.before?.[0] ?? "") !== "strace") return pid;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0]);
  }

  /** What the hub has printed since its last start. */
  get output(): string {
    return this.#output;
  }

  /** Waits until it has said this. @returns whether it did in time */
  async says(text: string, boundMs = 50_000): Promise<boolean> {
    for (const end = Date.now() + boundMs; Date.now() < end; await Bun.sleep(10)) {
      if (this.#output.includes(text)) return true;
    }
    return false;
  }

  /** Changes how the next start is made. */
  change(setup: Partial<HubSetup>): void {
    this.setup = { ...this.setup, ...setup };
  }

  /**
   * Starts it and waits until it listens. @returns when it was started, in milliseconds since 1970
   */
  async start(): Promise<number> {
    const { program, data, settings, env, before = [] } = this.setup;
    const home = join(this.#owned.path, "home");
    mkdirSync(home, { recursive: true });
    const hub = {
      max_images_write: IMAGES_MAX,
      data_directory: data,
      bind: "127.0.0.1",
      ...settings,
    };
    writeFileSync(join(home, "imagehub.yaml"), stringify({ hub }));
    this.#output = "";
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^(?:IMAGEHUB_|NOTIFY_SOCKET|JOURNAL_STREAM|WATCHDOG_)/.test(name),
    );
    const startedMs = Date.now();
    const child = Bun.spawn(
      [...before, ...programWords(program), "run", "--path", home, "--port", String(this.port)],
      {
        cwd: home,
        env: { ...Object.fromEntries(inherited), IMAGEHUB_HTTP_LISTEN: "off", ...env },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    this.#process = child;
    const listens = Promise.withResolvers<boolean>();
    const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
      const decoder = new TextDecoder();
      for await (const chunk of stream) {
        this.#output += decoder.decode(chunk, { stream: true });
        if (this.#output.includes("Listening on")) listens.resolve(true);
      }
    };
    this.#read = Promise.all([read(child.stdout), read(child.stderr)]);
    const ended = child.exited.then(() => false);
    if ((await within(Promise.race([listens.promise, ended]), BOUND_MS)) !== true) {
      child.kill("SIGKILL");
      await within(this.#read, 1000);
      throw new Error(`The hub does not listen:\n${this.#output}`);
    }
    return startedMs;
  }

  /** Whether it still runs. */
  get runs(): boolean {
    return (
      this.#process !== undefined &&
      this.#process.exitCode === null &&
      this.#process.signalCode === null
    );
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    if (this.runs) process.kill(this.pid, "SIGKILL");
    await this.ended();
  }

  /** Waits until it ends. @returns its exit status, or undefined where it does not end */
  async ended(ms = BOUND_MS): Promise<number | undefined> {
    const status = await within(this.#process!.exited, ms);
    if (status !== undefined) await within(this.#read, 1000);
    return status;
  }

  /** Asks it to end. */
  terminate(): void {
    process.kill(this.pid, "SIGTERM");
  }

  async stop(): Promise<number | undefined> {
    this.terminate();
    return await this.ended();
  }

  /** Its open descriptors, and the most memory that it has had, in MB. */
  usage(): { fds: number; peakMb: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    const peak = Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0);
    return { fds: readdirSync(`/proc/${this.pid}/fd`).length, peakMb: Math.round(peak / 1024) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.runs) await this.kill();
    this.#undo();
  }
}
