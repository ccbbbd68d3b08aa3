/**
 * Which days have not changed since they were last found whole in the archive. It saves a look at
 * each of their files, every few minutes for years. Nothing is ever deleted on its word.
 *
 * @module
 */

import { unlessMissing } from "../os/missing.ts";
import { stampOf } from "../os/stamp.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { dateOfTar, IMAGES, logMember, MANIFESTS, manifestName } from "./layout.ts";
import type { ArchiveRoot } from "./root.ts";

/** The days of one archiver. It remembers them as long as its thread lives. */
export class UnchangedDays {
  private readonly stamps = new Map<string, string>();
  /** The tars of the archive by their days, by one look for a round. */
  private tars: ReadonlyMap<string | undefined, readonly string[]> = new Map();
  private root: ArchiveRoot | undefined;

  constructor(private readonly directory: DataDirectory) {}

  /**
   * What changes when a name in the folders of a day does, here or in the archive, when its event
   * log, its manifest or a tar does, or when it is another archive.
   *
   * @throws {SystemError} and {Error} of node:fs
   */
  stampOf(root: ArchiveRoot, date: string): string {
    const { directory } = this;
    const log = logMember(date).path;
    const paths = [
      directory.dateFolder(date),
      directory.keptFolder(date),
      `${directory.path}/${log}`,
      ...[
        `${MANIFESTS}/${manifestName(date)}`,
        `${IMAGES}/${date}`,
        log,
        ...(this.tarsIn(root).get(date) ?? []),
      ].map((path) => `${root.path}/${path}`),
    ];
    const stamps = paths.map((path) => unlessMissing(() => stampOf(path)));
    return [root.identity, ...stamps.map((stamp) => stamp ?? "none")].join("; ");
  }

  private tarsIn(root: ArchiveRoot): UnchangedDays["tars"] {
    if (this.root !== root) {
      this.root = root;
      this.tars = Map.groupBy(root.folder.names().toSorted(), (name) => dateOfTar(name));
    }
    return this.tars;
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
