/**
 * One measurement: starts a candidate on an empty data directory, runs the load against it, and
 * counts what it has stored.
 *
 * @module
 */

import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Candidate, dateFolder, Running } from "./candidates.ts";
import { type LoadOptions, type LoadResult, runLoad } from "./load.ts";
import type { Payload, PayloadName } from "./payloads.ts";
import { countStored, FILLER_PREFIX, progressOf } from "./stored.ts";
import { cpuSeconds, machineBusySeconds, residentMb } from "./usage.ts";
import {
  FILLER_FILES_SHORT,
  MEMORY_IMAGES,
  MEMORY_IMAGES_SHORT,
  type Variant,
  WARMUP_S,
  type Workload,
} from "./workloads.ts";
import { remove, roomFor, settle } from "./workspace.ts";

/** Maximum requests of one measurement, even if there is more room. */
const COUNT_MAX = 20_000_000;

/** Number of memory readings in the workload `memory`. */
const QUARTERS = 4;

/**
 * How long a candidate may continue to store what it has answered, and the quiet time after which
 * it counts as done, in milliseconds.
 */
const SETTLE_MS_MAX = 20_000;
const QUIET_MS = 1000;

/** Where and how to measure. */
export interface Bench {
  /** The load's executable. */
  readonly load: string;
  readonly folders: Readonly<Record<Workload["where"], string>>;
  readonly payloads: Readonly<Record<PayloadName, Payload>>;
  readonly seconds: number;
  /** Whether to do as little as possible. */
  readonly short: boolean;
  readonly writers: number;
  /** Threads of the load. */
  readonly threads: number;
}

/** The result of a measurement. */
export interface Measurement {
  /** Requests answered `OK`, in total, also outside the measured time. */
  readonly answered: number;
  /** Requests answered otherwise. */
  readonly refused: number;
  readonly unanswered: number;
  /** Requests stored whole; null for a peer whose data directory is unknown. */
  readonly stored: number | null;
  /** Requests answered `OK` but not stored whole. */
  readonly lost: number | null;
  /** Requests stored and answered per second, in the measured time. */
  readonly perSecond: number;
  readonly megabytesPerSecond: number;
  /** Processor time of the candidate and of the load, in percent of one core. */
  readonly cpuPercent: number;
  readonly loadCpuPercent: number;
  /** The same for everything else on the machine, to detect disturbances. */
  readonly othersCpuPercent: number;
  /** The candidate's processor time per message, in microseconds. */
  readonly cpuUsPerMessage: number;
  /** Resident memory at the end of the measured time, in MB. */
  readonly residentMb: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** In the workload `memory`: resident memory after each quarter, in MB. */
  readonly quartersMb?: readonly number[];
  /** In the workload `start`: time to the first answer. */
  readonly startMs?: number;
}

/** Processor time of the candidate and of the whole machine, and the measured time, in seconds. */
interface Used {
  readonly ownS: number;
  readonly busyS: number;
  readonly tookS: number;
}

const NOTHING_SENT: LoadResult = {
  ok: 0,
  other: 0,
  unanswered: 0,
  measured: 0,
  seconds: 0,
  p50Us: 0,
  p99Us: 0,
  maxUs: 0,
  cpuPercent: 0,
  firstOkEpochUs: 0,
};

/**
 * Makes the files of a full folder, or reuses those of an earlier measurement. @returns their
 * folder
 */
function filler(folder: string, count: number): string {
  const path = join(folder, `filler-of-${count}`);
  if (readdirSync(folder).includes(`filler-of-${count}`)) return path;
  mkdirSync(path);
  for (let number = 0; number < count; number++)
    writeFileSync(join(path, `${FILLER_PREFIX}${number}.jpg`), "");
  return path;
}

/** Waits until everything answered is stored, or nothing more arrives. */
async function settled(data: string, payload: Payload, answered: number): Promise<void> {
  const untilMs = performance.now() + SETTLE_MS_MAX;
  let [before, sinceMs] = [-1, performance.now()];
  while (performance.now() < untilMs) {
    const now = progressOf(data, payload);
    if (payload.kept === "file" && now >= answered) return;
    if (now !== before) [before, sinceMs] = [now, performance.now()];
    else if (performance.now() - sinceMs > QUIET_MS) return;
    await Bun.sleep(QUIET_MS / 10);
  }
}

/** A measurement in progress. */
class Attempt {
  readonly #payload: Payload;
  readonly #folder: string;
  readonly #data: string;
  #answered = 0;
  #stored = 0;

