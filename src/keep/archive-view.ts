/**
 * The archive as deleting asks it: only what is in it may go, if the settings say so.
 *
 * @module
 */

import { Archive, type ArchivedDay } from "../archive/archive.ts";
import type { Settings } from "../config/schema.ts";
import { Folder } from "../os/folder.ts";
import type { Copies } from "./copies.ts";
import type { DataDirectory } from "../store/data-directory.ts";

/** The archive. */
export class ArchiveView implements Copies, Disposable {
  readonly needs = "archived (archive.required)";
  readonly afterDays: number;
  readonly problem: string | undefined;
  readonly dates: ReadonlySet<string>;
  private readonly archive: Archive;
  /** The day that was asked for last, held open. */
  private day: ArchivedDay | undefined;

  private constructor(
    settings: Settings["archive"],
    private readonly directory: DataDirectory,
  ) {
    this.afterDays = settings.after_days;
    this.archive = new Archive(settings, directory);
    const { dates, problem } = this.archive.look();
    this.problem = problem;
    this.dates = new Set(dates);
  }

  /** @returns undefined if there is no archive to wait for */
  static of(settings: Settings["archive"], directory: DataDirectory): ArchiveView | undefined {
    const isNeeded = settings.directory !== "" && settings.required;
    return isNeeded ? new ArchiveView(settings, directory) : undefined;
  }

  /**
   * Whether it has an image of a day: both are compared with the manifest, so each answer may cost
   * the reading of both. The answers hold until the next day is asked for.
   *
   * @returns is given the name of an image, and the open folder of the day that it is in
   * @throws {ArchiveProblem}, {DamagedDay}, {SystemError} and {Error} of node:fs
   */
  has(date: string): (name: string, folder: Folder) => boolean {
    const day = this.open(date);
    return (name, folder) => day?.has(name, folder) ?? false;
  }

  /** Whether it has the event log of a day as it is here now. @throws as {@link has} */
  hasLog(date: string): boolean {
    if (!this.dates.has(date)) return false;
    // `logs` itself may be a link to another disk.
    using logs = Folder.open(`${this.directory.logs}/.`);
    return this.open(date)?.hasLog(logs) ?? false;
  }

  lacks(date: string): string {
    return `the archive has this day, but not what is here; see imagehub archive ${date}`;
  }

  private open(date: string): ArchivedDay | undefined {
    if (this.day?.date === date) return this.day;
    this.close();
    this.day = this.archive.open(date);
    return this.day;
  }

  private close(): void {
    this.day?.[Symbol.dispose]();
    this.day = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
