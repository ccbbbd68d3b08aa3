/**
 * Starts the thread that keeps order in the data directory: every few minutes, and when the disk
 * runs short. One runs at a time.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { URGENT_DAYS } from "../http/kept.ts";
import type { Overview } from "../http/overview.ts";
import { ClockHistory } from "../keep/age.ts";
import { isShort, spaceSoon } from "../keep/space.ts";
import type { Log } from "../log/log.ts";
import { Reminder } from "../log/reminder.ts";
import { bootMs } from "../os/time.ts";
import type { Shared } from "../shared/memory.ts";
import type { KeeperMessage, KeeperRound } from "../shared/messages.ts";
import { imagesByDate } from "../store/date-folders.ts";
import { RoundThread } from "./round-thread.ts";

/** The first round, after the cameras have come back, and the pause between rounds. */
const FIRST_MS = 5000;
const ROUND_MS = 5 * 60_000;

/** How often to look whether the disk is short of space, in milliseconds. */
const SPACE_MS = 1000;

/** How long a short disk is let be if the last round could not help, in milliseconds. */
const HELPLESS_MS = 20_000;

/**
 * If deleting frees nothing, the next try is ever later, up to this, in milliseconds. Each try
 * costs some images.
 */
const FUTILE_MS_MAX = 600_000;

/** What the keeper needs. */
export interface KeeperParts {
  readonly settings: Settings;
  readonly shared: Shared;
  readonly overview: Pick<Overview, "guard" | "kept" | "today">;
  readonly log: Log;
  readonly entries: { readonly keeper: URL };
}

/** The keeper of one hub. It lives in the main thread. */
export class Keeper {
  private readonly history = new ClockHistory(bootMs());
  private readonly thread: RoundThread<KeeperRound, KeeperMessage>;
  private timer: Timer | undefined;
  private spaceTimer: Timer | undefined;
  private isLooking = false;
  private isClosed = false;
  private isDueAgain = false;
  /** When a round was the last one that could not help. */
  private helplessMs = Number.NEGATIVE_INFINITY;
  /** When a round was the last one whose deletion freed nothing, and how long no other may try. */
  private futileMs = Number.NEGATIVE_INFINITY;
  private futilePauseMs = 0;
  /** Whether the round that runs was told to wait with `min_free`. */
  private isWaiting = false;
  private readonly reminder: Reminder;

  /** The free space to keep, as it is in force since the last round. */
  private minFree: Settings["keep"]["min_free"];

  constructor(private readonly parts: KeeperParts) {
    const { entries, log, overview, settings } = parts;
    this.minFree = settings.keep.min_free;
    this.reminder = new Reminder(log);
    this.thread = new RoundThread({
      name: "keeper",
      entry: entries.keeper,
      log: this.reminder,
      watch: overview.kept.watch,
      onMessage: (message) => this.hear(message),
      onDeath: () => (this.helplessMs = performance.now()),
      onEnd: () => this.startAgain(),
    });
  }

  /** Begins the rounds. */
  begin(): void {
    this.look();
    this.timer = setTimeout(() => {
      this.start();
      this.timer = setInterval(() => this.start(), ROUND_MS);
    }, FIRST_MS);
    if (Number(this.parts.settings.keep.min_free) !== 0)
      this.spaceTimer = setInterval(() => void this.lookAtSpace(), SPACE_MS);
  }

  /** Does a round now. If one runs, another follows it. */
  start(): void {
    if (this.isClosed) return;
    const { settings, shared, overview } = this.parts;
    const { watch, silence } = overview.kept;
    if (watch.isBusy) {
      this.isDueAgain = true;
      if (silence !== undefined) this.reminder.warn(silence);
      return;
    }
    this.isWaiting = this.isFutile;
    this.thread.begin({ settings, shared, seen: this.look(), isFutile: this.isWaiting });
  }

  /** Begins no more rounds. One that runs ends by itself. */
  close(): void {
    clearTimeout(this.timer);
    clearInterval(this.timer);
    clearInterval(this.spaceTimer);
    this.spaceTimer = undefined;
    this.isDueAgain = false;
    this.isClosed = true;
  }

  /** Does a round if the disk is short of space. */
  private async lookAtSpace(): Promise<void> {
    const { overview } = this.parts;
    this.look();
    // A disk that does not respond is asked once.
    if (this.isLooking || this.isFutile || performance.now() - this.helplessMs < HELPLESS_MS)
      return;
    this.isLooking = true;
    try {
      const space = await spaceSoon(overview.guard.directory);
      if (this.spaceTimer !== undefined && isShort(this.minFree, space)) this.start();
    } catch {
      // The folder is gone, or the disk is; others say so.
    } finally {
      this.isLooking = false;
    }
  }

  private startAgain(): void {
    if (!this.isDueAgain) return;
    this.isDueAgain = false;
    this.start();
  }

  /** Whether deleting has just freed nothing. */
  private get isFutile(): boolean {
    return performance.now() - this.futileMs < this.futilePauseMs;
  }

  private look(): KeeperRound["seen"] {
    const { shared, overview } = this.parts;
    return this.history.look(bootMs(), overview.today.date, imagesByDate(shared));
  }

  private hear(message: KeeperMessage): void {
    const { log, overview } = this.parts;
    if (message.type === "progress") return;
    if (message.type === "idle") return this.thread.end();
    if (message.type === "failed") {
      this.helplessMs = performance.now();
      overview.kept.fail(message.reason);
      return void this.reminder.warn(`Cannot keep order: ${message.reason}`);
    }
    if (message.type === "log") return log[message.level](message.message);
    overview.kept.add(message);
    this.minFree = message.minFree;
    this.helplessMs = message.isHelpless ? performance.now() : Number.NEGATIVE_INFINITY;
    if (!message.isFutile) this.futilePauseMs = 0;
    else if (!this.isWaiting) {
      this.futileMs = performance.now();
      this.futilePauseMs = Math.min(FUTILE_MS_MAX, this.futilePauseMs * 2 || HELPLESS_MS);
    }
    for (const problem of message.problems) this.reminder.warn(problem);
    const full = overview.kept.fullWithin(URGENT_DAYS);
    if (full !== undefined) this.reminder.warn(full);
  }
}
