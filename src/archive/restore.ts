/**
 * Brings a day back from the archive. Every file is compared with the manifest before it gets its
 * name. No file is overwritten, and nothing is written into the empty mount point of a disk.
 *
 * @module
 */

import { unlessMissing } from "../os/missing.ts";
import { realpathSync, statfsSync } from "node:fs";
import { messageOf } from "../errors.ts";
import { size } from "../log/amounts.ts";
import { close } from "../os/files.ts";
import { Folder } from "../os/folder.ts";
import { type DataDirectory, TEMPORARY_PREFIX } from "../store/data-directory.ts";
import { missingMountOf, realPathOf } from "../store/file-system.ts";
import { requireImages } from "../store/own-folder.ts";
import { type Content, contentOf, copyFile, ReadError, sumOf } from "./content.ts";
import { Holdings } from "./holdings.ts";
import { LOGS, type Member, parseMember } from "./layout.ts";
import { HOW_TO_MEND, type Manifest, readManifest } from "./manifest.ts";
import { ArchiveProblem, ArchiveRoot } from "./root.ts";

/** The file that is not finished. There is one at a time; the start of a hub removes it. */
const UNFINISHED = `${TEMPORARY_PREFIX}restore`;

/** Space that is left to a hub that stores meanwhile, in bytes; of a small disk, this part. */
const SPARE_BYTES = 64e6;
const SPARE_PART = 0.05;

/** What may be written to the disk of a folder, and what must be left of it, in bytes. */
export function roomIn(folder: string): {
  readonly freeBytes: number;
  readonly spareBytes: number;
} {
  const { bavail, blocks, bsize } = statfsSync(folder);
  return {
    freeBytes: bavail * bsize,
    spareBytes: Math.min(SPARE_BYTES, SPARE_PART * blocks * bsize),
  };
}

/** Used instead of a number of bytes. */
const NAME_TAKEN = -1;

/** How a day is restored. */
export interface RestoreOptions {
  readonly isDryRun?: boolean | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Asked before each file whether to stop there. */
  readonly shouldStop?: (() => boolean) | undefined;
  /** Is told of each file of the day that is there now with the content of the manifest. */
  readonly onThere?: ((member: Member) => void) | undefined;
  /** Tests have their own. */
  readonly fstab?: string | undefined;
}

/** What was restored. */
export interface Restored {
  /** Files that were brought back, and their bytes; or that would be. */
  readonly files: number;
  readonly bytes: number;
  /** Files that were there already, with the same content. */
  readonly same: number;
  /** What could not be brought back, and why; complete messages. */
  readonly problems: readonly string[];
  readonly isStopped: boolean;
}

/**
 * Restores a day. The lock for work on the archive (`store/work-lock.ts`) must be held.
 *
 * @param path the archive
 * @throws {ArchiveProblem} if the day is not in the archive, or the archive is not there
 * @throws {MissingDisk} if the data directory is not there, or its disk is missing
 * @throws {DamagedDay}, {SystemError} and {Error} of node:fs
 */
export async function restoreDay(
  path: string,
  directory: DataDirectory,
  date: string,
  options: RestoreOptions = {},
): Promise<Restored> {
  expectDisk(directory, options.fstab);
  using root = ArchiveRoot.open(path, directory);
  const manifest = readManifest(root.folder, date);
  if (manifest === undefined) {
    // Its disk may not be mounted.
    if (!root.isMarked) root.refuseUnmarked(directory);
    using unlisted = new Holdings(root, date);
    const advice = unlisted.paths().size > 0 ? `, but files: ${HOW_TO_MEND}` : "";
    throw new ArchiveProblem(
      `${date} is not in the archive ${path}: it has no manifest there${advice}`,
    );
  }
  using holdings = new Holdings(root, date);
  using target = new Target(directory, date);
  return await new Restoring(manifest, holdings, target, options).run(date);
}

/** There is no data directory to restore to. */
export class MissingDisk extends Error {
  override readonly name = "MissingDisk";
}

function expectDisk(directory: DataDirectory, fstab?: string): void {
  const missing = missingMountOf(realPathOf(directory.path), fstab);
  if (missing !== undefined) {
    throw new MissingDisk(
      `The disk of the data directory ${directory.path} is missing: mount it with: sudo mount ${missing}`,
    );
  }
  try {
    requireImages(directory);
  } catch (error) {
    throw new MissingDisk(messageOf(error), { cause: error });
  }
}

class Restoring {
  private readonly problems: string[] = [];
  private files = 0;
  private bytes = 0;
  private same = 0;

  constructor(
    private readonly manifest: Manifest,
    private readonly holdings: Holdings,
    private readonly target: Target,
    private readonly options: RestoreOptions,
  ) {}