  constructor(
    private readonly bench: Bench,
    private readonly workload: Workload,
    private readonly variant: Variant,
    private readonly candidate: Candidate,
  ) {
    this.#payload = bench.payloads[workload.payload];
    this.#folder = bench.folders[workload.where];
    this.#data = candidate.data ?? join(this.#folder, "data");
  }

  get #isCounted(): boolean {
    return this.candidate.kind !== "peer" || this.candidate.data !== undefined;
  }

  get #seconds(): number {
    const { short, seconds } = this.bench;
    return short ? seconds : Math.max(seconds, this.workload.secondsMin ?? 0);
  }

  get #warmup(): number {
    return this.bench.short ? this.bench.seconds / 2 : WARMUP_S;
  }

  /** Counts what is stored whole. */
  #count(): void {
    if (this.#isCounted) this.#stored += countStored(this.#data, this.#payload).whole;
  }

  #load(endpoint: string, options: Partial<LoadOptions>): LoadOptions {
    const body = join(this.#folder, "payload");
    writeFileSync(body, this.#payload.body);
    const room = roomFor(
      this.#folder,
      this.#payload.kept === "file" ? this.#payload.body.length : 1,
    );
    const { senders, talking } = this.variant;
    return {
      endpoint,
      text: this.#payload.head,
      payload: body,
      senders,
      ...(talking !== undefined && { talking }),
      ...(this.workload.rate !== undefined && { rate: this.workload.rate }),
      threads: Math.min(this.bench.threads, talking ?? senders),
      count: Math.min(COUNT_MAX, room),
      ...options,
    };
  }

  async run(): Promise<Measurement> {
    remove(this.#data);
    mkdirSync(this.#data, { recursive: true });
    const { filler: full = 0 } = this.variant;
    const files =
      full === 0 ? undefined : filler(this.#folder, this.bench.short ? FILLER_FILES_SHORT : full);
    const today = dateFolder(this.#data);
    try {
      if (files !== undefined) {
        mkdirSync(join(today, ".."), { recursive: true });
        renameSync(files, today);
      }
      return await this.#measure();
    } finally {
      if (files !== undefined) {
        for (const name of readdirSync(today))
          if (!name.startsWith(FILLER_PREFIX)) rmSync(join(today, name));
        renameSync(today, files);
      }
      remove(this.#data);
      if (this.workload.where === "disk") settle(this.#folder);
    }
  }

  async #measure(): Promise<Measurement> {
    const { writers } = this.bench;
    const options = {
      data: this.#data,
      output: join(this.#folder, "output"),
      ack: this.workload.ack,
      writers,
    };
    if (this.workload.kind === "start") return await this.#start(options);
    await using running = new Running(this.candidate, options);
    await running.listening();
    const measurement = await this.#under(running);
    if (this.#payload.kept !== "file" || this.candidate.kind === "peer")
      await settled(this.#data, this.#payload, this.#answered);
    await running.stop();
    this.#count();
    // Count only what was also stored.
    const share =
      this.#answered > 0 && this.#isCounted ? Math.min(1, this.#stored / this.#answered) : 1;
    const perSecond = measurement.perSecond * share;
    const megabytesPerSecond = measurement.megabytesPerSecond * share;
    return { ...measurement, perSecond, megabytesPerSecond, ...this.#kept() };
  }

  /** The final count on the disk. */
  #kept(): Pick<Measurement, "stored" | "lost"> {
    if (!this.#isCounted) return { stored: null, lost: null };
    return { stored: this.#stored, lost: Math.max(0, this.#answered - this.#stored) };
  }

  async #under(running: Running): Promise<Measurement> {
    if (this.workload.kind === "idle") return await this.#idle(running);
    if (this.workload.kind === "memory") return await this.#memory(running);
    if (this.workload.kind === "paced") await this.#compile(running);
    return await this.#timed(running, { warmup: this.#warmup, seconds: this.#seconds });
  }

  /**
   * Warms up the candidate at full load, so its code is compiled: at a slow pace, that would take
   * an hour. Does not count.
   */
  async #compile(running: Running): Promise<void> {
    await this.#timed(running, { warmup: 0, seconds: this.#warmup, rate: 0 });
    if (this.#isCounted) {
      await settled(this.#data, this.#payload, this.#answered);
      this.#removeImages();
    }
    this.#answered = 0;
  }

  async #timed(running: Running, options: Partial<LoadOptions>): Promise<Measurement> {
    let [cpuS, busyS, fromMs, resident] = [0, 0, 0, 0];
    const used = { ownS: 0, busyS: 0, tookS: 0 };
    const result = await runLoad(this.bench.load, this.#load(running.endpoint, options), {
      measuring: () => {
        cpuS = cpuSeconds(running.pid);
        busyS = machineBusySeconds();
        fromMs = performance.now();
      },
      measured: () => {
        used.ownS = cpuSeconds(running.pid) - cpuS;
        used.busyS = machineBusySeconds() - busyS;
        used.tookS = (performance.now() - fromMs) / 1000;
        resident = residentMb(running.pid);
      },
    });
    this.#answered += result.ok;
    return this.#from(result, used, resident);
  }

  #from(result: LoadResult, { ownS, busyS, tookS }: Used, resident: number): Measurement {
    const perSecond = result.seconds > 0 ? result.measured / result.seconds : 0;
    return {
      answered: this.#answered,
      refused: result.other,
      unanswered: result.unanswered,
      stored: null,
      lost: null,
      perSecond,
      megabytesPerSecond: (perSecond * this.#payload.body.length) / 1e6,
      cpuPercent: tookS > 0 ? (ownS / tookS) * 100 : 0,
      loadCpuPercent: result.cpuPercent,
      othersCpuPercent:
        tookS > 0 ? Math.max(0, ((busyS - ownS) / tookS) * 100 - result.cpuPercent) : 0,
      cpuUsPerMessage: result.measured > 0 ? (ownS * 1e6) / result.measured : 0,
      residentMb: resident,
      p50Ms: result.p50Us / 1000,
      p99Ms: result.p99Us / 1000,
      maxMs: result.maxUs / 1000,
    };
  }

  async #idle(running: Running): Promise<Measurement> {
    await Bun.sleep(this.#warmup * 1000);
    const [cpuS, wasBusyS, fromMs] = [
      cpuSeconds(running.pid),
      machineBusySeconds(),
      performance.now(),
    ];
    await Bun.sleep(this.#seconds * 1000);
    const used = {
      ownS: cpuSeconds(running.pid) - cpuS,
      busyS: machineBusySeconds() - wasBusyS,
      tookS: (performance.now() - fromMs) / 1000,
    };
    return this.#from(NOTHING_SENT, used, residentMb(running.pid));
  }

  async #memory(running: Running): Promise<Measurement> {
    const count = (this.bench.short ? MEMORY_IMAGES_SHORT : MEMORY_IMAGES) / QUARTERS;
    const quartersMb: number[] = [];
    const quarters: Measurement[] = [];
    while (quarters.length < QUARTERS) {
      const quarter = await this.#timed(running, { warmup: 0, seconds: 0, count });
      await settled(this.#data, this.#payload, quarter.answered);
      quarters.push(quarter);
      quartersMb.push(residentMb(running.pid));
      // Count now, and keep only a quarter of the images at a time.
      this.#count();
      this.#removeImages();
    }
    const sum = (key: "refused" | "unanswered") =>
      quarters.reduce((total, quarter) => total + quarter[key], 0);
    return {
      ...quarters.at(-1)!,
      refused: sum("refused"),
      unanswered: sum("unanswered"),
      residentMb: quartersMb.at(-1)!,
      quartersMb,
    };
  }

  /** Removes the images and leaves their folders. */
  #removeImages(): void {
    const images = join(this.#data, "images");
    for (const entry of readdirSync(images, { recursive: true, withFileTypes: true }))
      if (!entry.isDirectory()) rmSync(join(entry.parentPath, entry.name));
  }

  async #start(options: ConstructorParameters<typeof Running>[1]): Promise<Measurement> {
    const { port, endpoint } = Running.place(this.candidate);
    const connecting = Promise.withResolvers<void>();
    const load = this.#load(endpoint, { greet: 0, warmup: 0, seconds: 0, count: 1 });
    const ended = runLoad(this.bench.load, load, { connecting: () => connecting.resolve() });
    await Promise.race([connecting.promise, ended]);
    await using running = new Running(this.candidate, options, port);
    const result = await ended;
    this.#answered = result.ok;
    const resident = residentMb(running.pid);
    if (this.candidate.kind === "peer") await settled(this.#data, this.#payload, result.ok);
    await running.stop();
    this.#count();
    const startMs = result.firstOkEpochUs / 1000 - running.startedMs;
    return {
      ...this.#from(result, { ownS: 0, busyS: 0, tookS: 0 }, resident),
      ...this.#kept(),
      startMs,
    };
  }
}

/** Measures a candidate once. @throws {Error} if that fails */
export async function measure(
  bench: Bench,
  workload: Workload,
  variant: Variant,
  candidate: Candidate,
): Promise<Measurement> {
  return await new Attempt(bench, workload, variant, candidate).run();
}
