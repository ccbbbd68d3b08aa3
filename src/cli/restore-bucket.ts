/**
 * `imagehub restore --from-bucket`: brings days back from the bucket, such as all of them on a new
 * disk.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { IMAGES } from "../archive/layout.ts";
import { MissingDisk } from "../archive/restore.ts";
import { NAME } from "../config/replicate.ts";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { counted, size } from "../log/amounts.ts";
import { escape } from "../log/fields.ts";
import type { Inventory } from "../replicate/inventory.ts";
import { otherOwner } from "../replicate/owner.ts";
import { isEnded } from "../replicate/reader.ts";
import {
  makeFolders,
  type RestoredDay,
  restoreFromBucket,
  type RestoreParts,
} from "../replicate/restore.ts";
import { hubName } from "../s3/settings.ts";
import { DataDirectory } from "../store/data-directory.ts";
import { alone, checkDates, Interruption, report } from "./archive-work.ts";
import { actAsOwner } from "./as-owner.ts";
import { inventoryOf, readerFor } from "./bucket-reader.ts";
import { Progress } from "./progress.ts";
import { readTarget, refusalOf } from "./replicate-test.ts";
import {
  CONTINUES,
  MAY_GO,
  refuseMissingDisk,
  type RestoreOptions,
  withProtection,
} from "./restore.ts";
import { settingsFor } from "./settings-for.ts";

/** A day that was restored, and how many of its images are protected if that was asked for. */
type Outcome = RestoredDay & { readonly date: string; readonly protected?: number };

/**
 * Restores the given days, or all, the latest first: if the disk does not have room for all, it
 * gets the last ones.
 *
 * @returns `EXIT.failure` if not all of it is there now
 * @throws {FatalError} if nothing can be restored, or the store does not answer any more
 */
export async function restoreBucket(
  days: readonly string[],
  options: RestoreOptions,
): Promise<ExitStatus> {
  const wanted = checkDates(days);
  const { replicate, data_directory: data } = settingsFor(options);
  const target = readTarget(replicate);
  const directory = new DataDirectory(data);
  const isDryRun = options.dryRun === true;
  prepare(directory);
  using interruption = new Interruption();
  using progress = new Progress("files");
  const name = nameOf(options, hubName(replicate));
  const reader = readerFor({ target, replicate, name, interruption, progress });
  const work = new BucketWork({ directory, reader, isDryRun, options, progress });
  try {
    if (!isDryRun) makeFolders(directory);
    const inventory = await inventoryOf(reader);
    const run = async (): Promise<void> => await work.run(inventory, wanted);
    await (isDryRun ? run() : alone(directory, "restore", run));
    if (!isDryRun && name === hubName(replicate)) await work.tellOwner();
  } catch (cause) {
    if (!isEnded(cause)) throw refusalOf(cause) ?? failure(cause);
    work.isStopped = true;
  }
  progress.end();
  return work.report();
}

/** @throws {FatalError} if nothing can be restored to this data directory */
function prepare(directory: DataDirectory): void {
  const { path } = directory;
  refuseMissingDisk(directory);
  if (!existsSync(path))
    throw new FatalError(
      EXIT.data,
      `There is no ${path}: mount the disk of the data directory, or make it for the hub's user if it is new`,
    );
  actAsOwner(directory, "restore --from-bucket", true);
}

function nameOf({ hub }: RestoreOptions, own: string): string {
  if (hub === undefined) return own;
  if (NAME.test(hub) && !hub.includes("<")) return hub;
  throw new FatalError(EXIT.usage, `--hub is "${escape(hub)}", must be a name such as pi-barn`);
}

function failure(cause: unknown): FatalError {
  if (cause instanceof FatalError) return cause;
  const status = cause instanceof MissingDisk ? EXIT.data : EXIT.failure;
  return new FatalError(status, `Cannot restore: ${messageOf(cause)}`, { cause });
}

