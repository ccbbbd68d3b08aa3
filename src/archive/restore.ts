/**
 * Brings a day back from the archive. Every file is compared with the manifest before it gets its
 * name. No file is overwritten, and nothing is written into the empty mount point of a disk.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { missingMountOf, realPathOf } from "../store/file-system.ts";
import { requireImages } from "../store/own-folder.ts";
import { ReadError, sumOf } from "./content.ts";
import { Holdings } from "./holdings.ts";
import { type Member, parseMember } from "./layout.ts";
import { HOW_TO_MEND, type Manifest, readManifest } from "./manifest.ts";
import { RestoreTarget } from "./restore-target.ts";
import { ArchiveProblem, ArchiveRoot } from "./root.ts";

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
  using target = new RestoreTarget(directory, date);
  return await new Restoring(manifest, holdings, target, options).run(date);
}

/** There is no data directory to restore to. */
export class MissingDisk extends Error {
  override readonly name = "MissingDisk";
}

/** @throws {MissingDisk} if the disk of a data directory is not mounted */
export function expectMount(directory: DataDirectory, fstab?: string): void {
  const missing = missingMountOf(realPathOf(directory.path), fstab);
  if (missing !== undefined) {
    throw new MissingDisk(
      `The disk of the data directory ${directory.path} is missing: mount it with: sudo mount ${missing}`,
    );
  }
}

function expectDisk(directory: DataDirectory, fstab?: string): void {
  expectMount(directory, fstab);
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
    private readonly target: RestoreTarget,
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
      const own = target.read(member, (content) => sumOf(content));
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
    const problem = this.target.lackOfRoom(bytes);
    if (problem !== undefined) this.problems.push(problem);
    return problem === undefined;
  }
}