  async run(date: string): Promise<Restored> {
    const members = [...this.manifest.sums.keys()].map((path) => parseMember(path, date)!);
    const missing = members.filter((member) => !this.target.has(member));
    const isRoom = this.checkRoom(missing);
    if (isRoom && this.options.isDryRun !== true) this.target.make();
    let isStopped = false;
    for (const [index, member] of members.entries()) {
      if (!isRoom) break;
      this.options.onProgress?.(index, members.length);
      await new Promise((resolve) => setImmediate(resolve));
      isStopped = this.options.shouldStop?.() === true;
      if (isStopped) break;
      try {
        this.restore(member);
      } catch (error) {
        if (!(error instanceof ReadError)) throw error;
        this.problems.push(`${member.path} cannot be read from the archive: ${messageOf(error)}`);
      }
    }
    if (this.options.isDryRun !== true) this.target.flush();
    const { files, bytes, same, problems } = this;
    return { files, bytes, same, problems, isStopped };
  }

  private restore(member: Member): void {
    const { holdings, target, manifest, options, problems } = this;
    const sum = manifest.sums.get(member.path)!;
    if (target.has(member)) {
      const own = target.sum(member);
      if (own === sum) {
        this.same++;
        options.onThere?.(member);
      } else problems.push(`${member.path} is stored with another content, which stays as it is`);
      return;
    }
    const modifiedS = holdings.find(member)?.modifiedS ?? 0;
    const bytes = holdings.read(member, (content) => {
      const isDone = options.isDryRun === true || target.put(member, content, modifiedS, sum);
      return isDone ? content.size : NAME_TAKEN;
    });
    if (bytes === undefined) problems.push(`${member.path} is missing in the archive`);
    else if (bytes === NAME_TAKEN) problems.push(`${member.path} came from elsewhere meanwhile`);
    else {
      this.files++;
      this.bytes += bytes;
      options.onThere?.(member);
    }
  }

  private checkRoom(missing: readonly Member[]): boolean {
    const bytes = missing.reduce((sum, each) => sum + (this.holdings.find(each)?.size ?? 0), 0);
    const { freeBytes, spareBytes } = this.target.room();
    if (bytes + spareBytes <= freeBytes || bytes === 0) return true;
    this.problems.push(
      `${size(bytes)} are needed, and ${size(spareBytes)} more for the hub: only ` +
        `${size(freeBytes)} are free`,
    );
    return false;
  }
}

/** Where the files go: the folders of the data directory. */
class Target implements Disposable {
  private readonly top: Folder;
  private readonly parts: Partial<Record<Member["part"], Folder>> = {};

  constructor(
    private readonly directory: DataDirectory,
    private readonly date: string,
  ) {
    this.top = Folder.open(realpathSync(directory.path));
    try {
      this.openExisting();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  has({ part, name }: Member): boolean {
    return this.parts[part]?.entry(name) !== undefined;
  }

  /** The sum of a file that is there. @throws {ReadError} */
  sum({ part, name }: Member): string | undefined {
    if (this.parts[part]?.entry(name)?.isFile !== true) return undefined;
    const fd = this.parts[part].openFile(name);
    try {
      return sumOf(contentOf(fd));
    } finally {
      close(fd);
    }
  }

  /** @returns false if the name is taken by now @throws {ReadError} {SystemError} {WrongCopy} */
  put({ part, name }: Member, content: Content, modifiedS: number, sum: string): boolean {
    const folder = this.parts[part]!;
    // Programs that watch a folder see only final names, unless it is on a disk of its own.
    const isNear = folder.entry(".")!.device === this.top.entry(".")!.device;
    const place = isNear ? this.top : folder;
    place.unlink(UNFINISHED);
    const copy = { content, modifiedS, place, unfinished: UNFINISHED, folder, name, sum };
    return copyFile(copy) !== undefined;
  }

  room(): ReturnType<typeof roomIn> {
    return roomIn(this.directory.images);
  }

  flush(): void {
    for (const folder of Object.values(this.parts)) folder.flush();
  }

  /** Makes the folders that are missing. @throws {SystemError} and {Error} of node:fs */
  make(): void {
    const { images, logs } = this.directory;
    // Both may be links to another disk.
    using all = Folder.open(realpathSync(images));
    this.parts.images ??= all.makeFolder(this.date);
    this.parts.logs ??=
      this.top.entry(LOGS) === undefined
        ? this.top.makeFolder(LOGS)
        : Folder.open(realpathSync(logs));
  }

  private openExisting(): void {
    const { images, logs } = this.directory;
    const folder = unlessMissing(() => {
      using all = Folder.open(realpathSync(images));
      return all.folder(this.date);
    });
    if (folder !== undefined) this.parts.images = folder;
    const logFolder = unlessMissing(() => Folder.open(realpathSync(logs)));
    if (logFolder !== undefined) this.parts.logs = logFolder;
  }

  [Symbol.dispose](): void {
    for (const folder of [this.top, ...Object.values(this.parts)]) folder[Symbol.dispose]();
  }
}