interface WorkParts extends Pick<RestoreParts, "reader" | "directory"> {
  readonly isDryRun: boolean;
  readonly options: RestoreOptions;
  readonly progress: Progress;
}

/** Restores one day after the other. */
class BucketWork {
  isStopped = false;
  private readonly days: Outcome[] = [];
  private readonly problems: string[] = [];
  private readonly notes: string[] = [];

  constructor(private readonly parts: WorkParts) {}

  async run(inventory: Inventory, wanted: readonly string[]): Promise<void> {
    const { dates } = inventory;
    const { reader } = this.parts;
    for (const date of wanted.filter((each) => !dates.includes(each)))
      this.problems.push(`${date} is not in ${reader.keys.of("")} of the bucket`);
    const chosen = wanted.length > 0 ? dates.filter((each) => wanted.includes(each)) : dates;
    for (const date of chosen.toReversed()) {
      const day = await this.restore(inventory, date);
      this.days.push({ date, ...day });
      this.problems.push(...day.problems);
      this.notes.push(...day.notes);
      this.isStopped = day.isStopped || day.isOver;
      if (this.isStopped) return;
    }
  }

  /** A new disk has another id than the one before. */
  async tellOwner(): Promise<void> {
    const { reader, directory } = this.parts;
    const { bucket, keys } = reader;
    const host = await otherOwner({ bucket, link: reader, keys, directory });
    if (host === undefined) return;
    this.notes.push(
      `${keys.of("")} in the bucket belongs to another data directory, on ${host}. If that hub is ` +
        "gone for good, imagehub replicate adopt lets this one go on there",
    );
  }

  report(): ExitStatus {
    const { days, problems, notes, isStopped, parts } = this;
    const sum = (count: (day: Outcome) => number): number =>
      days.reduce((total, day) => total + count(day), 0);
    const totals = {
      files: sum((day) => day.files),
      bytes: sum((day) => day.bytes),
      same: sum((day) => day.same),
      ...(parts.options.protect === true && { protected: sum((day) => day.protected ?? 0) }),
    };
    const result = {
      dry_run: parts.isDryRun,
      days: days.map(({ date, files, bytes, same }) => ({ date, files, bytes, same })),
      ...totals,
      problems,
      notes,
      stopped: isStopped,
    };
    const text = this.format(totals);
    const status = report(parts.options, result, text);
    return isStopped ? EXIT.failure : status;
  }

  private format({ files, bytes, same, protected: kept }: Totals): string {
    const { parts, days, notes, isStopped } = this;
    const what = `${counted(files, "file")} (${size(bytes)}) of ${counted(days.length, "day")}`;
    const there = same > 0 ? `; there already: ${counted(same, "file")}` : "";
    const lines = [`${parts.isDryRun ? "Would restore" : "Restored"} ${what}${there}`];
    if (kept !== undefined && !parts.isDryRun) lines.push(`Protected: ${counted(kept, "image")}`);
    else if (files > 0 && !parts.isDryRun) lines.push(MAY_GO);
    lines.push(...notes);
    if (isStopped) lines.push(CONTINUES);
    return lines.map((line) => `${escape(line)}\n`).join("");
  }

  private async restore(
    inventory: Inventory,
    date: string,
  ): Promise<RestoredDay & { readonly protected?: number }> {
    const { directory, reader, isDryRun, options, progress } = this.parts;
    const names = new Set<string>();
    const bringBack = async (): Promise<RestoredDay> =>
      await restoreFromBucket({ reader, inventory, directory }, date, {
        isDryRun,
        onProgress: (done, total) => progress.show(done, total, `files of ${date}`),
        onThere: ({ part, name }) => part === IMAGES && names.add(name),
      });
    if (options.protect !== true || isDryRun) return await bringBack();
    // No rule deletes an image before it is protected.
    return await alone(directory, "prune", async () =>
      withProtection(directory, { date, isWhole: false, names }, await bringBack()),
    );
  }
}

interface Totals {
  readonly files: number;
  readonly bytes: number;
  readonly same: number;
  readonly protected?: number;
}
