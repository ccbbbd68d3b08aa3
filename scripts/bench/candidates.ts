/**
 * What is measured: this hub from source or compiled, the yardsticks, and any other hub that a
 * person names.
 *
 * @module
 */

import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { atExit } from "../lib/at-exit.ts";
import { CHECKOUT, executable, has, remedy } from "../lib/available.ts";
import { zoneBeforeMidnight } from "../lib/zone.ts";
import { freePort } from "../lib/free-port.ts";
import type { Compiled } from "./compile.ts";
import { processesOfSession, runs } from "./usage.ts";
import { remove } from "./workspace.ts";

/** How long a candidate may take until it listens, and until it ends, in milliseconds. */
const START_MS_MAX = 30_000;
const STOP_MS_MAX = 15_000;

/** How often it is tried whether it listens, in milliseconds. */
const TRY_MS = 5;

/** Images that a date folder may have: more than are ever sent. */
const IMAGES_MAX = 1_000_000_000;

const HALF_A_DAY_S = 43_200;

/** When a hub answers, as its setting `ack`. */
export type Ack = "stored" | "received" | "synced";

/** How a candidate is started. */
export interface StartOptions {
  /** Where it stores; there is nothing in it but what a workload has put there. */
  readonly data: string;
  /** Where what it prints goes. */
  readonly output: string;
  readonly ack: Ack;
  readonly writers: number;
}

/** A candidate. */
export interface Candidate {
  readonly name: string;
  readonly kind: "hub" | "yardstick" | "control" | "peer";
  /** Where it stores, when it cannot be told. */
  readonly data?: string;
  /** Where it listens, when it cannot be told. */
  readonly endpoint?: string;
  /** The words that start it. */
  readonly command: (port: number, options: StartOptions) => readonly string[];
}

/**
 * Noon in every run, so that none goes over midnight: the zone, and the date there as folders are
 * named.
 */
const { zone: ZONE, behindS } = zoneBeforeMidnight(HALF_A_DAY_S);

/** The folder of today's images in a data directory. */
export function dateFolder(data: string): string {
  return join(data, "images", new Date(Date.now() - behindS * 1000).toISOString().slice(0, 10));
}

/**
 * This hub, from source or as the executable of this machine. @throws {Error} where that was not
 * built
 */
export function hub(name: "source" | "binary"): Candidate {
  const arch = process.arch === "arm64" ? "arm64" : "x64";
  if (name === "binary" && !has(arch))
    throw new Error(`Cannot measure the executable, missing: ${remedy(arch)}`);
  const program =
    name === "source" ? [process.execPath, join(CHECKOUT, "src/main.ts")] : [executable(arch)];
  return {
    name,
    kind: "hub",
    command: (port, { data }) => [
      ...program,
      "run",
      "--path",
      data,
      "--data",
      data,
      "--port",
      String(port),
    ],
  };
}

/**
 * The C programs make no folders. @returns the words behind their names that say where they listen
 * and store
 */
function placesOf(port: number, data: string): string[] {
  const images = dateFolder(data);
  mkdirSync(images, { recursive: true });
  mkdirSync(join(data, "logs"), { recursive: true });
  return [`tcp://127.0.0.1:${port}`, images, join(data, "logs/imagehub.log")];
}

/**
 * The C program that does the least; with `synced`, which takes several threads to be fast, the one
 * with workers.
 */
export function yardstick(compiled: Compiled): Candidate {
  return {
    name: "yardstick",
    kind: "yardstick",
    command: (port, options) =>
      options.ack === "synced"
        ? workers(compiled).command(port, options)
        : [compiled.yardstick, ...placesOf(port, options.data)],
  };
}

/**
 * The C program that keeps the hub's promises: what these cost, whoever keeps them. It makes no
 * JPEGs of arrays.
 */
export function workers(compiled: Compiled): Candidate {
  return {
    name: "workers",
    kind: "control",
    command: (port, { data, ack, writers: threads }) => [
      compiled["yardstick-workers"],
      ...placesOf(port, data),
      String(threads),
      ack === "synced" ? "synced" : "stored",
    ],
  };
}

/**
 * Any other hub.
 *
 * @param command of a shell
 * @param data where it stores; it has to be empty or missing, as all in it is removed after each
 * measurement
 * @throws {Error} where something is in it
 */
