/**
 * One round of keeping order: counts what is held, decides what has to go, deletes it, and reports.
 * The hub does a round every few minutes, and `imagehub prune` does one.
 *
 * @module
 */

import { protectedNames } from "../catalog/kept.ts";
import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import { counted, size } from "../log/amounts.ts";
import type { SeenDays } from "../shared/messages.ts";
import { type DataDirectory, Part } from "../store/data-directory.ts";
import type { ArchiveView } from "./archive-view.ts";
import { referenceDate, youngDays } from "./age.ts";
import { type Forecast, forecast } from "./forecast.ts";
import { countHoldings, type Holdings } from "./holdings.ts";
import { type Intent, IntentNote } from "./intent.ts";
import { datedLogsIn, oldLogs, pruneLogs } from "./old-logs.ts";
import { type Deletion, type Plan, plan } from "./plan.ts";
import { type Pruned, Pruner } from "./prune.ts";
import { formatInterrupted, formatRecord, type PruneRecord } from "../catalog/record.ts";
import { Rules } from "./rules.ts";
import { saneRules } from "./sanity.ts";
import { missingBytes, type Space, spaceOf } from "./space.ts";

/** What a round needs. */
export interface RoundParts {
  readonly directory: DataDirectory;
  readonly settings: Pick<Settings, "keep" | "archive">;
  /** Whether the data directory is still the right one. @throws {DataDirectoryGone} if not */
  readonly check: (part: Part) => void;
  readonly seen: SeenDays;
  /** How fast the disk fills up, in bytes a second; 0 if that is not known. */
  readonly fillRate: number;
  /** Images at or after this time are never deleted. */
  readonly until: { readonly date: string; readonly micros: number };
  /** Given if only archived images may be deleted. */
  readonly archive: Pick<ArchiveView, "problem" | "dates" | "has" | "hasLog"> | undefined;
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
  /** Whether `min_free` cannot be kept, whatever is deleted. */
  readonly isHelpless: boolean;
  /** Whether something could not be deleted. */
  readonly hasFailed: boolean;
  /** Whether something is due that only `--force` deletes. */
  readonly needsForce: boolean;
}

/** Does one round. @throws {DataDirectoryGone}, {SystemError} and {Error} of node:fs */
export async function runRound(parts: RoundParts): Promise<Round> {
  return await new Runner(parts).run();
}

/** What was decided. */
interface Decision {
  readonly deletions: readonly Deletion[];
  /** The settings without the limits that can only be a mistake. */
  readonly keep: Settings["keep"];
  readonly problems: readonly string[];
  readonly needsForce: boolean;
  readonly isHelpless: boolean;
}

/** How many files and days that cannot be deleted are named. */
const FAILURES_MAX = 5;

class Runner {
  private readonly note: IntentNote;
  private readonly pruned: PruneRecord[] = [];
  private readonly failures: string[] = [];
  /** Deletions that no line tells of yet. */
  private untold: Intent[] = [];

  constructor(private readonly parts: RoundParts) {
    this.note = new IntentNote(parts.directory);
  }

