/**
 * `imagehub restore`: brings a day back from the archive.
 *
 * @module
 */

import { ArchiveProblem } from "../archive/root.ts";
import { DamagedDay } from "../archive/content.ts";
import { MissingDisk, type Restored, restoreDay } from "../archive/restore.ts";
import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
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
}

/**
 * Restores a day.
 *
 * @returns `EXIT.failure` if not all of it is there now
 * @throws {FatalError} if nothing can be restored
 */
export async function restore(day: string, options: RestoreOptions): Promise<ExitStatus> {
  const { archive, directory, today } = archiveWorkFor(options);
  const [date] = checkDates([day]) as [string];
  checkOver([date], today);
  refuseMissingDisk(directory);
  actAsOwner(directory, `restore ${date}`, true);
  using interruption = new Interruption();
  using progress = new Progress(`files of ${date}`);
  const isDryRun = options.dryRun === true;
  let restored: Restored;
  try {
    restored = await alone(directory, "archive", async () =>
      restoreDay(archive.directory, directory, date, {
        isDryRun,
        shouldStop: interruption.shouldStop,
        onProgress: (done, total) => progress.show(done, total),
      }),
    );
  } catch (cause) {
    const known = [ArchiveProblem, DamagedDay, MissingDisk, SystemError];
    const isKnown = known.some((each) => cause instanceof each);
    if (!isKnown) throw cause;
    throw new FatalError(EXIT.failure, `Cannot restore ${date}: ${(cause as Error).message}`, {
      cause,
    });
  }
  progress.end();
  const status = report(options, restored, formatRestored(date, restored, isDryRun));
  return restored.isStopped ? EXIT.failure : status;
}

/** @throws {FatalError} if systemd mounts a disk at the data directory that is not mounted */
function refuseMissingDisk({ path }: DataDirectory): void {
  const point = missingMounts(realPath(path), "").at(-1);
  if (point === undefined) return;
  const reason = `The disk of the data directory ${path} is missing: mount it with: sudo mount ${point}`;
  throw new FatalError(EXIT.data, reason);
}

/** What was restored, for a person. */
export function formatRestored(date: string, restored: Restored, isDryRun: boolean): string {
  const { files, bytes, same, isStopped } = restored;
  const lines = [
    `${isDryRun ? "Would restore" : "Restored"} ${counted(files, "file")} (${size(bytes)}) of ${date}` +
      (same > 0 ? `; there already: ${counted(same, "file")}` : ""),
  ];
  if (files > 0 && !isDryRun) {
    lines.push(
      "The rules of hub.keep may delete them again; imagehub protect keeps what you choose",
    );
  }
  if (isStopped) lines.push("Stopped; the same command continues");
  return lines.map((line) => `${escape(line)}\n`).join("");
}
