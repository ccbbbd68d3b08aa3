/**
 * What is measured: this hub from source or compiled, the yardsticks, and any other hub.
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
import { processesOfSession } from "./usage.ts";
import { remove } from "./workspace.ts";

/** How long a candidate may take to listen, and to end, in milliseconds. */
const START_MS_MAX = 30_000;
const STOP_MS_MAX = 15_000;

/** How often to check whether it listens or has ended, in milliseconds. */
const TRY_MS = 5;

/** Maximum images in a date folder: more than are ever sent. */
const IMAGES_MAX = 1_000_000_000;

const HALF_A_DAY_S = 43_200;

/** When a hub answers; its setting `ack`. */
export type Ack = "stored" | "received" | "synced" | "replicated";

/** How to start a candidate. */
export interface StartOptions {
  /** The data directory. It contains only what a workload has put there. */
  readonly data: string;
  /** The file for its output. */
  readonly output: string;
  readonly ack: Ack;
  readonly writers: number;
}

/** A program to measure. */
export interface Candidate {
  readonly name: string;
  readonly kind: "hub" | "yardstick" | "control" | "peer";
  /** Its data directory, if it cannot be chosen. */
  readonly data?: string;
  /** Its endpoint, if it cannot be chosen. */
  readonly endpoint?: string;
  /** The words of the command that starts it. */
  readonly command: (port: number, options: StartOptions) => readonly string[];
}

/**
 * The zone of each run, in which it is noon now, so no run crosses midnight; and its offset to UTC.
 */
const { zone: ZONE, behindS: BEHIND_S } = zoneBeforeMidnight(HALF_A_DAY_S);

/** How far that zone is behind UTC, in seconds. */
export const ZONE_BEHIND_S = BEHIND_S;

/** The folder of today's images in a data directory. */
export function dateFolder(data: string): string {
  return join(data, "images", new Date(Date.now() - BEHIND_S * 1000).toISOString().slice(0, 10));
}

/** This hub, from source or as this machine's executable. @throws {Error} if that was not built */
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

/** Makes the folders that the C programs need. @returns their arguments: endpoint and paths */
function placesOf(port: number, data: string): string[] {
  const images = dateFolder(data);
  mkdirSync(images, { recursive: true });
  mkdirSync(join(data, "logs"), { recursive: true });
  return [`tcp://127.0.0.1:${port}`, images, join(data, "logs/imagehub.log")];
}

/**
 * The C program that does the least. For `synced`, which needs several threads to be fast, it is
 * the one with workers.
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
 * The C program that keeps the hub's promises: it shows what these cost in any hub. It does not
 * make JPEGs from arrays.
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
 * @param command for the shell
 * @param data its data directory, if known; it must be empty or missing, because everything in it
 * is removed after each measurement
 * @throws {Error} if it is not empty
 */
export function peer(command: string, endpoint: string, data: string | undefined): Candidate {
  if (data !== undefined && existsSync(data) && readdirSync(data).length > 0)
    throw new Error(
      `Cannot use ${data} as --peer-data: it must be empty, because it is emptied after each measurement`,
    );
  return {
    name: "peer",
    kind: "peer",
    endpoint,
    ...(data !== undefined && { data }),
    command: () => ["/bin/sh", "-c", command],
  };
}

/** The environment, without settings for a hub except those of the measurement. */
function environment(
  { ack, writers }: StartOptions,
  httpPort: number,
): Record<string, string | undefined> {
  const foreign = /^(?:IMAGEHUB_|NOTIFY_SOCKET|JOURNAL_STREAM|WATCHDOG_)/;
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name))),
    TZ: ZONE,
    IMAGEHUB_BIND: "127.0.0.1",
    IMAGEHUB_MAX_IMAGES_WRITE: String(IMAGES_MAX),
    IMAGEHUB_ACK: ack,
    IMAGEHUB_WRITERS: String(writers),
    // As in an installed hub, except for the port.
    IMAGEHUB_HTTP_LISTEN: `127.0.0.1:${httpPort}`,
  };
}

/** Whether something listens at an endpoint. */
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

/** A running candidate. */
export class Running implements AsyncDisposable {
  readonly endpoint: string;
  /** The address of this hub's page. */
  readonly page: string;
  /** When it was started, in milliseconds since 1970. */
  readonly startedMs: number;
  readonly #process: Bun.Subprocess;
  readonly #undo: () => void;

  /** The endpoint that a candidate will use. */
  static place({ endpoint }: Candidate): { readonly port: number; readonly endpoint: string } {
    const port =
      endpoint === undefined ? freePort() : Number(new URL(endpoint.replace("tcp:", "http:")).port);
    return { port, endpoint: endpoint ?? `tcp://127.0.0.1:${port}` };
  }

  constructor(
    readonly candidate: Candidate,
    private readonly options: StartOptions,
    port = Running.place(candidate).port,
  ) {
    this.endpoint = candidate.endpoint ?? `tcp://127.0.0.1:${port}`;
    const command = [...candidate.command(port, options)];
    const httpPort = freePort();
    this.page = `http://127.0.0.1:${httpPort}`;
    const env = environment(options, httpPort);
    this.startedMs = performance.timeOrigin + performance.now();
    const file = Bun.file(options.output);
    // Its own session identifies everything it starts, even after a shell in between has ended.
    this.#process = Bun.spawn(command, { env, stdio: ["ignore", file, file], detached: true });
    this.#undo = atExit(() => signal(processesOfSession(this.pid), "SIGKILL"));
  }

  get pid(): number {
    return this.#process.pid;
  }

  get #runs(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Waits until it listens. @throws {Error} with its output if it does not */
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
   * Asks it and everything it has started to end, and kills what does not. Returns when all have
   * ended.
   */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async #end(first: NodeJS.Signals): Promise<void> {
    signal(processesOfSession(this.pid), first);
    // A shell ends at once, but what it has started may take longer, and start more.
    const untilMs = performance.now() + STOP_MS_MAX;
    for (;;) {
      const left = processesOfSession(this.pid);
      if (left.length === 0) break;
      if (performance.now() > untilMs) signal(left, "SIGKILL");
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

/** Sends a signal to each process. */
function signal(processes: readonly number[], name: NodeJS.Signals): void {
  for (const pid of processes) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended already.
    }
  }
}
