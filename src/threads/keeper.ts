/**
 * Starts the thread that keeps order in the data directory: every few minutes, and when the disk
 * runs short. One runs at a time.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import type { Overview } from "../http/overview.ts";
import { ClockHistory } from "../keep/age.ts";
import type { Log } from "../log/log.ts";
import type { Shared } from "../shared/memory.ts";
import type { KeeperMessage, KeeperStart } from "../shared/messages.ts";
import { imagesByDate } from "../store/date-folders.ts";
import { startThread } from "./start.ts";

/** The first round, after the cameras have come back, and the pause between rounds. */
const FIRST_MS = 5000;
const ROUND_MS = 5 * 60_000;

/** How long a short disk is let be if the last round could delete nothing, in milliseconds. */
const HELPLESS_MS = 60_000;

/** How often the same problem, and a disk that will soon be full, is logged, in milliseconds. */
const REPEAT_MS = 24 * 3_600_000;

/** From when on a disk that fills is worth a warning, in days. */
const SOON_DAYS = 14;

/** What the keeper needs. */
export interface KeeperParts {
  readonly settings: Settings;
  readonly shared: Shared;
  readonly overview: Pick<Overview, "kept" | "today">;
  readonly log: Log;
  readonly entries: { readonly keeper: URL };
}

/** The keeper of one hub. It lives in the main thread. */
export class Keeper {
  private readonly history = new ClockHistory(performance.now());
  private worker: Worker | undefined;
  private timer: Timer | undefined;
  private isDueAgain = false;
  /** When a round was the last one that could delete nothing. */
  private helplessMs = Number.NEGATIVE_INFINITY;
  /** When each problem was logged. */
  private readonly saidMs = new Map<string, number>();

  constructor(private readonly parts: KeeperParts) {}

  /** Begins the rounds. */
  begin(): void {
    this.look();
    this.timer = setTimeout(() => {
      this.start();
      this.timer = setInterval(() => this.start(), ROUND_MS);
    }, FIRST_MS);
  }

  /** The disk is short of space. */
  startForSpace(): void {
    if (performance.now() - this.helplessMs > HELPLESS_MS) this.start();
  }

  /** Does a round now. If one runs, another follows it. */
  start(): void {
    if (this.worker !== undefined) {
      this.isDueAgain = true;
      return;
    }
    const { settings, shared, entries, log } = this.parts;
    const start: KeeperStart = { settings, shared, seen: this.look() };
    const worker = startThread(entries.keeper, "keeper", start);
    this.worker = worker;
    worker.onmessage = ({ data: message }: MessageEvent<KeeperMessage>) => this.hear(message);
    worker.onerror = ({ message }) => log.error(`The keeper has failed: ${message.trim()}`);
    worker.addEventListener("close", () => this.end());
  }

  /** Begins no more rounds. One that runs ends by itself. */
  close(): void {
    clearTimeout(this.timer);
    clearInterval(this.timer);
    this.timer = undefined;
    this.isDueAgain = false;
  }

  private end(): void {
    this.worker = undefined;
    if (!this.isDueAgain) return;
    this.isDueAgain = false;
    this.start();
  }

  private look(): KeeperStart["seen"] {
    const { shared, overview } = this.parts;
    return this.history.look(performance.now(), overview.today.date, imagesByDate(shared));
  }

  private hear(message: KeeperMessage): void {
    const { log, overview } = this.parts;
    if (message.type === "log") return log[message.level](message.message);
    overview.kept.add(message);
    const isHelpless = message.pruned.length === 0;
    this.helplessMs = isHelpless ? performance.now() : Number.NEGATIVE_INFINITY;
    for (const problem of message.problems) this.warn(problem, problem);
    const full = overview.kept.fullWithin(SOON_DAYS);
    if (full !== undefined) this.warn("full", full);
  }

  private warn(what: string, text: string): void {
    const now = performance.now();
    if (now - (this.saidMs.get(what) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return;
    this.saidMs.set(what, now);
    this.parts.log.warn(text);
  }
}
