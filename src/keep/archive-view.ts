/**
 * The archive as deleting asks it: only what is in it may go, if the settings say so.
 *
 * @module
 */

import { Archive, type ArchivedDay } from "../archive/archive.ts";
import type { Settings } from "../config/schema.ts";
import type { Folder } from "../os/folder.ts";
import type { DataDirectory } from "../store/data-directory.ts";

/** The archive. It is asked each time: nothing remembers its answers. */
export class ArchiveView implements Disposable {
  /** Why it cannot be asked; undefined if it can. */
  readonly problem: string | undefined;
  /** The days that it has. */
  readonly dates: ReadonlySet<string>;
  private readonly archive: Archive;
  /** The day that was asked for last, held open. */
  private day: ArchivedDay | undefined;

  private constructor(settings: Settings["archive"], directory: DataDirectory) {
    this.archive = new Archive(settings, directory);
    this.problem = this.archive.problem();
    this.dates = new Set(this.problem === undefined ? this.archive.days() : []);
  }

  /**
   * @returns undefined if there is no archive to wait for
   * @throws {ArchiveProblem}, {SystemError} and {Error} of node:fs
   */
  static of(settings: Settings["archive"], directory: DataDirectory): ArchiveView | undefined {
    const isNeeded = settings.directory !== "" && settings.required;
    return isNeeded ? new ArchiveView(settings, directory) : undefined;
  }

  /**
   * Whether it has an image of a day, as it is in the folder of that day. The answers hold until
   * the next day is asked for.
   *
   * @throws {ArchiveProblem}, {DamagedDay}, {SystemError} and {Error} of node:fs
   */
  has(date: string): (name: string, folder: Folder) => boolean {
    const day = this.open(date);
    return (name, folder) => day?.has(name, folder.sizeOf(name) ?? -1) ?? false;
  }

  /** Whether it has the event log of a day, with this size in bytes. @throws as {@link has} */
  hasLog(date: string, size: number): boolean {
    return this.dates.has(date) && (this.open(date)?.hasLog(size) ?? false);
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
