/**
 * One round of keeping order: counts what is held, decides what has to go, deletes it, and reports.
 * The hub does a round every few minutes, and `imagehub prune` does one.
 *
 * @module
 */

import { rmdirSync } from "node:fs";
import { protectedNames } from "../catalog/kept.ts";
import { type PruneRecord, rangesOf } from "../catalog/record.ts";
import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import { counted, firstOf } from "../log/amounts.ts";
import { daysAfter } from "../protocol/calendar.ts";
import type { SeenDays } from "../shared/messages.ts";
import { type DataDirectory, Part } from "../store/data-directory.ts";
import { DataDirectoryGone } from "../store/data-guard.ts";
import { referenceDate } from "./age.ts";
import {
  datesWithImages,
  decide,
  type Decision,
  deletable,
  FORCE,
  FULL_BYTES,
  FUTILE,
  meanBytes,
  otherFiles,
  unmetMessage,
} from "./decision.ts";
import type { Copies } from "./copies.ts";
import { EnoughBytes, EnoughFree } from "./enough.ts";
import { type Forecast, forecast } from "./forecast.ts";
import { countHoldings, type Holdings } from "./holdings.ts";
import { datedLogsIn, type OldLog, oldLogs, type PrunedLogs, pruneLogs } from "./old-logs.ts";
import type { Deletion, Plan } from "./plan.ts";
import { Pruner } from "./prune.ts";
import { Rules } from "./rules.ts";
import {
  isShort,
  missingBytes,
  NO_ROOM,
  type Space,
  spaceOf,
  together,
  withRoom,
} from "./space.ts";
import { recordsOf, Telling } from "./telling.ts";

/** What a round needs. */
export interface RoundParts {
  readonly directory: DataDirectory;
  readonly settings: Pick<Settings, "keep">;
  /** Whether the data directory is still the right one. @throws {DataDirectoryGone} if not */
  readonly check: (part: Part) => void;
  readonly seen: SeenDays;
  /** Whether deleting has just freed nothing, so that `min_free` waits. */
  readonly isFutile: boolean;
  /** How many bytes cameras have stored, from any beginning; 0 if that is not known. */
  readonly storedBytes: () => number;
  /** Images at or after this time are never deleted. */
  readonly until: { readonly date: string; readonly micros: number };
  /** Given if only what has copies may be deleted. */
  readonly copies: Copies | undefined;
  /** Whether to delete more than half of all images. */
  readonly isForced: boolean;
  /** Whether to change nothing. */
  readonly isRehearsal: boolean;
  readonly shouldStop: () => boolean;
  /** Appends a line to the event log, and flushes it. @throws {Error} if that fails */
  readonly appendEvent: (text: string) => void;
  readonly onCounted?: (done: number, total: number) => void;
  readonly onPruned?: (images: number) => void;
}

/** The outcome of a round. */
export interface Round {
  /** After the deletion. */
  readonly holdings: Holdings;
  readonly space: Space;
  readonly forecast: Forecast;
  readonly pruned: readonly PruneRecord[];
  /** Rules that are off or cannot be kept, and what could not be deleted; and why. */
  readonly problems: readonly string[];
  /** `keep.min_free` as it is in force: 0 if it is a mistake, less if it waits for a person. */
  readonly minFree: Settings["keep"]["min_free"];
  /** Whether `min_free` cannot be kept, whatever is deleted. */
  readonly isHelpless: boolean;
  /** Whether that is because deleting frees nothing. */
  readonly isFutile: boolean;
  /** Whether something could not be deleted. */
  readonly hasFailed: boolean;
  /** Whether something is due that only `--force` deletes. */
  readonly needsForce: boolean;
}

/** Does one round. @throws {DataDirectoryGone}, {SystemError} and {Error} of node:fs */
export async function runRound(parts: RoundParts): Promise<Round> {
  using runner = new Runner(parts);
  return await runner.run();
}

class Runner implements Disposable {
  private readonly failures: string[] = [];
  private readonly telling: Telling;
  /** Rules that cannot be kept. */
  private readonly unmet = new Set<string>();
  private isFutile: boolean;
  /** Images that `min_free` leaves, because deleting them frees nothing. */
  private linked = 0;
  /** What a rehearsal would have freed by now. */
  private imagined = NO_ROOM;

  constructor(private readonly parts: RoundParts) {
    this.telling = new Telling(parts, (message) => this.failures.push(message));
    this.isFutile = parts.isFutile;
  }