  async run(): Promise<Round> {
    const { parts, pruned } = this;
    this.untold = parts.isRehearsal ? [] : this.note.read();
    this.tell();
    const held = this.count(false);
    const decision = this.decide(held);
    for (const deletion of decision.deletions) {
      if (!parts.shouldStop()) await this.pruneImages(deletion);
    }
    const logs = this.pruneLogs(held);
    this.tell();
    const holdings = pruned.length > 0 && !parts.isRehearsal ? this.count(false) : held;
    const space = spaceOf(parts.directory);
    return {
      holdings,
      space,
      forecast: forecast(decision.keep, holdings, space, parts.seen.today),
      pruned,
      problems: [...decision.problems, ...logs.problems, ...this.failureMessages()],
      isHelpless: decision.isHelpless,
      hasFailed: this.failures.length > 0,
      needsForce: decision.needsForce || logs.needsForce,
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
    const first = this.decideWith(held);
    return first.plan.bytes > 0 ? this.decideWith(this.count(true)) : first;
  }

  private decideWith(held: Holdings): Decision & { readonly plan: Plan } {
    const { directory, settings, seen, isForced } = this.parts;
    const space = spaceOf(directory);
    const { keep, problems: mistakes } = saneRules(settings.keep, held, space, seen.today);
    const found = this.planWith(keep, held, space);
    const isMost = found.bytes * 2 > held.bytes;
    const needsForce = isMost && !isForced;
    // An emergency on the disk does not wait for a person.
    const urgent = { ...keep, days: 0, max_bytes: 0, cameras: [] };
    const isIt = needsForce ? this.planWith(urgent, held, space) : found;
    return {
      keep,
      plan: isIt,
      deletions: isIt.deletions,
      needsForce,
      isHelpless: isIt.unmet.includes("min_free"),
      problems: [
        ...mistakes,
        ...(needsForce ? [mostMessage(found, held)] : []),
        ...this.unmetMessages(isIt, keep, otherFiles(held, space)),
      ],
    };
  }

  private planWith(keep: Settings["keep"], held: Holdings, space: Space): Plan {
    const { seen, fillRate, archive } = this.parts;
    const meanBytes = held.bytes / Math.max(1, held.images);
    const dates = datesWithImages(held);
    const unarchived =
      archive === undefined ? [] : dates.filter((date) => !archive.dates.has(date));
    return plan(new Rules(keep), {
      days: held.days.map(({ free }) => free),
      totalBytes: held.bytes,
      reference: referenceDate(seen, dates),
      young: youngDays(seen, dates, keep.min_days),
      spared: new Set(seen.storedLastDay),
      unarchived: new Set(unarchived),
      missingBytes: missingBytes(keep.min_free, space, meanBytes, fillRate),
    });
  }

  private unmetMessages(
    { unmet, waiting }: Plan,
    keep: Settings["keep"],
    others: string,
  ): string[] {
    const problem = this.parts.archive?.problem;
    const because = problem === undefined ? "" : `: ${problem}`;
    const rules = unmet.map((reason) =>
      waiting.length > 0
        ? `keep.${reason} cannot be kept: ${counted(waiting.length, "day")} must be archived first (archive.required)${because}`
        : `keep.${reason} cannot be kept: the rest is protected, or too young (keep.min_days is ${keep.min_days})${reason === "min_free" ? others : ""}`,
    );
    if (waiting.length === 0 || unmet.length > 0 || problem === undefined) return rules;
    return [
      `${counted(waiting.length, "day")} due to be deleted must be archived first: ${problem}`,
    ];
  }

  private async pruneImages(deletion: Deletion): Promise<void> {
    const { parts } = this;
    const dates = deletion.candidates.map(({ date }) => date).toSorted();
    this.begin({ reason: deletion.reason, from: dates[0]!, to: dates.at(-1)! });
    const { directory, archive } = parts;
    const pruner = new Pruner({
      directory,
      check: parts.check,
      protectedNames: (date) => protectedNames(directory, date),
      archived: archive && ((date) => archive.has(date)),
      until: parts.until,
      isUrgent: () => deletion.reason === "min_free" && isFull(spaceOf(directory)),
      shouldStop: parts.shouldStop,
      isRehearsal: parts.isRehearsal,
      onFailure: (message) => this.failures.push(message),
      ...(parts.onPruned && { onProgress: parts.onPruned }),
    });
    const pruned = await pruner.run(deletion);
    this.finish(recordOf(pruned));
    if (pruned.error !== undefined) throw pruned.error;
  }

  private pruneLogs(held: Holdings): { readonly problems: string[]; readonly needsForce: boolean } {
    const { directory, settings, seen, archive, isForced, isRehearsal, check } = this.parts;
    const all = datedLogsIn(directory);
    const reference = referenceDate(seen, datesWithImages(held));
    const old = oldLogs(all, settings.keep.event_days, reference).filter(
      (log) => archive === undefined || archive.hasLog(log.date),
    );
    if (old.length === 0) return { problems: [], needsForce: false };
    if (all.length >= LOGS_MIN && old.length * 2 > all.length && !isForced) {
      const message = `keep.event_days would delete ${old.length} of ${counted(all.length, "event log")} at once: ${FORCE}`;
      return { problems: [message], needsForce: true };
    }
    this.begin({ reason: "event_days", from: old[0]!.date, to: old.at(-1)!.date });
    const { dates, bytes } = pruneLogs(directory, old, {
      check: () => check(Part.logs),
      isRehearsal,
      onFailure: (message) => this.failures.push(message),
    });
    const [from, to] = [dates[0], dates.at(-1)];
    const count = dates.length;
    this.finish(
      from === undefined || to === undefined
        ? undefined
        : { reason: "event_days", count, bytes, days: count, from, to },
    );
    return { problems: [], needsForce: false };
  }

  private begin(intent: Intent): void {
    if (this.parts.isRehearsal) return;
    this.untold.push(intent);
    this.note.write(this.untold);
  }

  /** Tells what was deleted. If the event log takes nothing, the note stays for a later round. */
  private finish(record: PruneRecord | undefined): void {
    if (record !== undefined) this.pruned.push(record);
    if (this.parts.isRehearsal) return;
    if (record !== undefined && !this.append(formatRecord(record))) return;
    this.untold.pop();
    this.note.write(this.untold);
  }

  /** Tells of deletions that an earlier round has begun and not told. */
  private tell(): void {
    if (this.untold.length === 0) return;
    this.untold = this.untold.filter((intent) => !this.append(formatInterrupted(intent)));
    this.note.write(this.untold);
  }

  /** @returns whether the event log has the line. Deleting goes on without it */
  private append(text: string): boolean {
    try {
      this.parts.appendEvent(text);
      return true;
    } catch (error) {
      this.failures.push(`Cannot tell the event log what was deleted: ${messageOf(error)}`);
      return false;
    }
  }

  private failureMessages(): string[] {
    const messages = [...new Set(this.failures)];
    const more = messages.length - FAILURES_MAX;
    const shown = messages.slice(0, FAILURES_MAX);
    return more > 0 ? [...shown, `${counted(more, "more failure")} of this kind`] : shown;
  }
}

/** What else fills the disk, if it is most of it: deleting images does not help much then. */
function otherFiles({ bytes }: Holdings, { sizeBytes, freeBytes }: Space): string {
  const others = sizeBytes - freeBytes - bytes;
  return others * 2 > sizeBytes ? `. Other files take ${size(others)} of this disk` : "";
}

/** A folder without images says nothing about the days that there are. */
function datesWithImages({ days }: Holdings): string[] {
  return days.filter(({ images }) => images > 0).map(({ date }) => date);
}

/** With fewer logs than this, most of them may be too old. */
const LOGS_MIN = 10;

/** With less than this free, cameras may have to wait, in bytes and files. */
const FULL_BYTES = 16e6;
const FULL_FILES = 256;

function isFull({ freeBytes, freeFiles, sizeFiles }: Space): boolean {
  return freeBytes < FULL_BYTES || (sizeFiles > 0 && freeFiles < FULL_FILES);
}

const FORCE = "nothing is deleted until you run imagehub prune --force, or change the rules";

function mostMessage({ bytes }: Plan, held: Holdings): string {
  const percent = Math.floor((bytes / held.bytes) * 100);
  return `The rules would delete ${percent} % of all images at once: ${FORCE}`;
}

function recordOf({ reason, images, bytes, days }: Pruned): PruneRecord | undefined {
  const [first, last] = [days[0], days.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const cameras = new Set(days.flatMap((day) => day.cameras ?? []));
  const [camera] = cameras;
  return {
    reason,
    count: images,
    bytes,
    days: days.length,
    from: first.date,
    to: last.date,
    until: days.map(({ until }) => until).findLast((until) => until !== undefined),
    ...(cameras.size > 0 && {
      cameras: cameras.size === 1 ? camera : counted(cameras.size, "camera"),
    }),
  };
}
