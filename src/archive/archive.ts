/**
 * The archive, as the rest of the hub sees it: whether it can be used, which days it has, and
 * whether a file is in it. Each answer is read from the archive itself, now. Nothing that was
 * remembered may let a file be deleted.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import { SystemError } from "../os/ffi.ts";
import { close, NotAFile } from "../os/files.ts";
import type { Folder } from "../os/folder.ts";
import { unlessMissing } from "../os/missing.ts";
import { type DataDirectory, dayOf } from "../store/data-directory.ts";
import { contentOf, ReadError, sumOf, sumOnDisk } from "./content.ts";
import { Holdings } from "./holdings.ts";
import {
  dateOfLog,
  dateOfManifest,
  dateOfTar,
  imageMember,
  IMAGES,
  logMember,
  LOGS,
  MANIFESTS,
  type Member,
} from "./layout.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { ArchiveRoot } from "./root.ts";

/** What an archive has. */
export interface ArchiveLook {
  /** The dates that are archived, the earliest first. */
  readonly dates: readonly string[];
  /** Why it cannot be used now, and no date is known; undefined if it can, as far as that shows. */
  readonly problem: string | undefined;
}

/** The archive of a data directory. */
export class Archive {
  constructor(
    private readonly settings: Settings["archive"],
    private readonly directory: DataDirectory,
  ) {}

  /** Looks at it, without writing. An archive that is not mounted is such a problem. */
  look(): ArchiveLook {
    try {
      using root = this.root();
      root.requireOwn(this.directory);
      return { dates: datesIn(root), problem: undefined };
    } catch (error) {
      return { dates: [], problem: messageOf(error) };
    }
  }

  /**
   * The dates of which it has any files, whether in a manifest or not.
   *
   * @throws {ArchiveProblem} if it is not there
   * @throws {SystemError}
   */
  datesWithFiles(): readonly string[] {
    using root = this.root();
    const { folder } = root;
    return [
      ...namesIn(folder, IMAGES).filter((name) => dayOf(name) !== undefined),
      ...namesIn(folder, LOGS).map((name) => dateOfLog(name)),
      ...folder.names().map((name) => dateOfTar(name)),
    ].filter((date) => date !== undefined);
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
      root.requireOwn(this.directory);
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

/** @throws {SystemError} */
function datesIn({ folder }: ArchiveRoot): string[] {
  return namesIn(folder, MANIFESTS)
    .map((name) => dateOfManifest(name))
    .filter((date) => date !== undefined)
    .toSorted();
}

/** What is in a folder of the archive; nothing if it is not there. @throws {SystemError} */
function namesIn(archive: Folder, name: string): string[] {
  const names = unlessMissing(() => {
    using folder = archive.folder(name);
    return folder.names();
  });
  return names ?? [];
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
   * Whether nothing is lost if an image is deleted: it is in the manifest, and both the image and
   * its copy are read now and have the manifest's sum. No time of a file says as much: the manifest
   * is made anew when something comes to its day.
   *
   * @param local the folder of the day, from which it is to be deleted
   * @throws {ArchiveProblem} if the archive's disk has gone
   * @throws {SystemError} if it cannot be looked at
   */
  has(name: string, local: Folder): boolean {
    return this.holds(imageMember(this.date, name), local);
  }

  /** The same for the event log of the day. @param local its folder @throws as {@link has} */
  hasLog(local: Folder): boolean {
    return this.holds(logMember(this.date), local);
  }

  private holds(member: Member, local: Folder): boolean {
    const { manifest, holdings, root } = this;
    const sum = manifest.sums.get(member.path);
    const size = sum === undefined ? -1 : (local.sizeOf(member.name) ?? -1);
    if (size < 0) return false;
    root.check();
    if (holdings.find(member)?.size !== size) return false;
    if (sumIfReadable(() => sumIn(local, member.name)) !== sum) return false;
    return sumIfReadable(() => holdings.read(member, sumOnDisk)) === sum;
  }

  [Symbol.dispose](): void {
    this.holdings[Symbol.dispose]();
    this.root[Symbol.dispose]();
  }
}

function sumIn(folder: Folder, name: string): string {
  const fd = folder.openFile(name);
  try {
    return sumOf(contentOf(fd));
  } finally {
    close(fd);
  }
}

/** One file that cannot be read says nothing about the others. */
function sumIfReadable(read: () => string | undefined): string | undefined {
  try {
    return read();
  } catch (error) {
    const isOne = [ReadError, SystemError, NotAFile].some((each) => error instanceof each);
    if (isOne) return undefined;
    throw error;
  }
}
