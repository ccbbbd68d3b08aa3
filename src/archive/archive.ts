/**
 * The archive, as the rest of the hub sees it: whether it can be used, which days it has, and
 * whether a file is in it. Each answer is read from the archive itself, now. Nothing that was
 * remembered may let a file be deleted.
 *
 * @module
 */

import { unlessMissing } from "../os/missing.ts";
import type { Settings } from "../config/schema.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { Holdings } from "./holdings.ts";
import { dateOfManifest, imageMember, logMember, MANIFESTS } from "./layout.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { ArchiveRoot } from "./root.ts";

/** The archive of a data directory. */
export class Archive {
  constructor(
    private readonly settings: Settings["archive"],
    private readonly directory: DataDirectory,
  ) {}

  /**
   * Why nothing can be archived now; undefined if it can, as far as that shows without writing. An
   * archive that is not mounted is such a problem.
   */
  problem(): string | undefined {
    try {
      using root = this.root();
      if (!root.isMarked) root.refuseUnmarked(this.directory);
      return undefined;
    } catch (error) {
      if (error instanceof Error) return error.message;
      throw error;
    }
  }

  /** The dates that are archived, the earliest first. @throws {ArchiveProblem} and {Error} */
  days(): string[] {
    using root = this.root();
    const names = unlessMissing(() => {
      using folder = root.folder.folder(MANIFESTS);
      return folder.names();
    });
    return (names ?? [])
      .map((name) => dateOfManifest(name))
      .filter((date) => date !== undefined)
      .toSorted();
  }

  /**
   * Opens an archived day. Only an archive with its mark counts.
   *
   * @param date such as `2018-12-30`
   * @returns undefined if the day is not archived
   * @throws {ArchiveProblem} if the archive is not there
   * @throws {DamagedDay} if the day is not what it must be
   * @throws {SystemError} and {Error} of node:fs if it cannot be read
   */
  open(date: string): ArchivedDay | undefined {
    const root = this.root();
    try {
      if (!root.isMarked) root.refuseUnmarked(this.directory);
      const manifest = root.isMarked ? readManifest(root.folder, date) : undefined;
      if (manifest !== undefined)
        return new ArchivedDay(root, date, manifest, new Holdings(root, date));
    } catch (error) {
      root[Symbol.dispose]();
      throw error;
    }
    root[Symbol.dispose]();
    return undefined;
  }

  private root(): ArchiveRoot {
    return ArchiveRoot.open(this.settings.directory, this.directory);
  }
}

/** A day that is archived. */
export class ArchivedDay implements Disposable {
  constructor(
    private readonly root: ArchiveRoot,
    readonly date: string,
    private readonly manifest: Manifest,
    private readonly holdings: Holdings,
  ) {}

  /**
   * Whether an image is in the manifest, and in the archive with its size at this moment.
   *
   * @throws {ArchiveProblem} if the archive's disk has gone
   * @throws {SystemError} if it cannot be read
   */
  has(name: string, size: number): boolean {
    const member = imageMember(this.date, name);
    if (!this.manifest.sums.has(member.path)) return false;
    this.root.check();
    return this.holdings.find(member)?.size === size;
  }

  /** The same for the event log of the day. @throws as {@link has} */
  hasLog(size: number): boolean {
    const member = logMember(this.date);
    if (!this.manifest.sums.has(member.path)) return false;
    this.root.check();
    return this.holdings.find(member)?.size === size;
  }

  [Symbol.dispose](): void {
    this.holdings[Symbol.dispose]();
    this.root[Symbol.dispose]();
  }
}