export function peer(command: string, endpoint: string, data: string | undefined): Candidate {
  if (data !== undefined && existsSync(data) && readdirSync(data).length > 0)
    throw new Error(
      `Cannot use ${data} as --peer-data: it has to be empty, as it is emptied again and again`,
    );
  return {
    name: "peer",
    kind: "peer",
    endpoint,
    ...(data !== undefined && { data }),
    command: () => ["/bin/sh", "-c", command],
  };
}

/** The environment without settings of a hub. */
function environment({ ack, writers }: StartOptions): Record<string, string | undefined> {
  const foreign = /^(?:IMAGEHUB_|NOTIFY_SOCKET|JOURNAL_STREAM|WATCHDOG_)/;
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name))),
    TZ: ZONE,
    IMAGEHUB_BIND: "127.0.0.1",
    IMAGEHUB_MAX_IMAGES_WRITE: String(IMAGES_MAX),
    IMAGEHUB_ACK: ack,
    IMAGEHUB_WRITERS: String(writers),
    // As it is installed, but for the port.
    IMAGEHUB_HTTP_LISTEN: `127.0.0.1:${freePort()}`,
  };
}

/** Whether something listens there. */
export async function listens(endpoint: string): Promise<boolean> {
  const { hostname, port } = new URL(endpoint.replace("tcp:", "http:"));
  try {
    const socket = await Bun.connect({
      hostname,
      port: Number(port),
      socket: { data: () => undefined },
    });
    socket.end();
    return true;
  } catch {
    return false;
  }
}

/** A candidate that runs. */
export class Running implements AsyncDisposable {
  readonly endpoint: string;
  /** When it was started, in milliseconds since 1970. */
  readonly startedMs: number;
  readonly #process: Bun.Subprocess;
  readonly #undo: () => void;

  /** Where a candidate is going to listen. */
  static place({ endpoint }: Candidate): { readonly port: number; readonly endpoint: string } {
    const port =
      endpoint === undefined ? freePort() : Number(new URL(endpoint.replace("tcp:", "http:")).port);
    return { port, endpoint: endpoint ?? `tcp://127.0.0.1:${port}` };
  }

  /** Starts it. */
  constructor(
    readonly candidate: Candidate,
    private readonly options: StartOptions,
    port = Running.place(candidate).port,
  ) {
    this.endpoint = candidate.endpoint ?? `tcp://127.0.0.1:${port}`;
    const command = [...candidate.command(port, options)];
    const env = environment(options);
    this.startedMs = performance.timeOrigin + performance.now();
    const file = Bun.file(options.output);
    // In a session of its own, so that all that it starts is known, also when a shell that started
    // it has ended.
    this.#process = Bun.spawn(command, { env, stdio: ["ignore", file, file], detached: true });
    this.#undo = atExit(() => signal(processesOfSession(this.pid), "SIGKILL"));
  }

  get pid(): number {
    return this.#process.pid;
  }

  get #runs(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Waits until it listens. @throws {Error} with what it printed, where it does not */
  async listening(): Promise<void> {
    const untilMs = performance.now() + START_MS_MAX;
    while (!(await listens(this.endpoint))) {
      if (!this.#runs || performance.now() > untilMs)
        throw new Error(
          `${this.candidate.name} does not listen on ${this.endpoint}:\n${this.#printed()}`,
        );
      await Bun.sleep(TRY_MS);
    }
  }

  #printed(): string {
    return existsSync(this.options.output) ? readFileSync(this.options.output, "utf8").trim() : "";
  }

  /**
   * Asks it and all that it has started to end, and ends those that do not. Returns when all have.
   */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async #end(first: NodeJS.Signals): Promise<void> {
    const processes = processesOfSession(this.pid);
    signal(processes, first);
    // A shell ends at once, and what it has started may take its time.
    const untilMs = performance.now() + STOP_MS_MAX;
    while (processes.some(runs)) {
      if (performance.now() > untilMs) signal(processes.filter(runs), "SIGKILL");
      await Bun.sleep(TRY_MS);
    }
    await this.#process.exited;
    this.#undo();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL");
    remove(this.options.output);
  }
}

/** To each by its number. */
function signal(processes: readonly { readonly pid: number }[], name: NodeJS.Signals): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended by itself.
    }
  }
}
