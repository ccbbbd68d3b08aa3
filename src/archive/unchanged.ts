/**
 * Which days have not changed since they were last found whole in the archive. It saves a look at
 * each of their files, every few minutes for years. Nothing is ever deleted on its word.
 *
 * @module
 */

import { unlessMissing } from "../os/missing.ts";
import { stampOf } from "../os/stamp.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { logMember, MANIFESTS, manifestName } from "./layout.ts";
import type { ArchiveRoot } from "./root.ts";

/** The days of one archiver. It remembers them as long as its thread lives. */
export class UnchangedDays {
  private readonly stamps = new Map<string, string>();

  constructor(private readonly directory: DataDirectory) {}

  /**
   * What changes when a name in the folders of a day does, when its event log does, when its
   * manifest does, or when it is another archive.
   */
  stampOf(root: ArchiveRoot, date: string): string {
    const { directory } = this;
    const log = `${directory.path}/${logMember(date).path}`;
    const manifest = `${root.path}/${MANIFESTS}/${manifestName(date)}`;
    const folders = [directory.dateFolder(date), directory.keptFolder(date)];
    const stamps = [...folders, log, manifest].map((path) => unlessMissing(() => stampOf(path)));
    return [root.identity, ...stamps.map((stamp) => stamp ?? "none")].join("; ");
  }

  /** Whether a day is as it was when it was whole. */
  has(date: string, found: string): boolean {
    return this.stamps.get(date) === found;
  }

  /** A day is whole in the archive. @param found its stamp, before it was looked at and after */
  add(date: string, found: string): void {
    this.stamps.set(date, found);
  }
}