  async run(): Promise<Round> {
    const { directory, seen, isRehearsal } = this.parts;
    const { pruned } = this.telling;
    this.telling.tellEarlier();
    const held = this.count(false);
    const decided = this.decide(held);
    const { keep, plan } = decided;
    for (const reason of plan.unmet) if (reason !== "min_free") this.unmet.add(reason);
    for (const deletion of plan.deletions)
      if (deletion.reason !== "min_free") await this.pruneBySize(deletion, plan);
    await this.freeSpace(keep.min_free, plan, held);
    const logs = await this.pruneLogs(held);
    if (!isRehearsal && new Rules(keep).areAny) this.removeEmptyDays(held);
    this.telling.tellEarlier();
    const holdings = pruned.length > 0 && !isRehearsal ? this.count(false) : held;
    const space = spaceOf(directory);
    const problems = [...held.problems, ...decided.problems, ...logs.problems];
    return {
      holdings,
      space,
      forecast: forecast({
        // What frees nothing keeps no disk from filling.
        keep: this.isFutile ? { ...keep, min_free: 0 } : keep,
        holdings,
        space,
        today: seen.today,
        areWaiting: decided.areWaiting,
        ...deletable(this.parts, keep, holdings),
      }),
      pruned,
      problems: [
        ...problems,
        ...this.unmetMessages(plan, keep, otherFiles(held, space)),
        ...firstOf([...new Set(this.failures)]),
      ],
      minFree: keep.min_free,
      isHelpless: this.unmet.has("min_free"),
      isFutile: this.isFutile,
      hasFailed: this.failures.length > 0,
      needsForce: decided.needsForce || logs.needsForce,
    };
  }

  private count(anew: boolean): Holdings {
    const { directory, seen, isRehearsal, onCounted } = this.parts;
    const keeps = !isRehearsal;
    return countHoldings(directory, { today: seen.today, anew, keeps, onProgress: onCounted });
  }

  /**
   * Decides with the summaries. If something is to go for its age or for sizes, every file is
   * counted again before it is believed. `min_free` needs no count: it asks the disk.
   */
  private decide(held: Holdings): Decision {
    const { parts } = this;
    const first = decide(parts, held, spaceOf(parts.directory));
    if (first.plan.bytes === 0) return first;
    return decide(parts, this.count(true), spaceOf(parts.directory));
  }

  /** Deletes until the sizes of what is gone are enough. */
  private async pruneBySize(deletion: Deletion, plan: Plan): Promise<void> {
    const enough = new EnoughBytes(deletion.bytes);
    let next: Deletion | undefined = deletion;
    while (next !== undefined && !this.parts.shouldStop()) {
      await this.pruneImages(next, enough);
      if (enough.isReached() || deletion.bytes === Number.POSITIVE_INFINITY) return;
      next = plan.more(next, enough.missingBytes);
    }
    if (!this.parts.shouldStop()) this.unmet.add(deletion.reason);
  }

  /** The disk as it is; in a rehearsal, as it would be by now. */
  private space(): Space {
    return withRoom(spaceOf(this.parts.directory), this.imagined);
  }

  /** Deletes until the disk has enough free space. */
  private async freeSpace(
    minFree: Settings["keep"]["min_free"],
    plan: Plan,
    held: Holdings,
  ): Promise<void> {
    const { directory, isRehearsal, shouldStop, storedBytes } = this.parts;
    const look = (): Space => this.space();
    const isMet = (): boolean => !isShort(minFree, look());
    const missing = (): number => missingBytes(minFree, look(), meanBytes(held));
    if (isMet()) {
      this.isFutile = false;
      return;
    }
    const enough = new EnoughFree(directory, minFree, isRehearsal, storedBytes, look);
    let next = plan.deletions.find(({ reason }) => reason === "min_free");
    // The plan counts on what the other rules delete. That may have been less.
    if (!this.isFutile) next ??= plan.free(missing());
    while (next !== undefined && !shouldStop()) {
      await this.pruneImages(next, enough);
      this.isFutile = enough.isFutile();
      if (this.isFutile || isMet()) break;
      next = plan.more(next, missing());
    }
    this.linked = enough.linked;
    if (!isMet() && !shouldStop()) this.unmet.add("min_free");
  }

  private unmetMessages(plan: Plan, keep: Settings["keep"], others: string): string[] {
    const { needs, problem } = this.parts.copies ?? {};
    const waiting = plan.waiting.length;
    const rules = [...this.unmet].map((reason) => {
      if (reason === "min_free" && this.isFutile) return FUTILE;
      return unmetMessage({
        rule: `keep.${reason}`,
        minDays: keep.min_days,
        waiting,
        needs,
        problem,
        linked: reason === "min_free" ? this.linked : 0,
        hasFailed: this.failures.length > 0,
        others: reason === "min_free" ? others : "",
      });
    });
    if (waiting === 0 || rules.length > 0 || problem === undefined) return rules;
    return [`${counted(waiting, "day")} due to be deleted must be ${needs} first: ${problem}`];
  }

