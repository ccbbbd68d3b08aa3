/**
 * Starts a hub in a directory and on a port of its own, and ends it: from source, or an executable
 * as a person uses it, copied alone into an empty folder.
 *
 * @module
 */

import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { basename, join, relative } from "node:path";
import { stringify } from "yaml";
import {
  CHECKOUT,
  executable,
  qemu,
  SYSROOT,
  type Program,
} from "../../../scripts/lib/available.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";
import { tempDir, type TempDir } from "../machine/temp.ts";

/**
 * How long a hub may take until it listens, and until it ends. Only bounds a test that would else
 * hang.
 */
const BOUND_MS = 50_000;

/** How a hub is started. */
export interface HubOptions {
  /** What is run; default `source`. */
  readonly program?: Program;
  /** Further arguments. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /**
   * What stands in `imagehub.yaml`, such as `{ hub: { patience: 1 } }`; without it there is no such
   * file.
   */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The hub's `TZ`; default {@link middayZone}. */
  readonly timezone?: string;
  /**
   * The directory given as `--path`, which is left as it is; default one that goes with the hub.
   */
  readonly dir?: string;
}

/** A file below `images/`. */
export interface StoredImage {
  /** The folder, relative to `images/`. */
  readonly folder: string;
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * A time zone where it is about noon, so that no test runs over midnight. Its name has the sign of
 * POSIX: west is plus.
 */
function middayZone(): string {
  const hours = 12 - new Date().getUTCHours();
  return hours === 0 ? "Etc/GMT" : `Etc/GMT${hours > 0 ? "-" : "+"}${Math.abs(hours)}`;
}

/** Every hub that runs. What a test that ran out of time leaves behind is ended with the tests. */
const running = new Set<Bun.Subprocess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Whether a variable of the environment would set up a hub otherwise than the test says. */
function isForeign(name: string): boolean {
  return (
    name.startsWith("IMAGEHUB_") ||
    ["NOTIFY_SOCKET", "JOURNAL_STREAM", "WATCHDOG_USEC"].includes(name)
  );
}

function hubEnvironment(options: HubOptions): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(([name]) => !isForeign(name));
  return {
    ...Object.fromEntries(inherited),
    TZ: options.timezone ?? middayZone(),
    // Hubs of tests that run side by side would have the port of one another.
    IMAGEHUB_HTTP_LISTEN: "off",
    ...options.env,
  };
}

/** Waits for a promise; null when it takes longer than {@link BOUND_MS}. */
async function bounded<T>(promise: Promise<T>): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => {
    late.resolve(null);
  }, BOUND_MS);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The words that start a program; an executable is copied into the folder, which is empty but for
 * it.
 */
function programCommand(program: Program, folder: string): string[] {
  if (program === "source") return [process.execPath, join(CHECKOUT, "src/main.ts")];
  const built = executable(program);
  const copy = join(folder, basename(built));
  try {
    // A hundred megabytes for each start of a hub keep the disk busy.
    linkSync(built, copy);
  } catch {
    // On another file system.
    copyFileSync(built, copy, constants.COPYFILE_FICLONE);
  }
  if (program === process.arch) return [copy];
  return [qemu() ?? "qemu-aarch64-static", "-L", SYSROOT, copy];
}

/** A hub that runs. */
export class Hub implements AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number;
  /** The directory of `imagehub.yaml`. */
  readonly dir: string;
  /** Where images and logs are, as long as no setting says otherwise. */
  readonly dataDir: string;
  readonly timezone: string;
  readonly #owned: TempDir;
  readonly #process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #listening = Promise.withResolvers<boolean>();
  readonly #outputRead: Promise<unknown>;
  #output = "";

  /** Use {@link startHub}, which also waits until the hub listens. */
  constructor(options: HubOptions) {
    this.#owned = tempDir();
    this.port = freePort();
    this.dir = options.dir ?? join(this.#owned.path, "home");
    this.dataDir = join(this.dir, "imagehub_data");
    this.timezone = options.timezone ?? middayZone();
    mkdirSync(this.dir, { recursive: true });
    if (options.settings !== undefined)
      writeFileSync(join(this.dir, "imagehub.yaml"), stringify(options.settings));

    const folder = join(this.#owned.path, "program");
    mkdirSync(folder);
    const program = programCommand(options.program ?? "source", folder);
    const args = ["run", "--path", this.dir, "--port", String(this.port), ...(options.args ?? [])];
    this.#process = Bun.spawn([...program, ...args], {
      cwd: folder,
      env: hubEnvironment(options),
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(this.#process);
    this.#outputRead = Promise.all([
      this.#read(this.#process.stdout),
      this.#read(this.#process.stderr),
    ]);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#output += decoder.decode(chunk, { stream: true });
      if (this.#output.includes("Listening on")) this.#listening.resolve(true);
    }
  }

  /**
   * Waits until the hub listens. @throws {Error} With the output, when it ended or does not get
   * there.
   */
  async listening(): Promise<void> {
    const ended = this.#process.exited.then(() => false);
    if ((await bounded(Promise.race([this.#listening.promise, ended]))) === true) return;
    const status = this.#process.exitCode;
    const what =
      status === null ? `does not listen after ${BOUND_MS} ms` : `ended with status ${status}`;
    await this[Symbol.asyncDispose]();
    throw new Error(`The hub ${what}, its output:\n${this.#output}`);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** What the hub has written so far to standard output and standard error. */
  output(): string {
    return this.#output;
  }

  /** The date in the hub's time zone, as the date folders are named. */
  today(): string {
    return new Intl.DateTimeFormat("sv-SE", {
      timeZone: this.timezone,
      dateStyle: "short",
    }).format();
  }

  /** Every file below `images/`, whatever it is called. */
  images(): StoredImage[] {
    const root = join(this.dataDir, "images");
    if (!existsSync(root)) return [];
    const entries = readdirSync(root, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => !entry.isDirectory());
    return files.map((file) => ({
      folder: relative(root, file.parentPath),
      name: file.name,
      bytes: readFileSync(join(file.parentPath, file.name)),
    }));
  }

  /** The lines of the event log. */
  log(): string[] {
    const file = join(this.dataDir, "logs/imagehub.log");
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
  }

  /** Asks the hub to end, as systemd does, and waits for its exit status. */
  async stop(): Promise<number> {
    const status = await this.#end("SIGTERM");
    await bounded(this.#outputRead);
    return status;
  }

  /** Ends the hub at once. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async #end(signal: NodeJS.Signals): Promise<number> {
    this.#process.kill(signal);
    const status = await bounded(this.#process.exited);
    if (status === null)
      throw new Error(`The hub does not end on ${signal}, its output:\n${this.#output}`);
    running.delete(this.#process);
    return status;
  }

  /** Ends the hub if it still runs, and removes the directories that were made for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.kill();
    } finally {
      this.#owned[Symbol.dispose]();
    }
  }
}

/**
 * Starts a hub and waits until it listens. @throws {Error} With the hub's output, when it does not.
 */
export async function startHub(options: HubOptions = {}): Promise<Hub> {
  const hub = new Hub(options);
  await hub.listening();
  return hub;
}
