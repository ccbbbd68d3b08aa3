/**
 * `imagehub restore`: brings a day back from the archive, or days from the bucket
 * (`restore-bucket.ts`).
 *
 * @module
 */

import { ArchiveProblem } from "../archive/root.ts";
import { DamagedDay } from "../archive/content.ts";
import { IMAGES } from "../archive/layout.ts";
import { MissingDisk, type Restored, restoreDay } from "../archive/restore.ts";
import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import { Protection } from "../keep/protect.ts";
import type { Selection } from "../keep/selection.ts";
import { SystemError } from "../os/ffi.ts";
import { escape } from "../log/fields.ts";
import { missingMounts, realPath } from "../service/mount.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import {
  alone,
  archiveWorkFor,
  type ArchiveWorkOptions,
  checkDates,
  checkOver,
  Interruption,
  report,
} from "./archive-work.ts";
import { actAsOwner } from "./as-owner.ts";
import { Progress } from "./progress.ts";
import { counted, size } from "../log/amounts.ts";

/** What `restore` was asked for. */
export interface RestoreOptions extends ArchiveWorkOptions {
  readonly dryRun?: boolean;
  readonly protect?: boolean;
  /** Whether the days come from the bucket, and of which hub; default: of this one. */
  readonly fromBucket?: boolean;
  readonly hub?: string;
}

/**
 * Restores a day from the archive, or days from the bucket: all, if none are given.
 *
 * @returns `EXIT.failure` if not all of it is there now
 * @throws {FatalError} if nothing can be restored
 */
export async function restore(
  days: readonly string[],
  options: RestoreOptions,
): Promise<ExitStatus> {
  if (options.fromBucket === true) {
    const { restoreBucket } = await import("./restore-bucket.ts");
    return await restoreBucket(days, options);
  }
  const [day, ...others] = days;
  if (day === undefined || others.length > 0)
    throw new FatalError(EXIT.usage, "Name one day to restore; --from-bucket restores several");
  if (options.hub !== undefined)
    throw new FatalError(EXIT.usage, "--hub names a folder of the bucket: add --from-bucket");
  return await restoreArchived(day, options);
}

async function restoreArchived(day: string, options: RestoreOptions): Promise<ExitStatus> {
  const { archive, directory, today } = archiveWorkFor(options);
  const [date] = checkDates([day]) as [string];
  checkOver([date], today);
  refuseMissingDisk(directory);
  actAsOwner(directory, `restore ${date}`, true);
  using interruption = new Interruption();
  using progress = new Progress(`files of ${date}`);
  const isDryRun = options.dryRun === true;
  const protects = options.protect === true && !isDryRun;
  const names = new Set<string>();
  const bringBack = async (): Promise<Restored> =>
    await alone(directory, "archive", async () =>
      restoreDay(archive.directory, directory, date, {
        isDryRun,
        shouldStop: interruption.shouldStop,
        onProgress: (done, total) => progress.show(done, total),
        onThere: ({ part, name }) => part === IMAGES && names.add(name),
      }),
    );
  let restored: Outcome;
  try {
    restored = protects
      ? // No rule deletes an image before it is protected.
        await alone(directory, "prune", async () =>
          withProtection(directory, { date, isWhole: false, names }, await bringBack()),
        )
      : await bringBack();
  } catch (cause) {
    const known = [ArchiveProblem, DamagedDay, MissingDisk, SystemError];
    const isKnown = known.some((each) => cause instanceof each);
    if (!isKnown) throw cause;
    throw new FatalError(EXIT.failure, `Cannot restore ${date}: ${(cause as Error).message}`, {
      cause,
    });
  }
  progress.end();
  const { isStopped, ...rest } = restored;
  const json = { dry_run: isDryRun, ...rest, stopped: isStopped };
  const text = formatRestored(date, restored, isDryRun);
  const status = report(options, options.json === true ? json : restored, text);
  return restored.isStopped ? EXIT.failure : status;
}

/** @throws {FatalError} if systemd mounts a disk at the data directory that is not mounted */
export function refuseMissingDisk({ path }: DataDirectory): void {
  const point = missingMounts(realPath(path), "").at(-1);
  if (point === undefined) return;
  const reason = `The disk of the data directory ${path} is missing: mount it with: sudo mount ${point}`;
  throw new FatalError(EXIT.data, reason);
}

/** What a person should know then. */
export const MAY_GO =
  "If hub.keep has rules, they may delete these files again; imagehub protect keeps what you choose";
export const CONTINUES = "Stopped; the same command continues";

/** A day that was restored. */
interface Outcome extends Restored {
  /** How many of its images are protected now; undefined if that was not asked for. */
  readonly protected?: number;
}

/** Protects what was restored. The lock for deleting must be held. */
export async function withProtection<T extends Pick<Restored, "problems">>(
  directory: DataDirectory,
  selection: Selection,
  restored: T,
): Promise<T & { readonly protected: number }> {
  const { done, already, problems } = await alone(directory, "protect", () =>
    new Protection(directory).protect([selection]),
  );
  return {
    ...restored,
    problems: [...restored.problems, ...problems],
    protected: done.images + already.images,
  };
}

/** What was restored, for a person. */
export function formatRestored(date: string, restored: Outcome, isDryRun: boolean): string {
  const { files, bytes, same, isStopped } = restored;
  const lines = [
    `${isDryRun ? "Would restore" : "Restored"} ${counted(files, "file")} (${size(bytes)}) of ${date}` +
      (same > 0 ? `; there already: ${counted(same, "file")}` : ""),
  ];
  if (restored.protected !== undefined)
    lines.push(`Protected: ${counted(restored.protected, "image")}`);
  else if (files > 0 && !isDryRun) lines.push(MAY_GO);
  if (isStopped) lines.push(CONTINUES);
  return lines.map((line) => `${escape(line)}\n`).join("");
}
