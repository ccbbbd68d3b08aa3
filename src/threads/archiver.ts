/**
 * Starts the thread that archives: every few minutes, if there is an archive. One runs at a time.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import type { Overview } from "../http/overview.ts";
import type { Log } from "../log/log.ts";
import { Reminder } from "../log/reminder.ts";
import type { Shared } from "../shared/memory.ts";
import type { ArchiverMessage, ToArchiver } from "../shared/messages.ts";
import { RoundThread } from "./round-thread.ts";

/** The first round, after that of the keeper, and the pause between rounds. */
const FIRST_MS = 10_000;
const ROUND_MS = 5 * 60_000;

/** How often an archive that was not there is looked for, in milliseconds. */
const AWAY_MS = 30_000;

/** What the archiver needs. */
export interface ArchiverParts {
  readonly settings: Settings;
  readonly shared: Shared;
  readonly overview: Pick<Overview, "archive">;
  readonly log: Log;
  readonly entries: { readonly archiver: URL };
}

/** The archiver of one hub. It lives in the main thread. */
export class Archiver {
  private readonly thread: RoundThread<ToArchiver, ArchiverMessage>;
  private timer: Timer | undefined;
  private startedMs = 0;
  private isAway = false;
  private readonly reminder: Reminder;

  /** @param onArchived is told that days are archived, so that they may be deleted now */
  constructor(
    private readonly parts: ArchiverParts,
    private readonly onArchived: () => void,
  ) {
    const { entries, log, overview } = parts;
    this.reminder = new Reminder(log);
    this.thread = new RoundThread({
      name: "archiver",
      entry: entries.archiver,
      log: this.reminder,
      watch: overview.archive.watch,
      onMessage: (message) => this.hear(message),
      onDeath: () => {},
      onEnd: () => {},
    });
  }

  /** Begins the rounds, if there is an archive. */
  begin(): void {
    if (this.parts.settings.archive.directory === "") return;
    this.timer = setTimeout(() => {
      this.start();
      this.timer = setInterval(() => this.startIfDue(), AWAY_MS);
    }, FIRST_MS);
  }

  /** Begins no more rounds, and ends the one that runs after the file in hand. */
  close(): void {
    clearTimeout(this.timer);
    clearInterval(this.timer);
    this.thread.tell({ type: "stop" });
  }

  private startIfDue(): void {
    if (this.isAway || performance.now() - this.startedMs >= ROUND_MS) this.start();
  }

  private start(): void {
    this.startedMs = performance.now();
    const { settings, shared, overview } = this.parts;
    const { watch, problem } = overview.archive;
    if (!watch.isBusy) return this.thread.begin({ type: "round", settings, shared });
    if (watch.isSilent && problem !== undefined) this.reminder.warn(problem);
  }

  private hear(message: ArchiverMessage): void {
    const { overview, log } = this.parts;
    switch (message.type) {
      case "log":
        if (message.level === "warn") this.reminder.warn(message.message);
        else log[message.level](message.message, message.fields);
        break;
      case "archived":
        overview.archive.add(message.round);
        this.isAway = message.round.isAway;
        if (message.round.problems.length === 0) this.reminder.clear();
        if (message.round.days.length > 0) this.onArchived();
        this.thread.end();
        break;
      case "busy":
        this.thread.end();
        break;
      case "progress":
    }
  }
}