  private async pruneImages(deletion: Deletion, enough: EnoughBytes | EnoughFree): Promise<void> {
    const { parts } = this;
    const dates = deletion.candidates.map(({ date }) => date).toSorted();
    this.telling.begin({ reason: deletion.reason, from: dates[0]!, to: dates.at(-1)! });
    const { directory, copies } = parts;
    const pruner = new Pruner({
      directory,
      check: parts.check,
      protectedNames: (date) => protectedNames(directory, date),
      copies,
      until: parts.until,
      isUrgent: () => deletion.reason === "min_free" && isFull(spaceOf(directory)),
      shouldStop: parts.shouldStop,
      isRehearsal: parts.isRehearsal,
      onFailure: (message) => this.failures.push(message),
      ...(parts.onPruned && { onProgress: parts.onPruned }),
    });
    const pruned = await pruner.run(deletion, enough);
    if (parts.isRehearsal) this.imagined = together(this.imagined, pruned.freed);
    this.telling.finish(recordsOf(pruned));
    if (pruned.error !== undefined) throw pruned.error;
  }

  private async pruneLogs(
    held: Holdings,
  ): Promise<{ readonly problems: string[]; readonly needsForce: boolean }> {
    const { directory, settings, seen, isForced, isRehearsal, check } = this.parts;
    const { event_days: eventDays } = settings.keep;
    const onFailure = (message: string): void => void this.failures.push(message);
    const all = this.attempt("event logs", () => datedLogsIn(directory)) ?? [];
    const reference = referenceDate(seen, datesWithImages(held));
    const old: OldLog[] = [];
    for (const log of oldLogs(all, eventDays, reference, seen.today))
      if (await this.mayGo(log)) old.push(log);
    if (old.length === 0) return { problems: [], needsForce: false };
    if (all.length >= LOGS_MIN && old.length * 2 > all.length && !isForced) {
      const message = `keep.event_days would delete ${old.length} of ${counted(all.length, "event log")} at once: ${FORCE}`;
      return { problems: [message], needsForce: true };
    }
    this.telling.begin({ reason: "event_days", from: old[0]!.date, to: old.at(-1)!.date });
    const parts = { check: () => check(Part.logs), isRehearsal, onFailure };
    let pruned: PrunedLogs | undefined;
    try {
      pruned = this.attempt("event logs", () => pruneLogs(directory, old, parts));
    } finally {
      this.telling.finish(logRecordsOf(pruned));
    }
    return { problems: [], needsForce: false };
  }

  /** Whether there is a copy of a log, or need not be one. @throws {DataDirectoryGone} */
  private async mayGo({ date, name }: OldLog): Promise<boolean> {
    try {
      return (await this.parts.copies?.hasLog(date)) ?? true;
    } catch (error) {
      this.noteFailure(name, error);
      return false;
    }
  }

  /** Goes on with the rest if something cannot be deleted. @throws {DataDirectoryGone} */
  private attempt<T>(what: string, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      this.noteFailure(what, error);
      return undefined;
    }
  }

  private noteFailure(what: string, error: unknown): void {
    if (error instanceof DataDirectoryGone) throw error;
    this.failures.push(`Cannot delete ${what}: ${messageOf(error)}`);
  }

  [Symbol.dispose](): void {
    this.telling[Symbol.dispose]();
  }

  /** Removes folders of days that are over in which nothing is left. */
  private removeEmptyDays({ days }: Holdings): void {
    const { directory, seen, check } = this.parts;
    const yesterday = daysAfter(seen.today, -1);
    // A hub whose clock is wrong stores in other days.
    const inUse = new Set([...seen.storedLastDay, ...seen.storedLastHour]);
    const empty = days.filter(
      ({ date, images, foreign, unreadable }) =>
        images + foreign + unreadable === 0 && date < yesterday && !inUse.has(date),
    );
    if (empty.length > 0) check(Part.images);
    for (const { date } of empty) {
      try {
        rmdirSync(directory.dateFolder(date));
      } catch {
        // Something is in it, or it is gone.
      }
    }
  }
}

/** What was deleted of the logs, as a line tells it. */
function logRecordsOf(pruned: PrunedLogs | undefined): PruneRecord[] {
  if (pruned === undefined || pruned.dates.length === 0) return [];
  const { dates, bytes } = pruned;
  const count = dates.length;
  return [{ reason: "event_days", count, bytes, days: count, ranges: rangesOf(dates) }];
}

/** With fewer logs than this, most of them may be too old. */
const LOGS_MIN = 10;

/** The same as {@link FULL_BYTES}, in files. */
const FULL_FILES = 256;

function isFull({ freeBytes, freeFiles, sizeFiles }: Space): boolean {
  return freeBytes < FULL_BYTES || (sizeFiles > 0 && freeFiles < FULL_FILES);
}
