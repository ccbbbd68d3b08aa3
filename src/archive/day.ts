/**
 * Archives one day. The manifest comes last: whatever ends this before, the day does not count as
 * archived, and the next time continues with what is there.
 *
 * @module
 */

import { firstOf } from "../log/amounts.ts";
import { SystemError } from "../os/ffi.ts";
import type { Entry } from "../os/folder.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { copyFile, ReadError, sumOf, sumOnDisk } from "./content.ts";
import { completeTars, flushFolders } from "./finish.ts";
import { Holdings } from "./holdings.ts";
import { IMAGES, LOGS, type Member } from "./layout.ts";
import { formatManifest, type Manifest, readManifest, writeManifest } from "./manifest.ts";
import type { ArchiveRoot } from "./root.ts";
import { isNameRefused, unusualIn } from "./refused.ts";
import { Source } from "./source.ts";
import { writeTar } from "./tar.ts";

/** How a day is archived. */
export interface DayOptions {
  readonly format: "tree" | "tar";
  /** Whether the copies of files that are archived already are read, and damaged ones replaced. */
  readonly isThorough: boolean;
  /** Is told before each file how many of the day are done. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Whether to give up before the next file. */
  readonly shouldStop?: (() => boolean) | undefined;
  /** Whether nothing is to be written. */
  readonly isDryRun?: boolean | undefined;
  /** Whether the data directory is still the right one. @throws {DataDirectoryGone} if not */
  readonly check?: (() => void) | undefined;
}

/** What was done for a day. */
export interface DayOutcome {
  /** Files that were copied, and their bytes; or that would be. */
  readonly files: number;
  readonly bytes: number;
  /** Those of them that replace a damaged copy. */
  readonly mended: number;
  readonly foreign: number;
  /** Whether the day got a manifest, or a new one. */
  readonly isNew: boolean;
  /** What is wrong with single files, the first ones; complete messages. */
  readonly problems: readonly string[];
}

/** It was asked to stop. */
export class Stopped extends Error {
  override readonly name = "Stopped";
}

/**
 * Archives what is not archived of a day.
 *
 * @throws {Stopped}
 * @throws {DataDirectoryGone}
 * @throws {ArchiveProblem} if the archive has gone
 * @throws {DamagedDay} if what it has of the day is not what it must be
 * @throws {SystemError}, {WrongCopy} and {Error} of node:fs if it cannot be written, or the folder
 * of the day not be read
 */
export async function archiveDay(
  root: ArchiveRoot,
  directory: DataDirectory,
  date: string,
  options: DayOptions,
): Promise<DayOutcome> {
  using source = new Source(directory, date);
  // What was opened before is in the right place.
  options.check?.();
  using holdings = new Holdings(root, date);
  return await new DayWork(root, source, holdings, date, options).run();
}

class DayWork {
  private readonly manifest: Manifest | undefined;
  /** What the manifest is going to say. */
  private readonly sums: Map<string, string>;
  private readonly problems: string[] = [];
  /** Whether a file is missing that the manifest ought to have. */
  private isIncomplete = false;
  /** The paths of files whose copies in the archive are damaged. */
  private readonly damaged = new Set<string>();
  private done = 0;
  private files = 0;
  private bytes = 0;
  private mended = 0;

  constructor(
    private readonly root: ArchiveRoot,
    private readonly source: Source,
    private readonly holdings: Holdings,
    private readonly date: string,
    private readonly options: DayOptions,
  ) {
    this.manifest = readManifest(root.folder, date);
    this.sums = new Map(this.manifest?.sums);
  }

  async run(): Promise<DayOutcome> {
    const { source, manifest, root, date, options, problems } = this;
    const missing: Member[] = [];
    /** In the archive, but in no manifest: an earlier run ended before it made that. */
    const unlisted: Member[] = [];
    if (options.isThorough && source.members.length === 0 && manifest === undefined)
      problems.push("nothing is stored of it");
    for (const member of source.members) {
      const known = manifest?.sums.get(member.path);
      if (known !== undefined) {
        if (await this.isToCopy(member, known, manifest!.madeS)) missing.push(member);
      } else if (this.holdings.find(member) === undefined) missing.push(member);
      else unlisted.push(member);
    }
    await this.store(missing, unlisted);
    const isNew = !this.isIncomplete && this.sums.size > (manifest?.sums.size ?? 0);
    if (options.isDryRun !== true) {
      root.check();
      if (!this.isIncomplete) completeTars(root, this.holdings);
      if (isNew || this.files > 0) flushFolders(root, date);
      if (isNew) writeManifest(root, date, this.sums);
    }
    const { files, bytes, mended } = this;
    const foreign = source.foreign.length;
    return { files, bytes, mended, foreign, isNew, problems: firstOf(problems) };
  }

  /** Whether a file of the manifest is to be copied again. */
  private async isToCopy(member: Member, known: string, madeS: number): Promise<boolean> {
    const { holdings, options, damaged } = this;
    await this.step();
    const entry = this.look(member);
    // It was removed meanwhile.
    if (entry === undefined) return false;
    const isLooked = options.isThorough || member.part === LOGS;
    const held = isLooked ? holdings.find(member) : undefined;
    const isGone = isLooked ? held === undefined : !holdings.lists(member);
    const isWhole = !isGone && (!options.isThorough || this.sumOfCopy(member) === known);
    // A file that was changed after that is newer than the manifest, unless its time was set back.
    const isChanged = (held !== undefined && held.size !== entry.size) || entry.modifiedS > madeS;
    if (isWhole && !isChanged && !options.isThorough) return false;
    const sum = this.sumOfSource(member);
    if (sum === undefined) return false;
    if (sum === known) {
      if (!isWhole && !isGone) damaged.add(member.path);
      return !isWhole;
    }
    const others = member.part === LOGS ? ": give each hub an archive of its own" : "";
    if (isWhole)
      this.report(member, `is archived with another content, which stays as it is${others}`);
    else this.report(member, "is damaged or missing in the archive, and has another content here");
    return false;
  }

  private async store(missing: readonly Member[], unlisted: readonly Member[]): Promise<void> {
    const { damaged, holdings, options } = this;
    const isTree = options.format === "tree";
    const isFile = (member: Member): boolean =>
      isTree || (damaged.has(member.path) && holdings.isFile(member));
    const { files = [], packed = [] } = Object.groupBy(missing, (member) =>
      isFile(member) ? "files" : "packed",
    );
    if (options.isDryRun === true) this.count(missing);
    else await this.copy(files);
    // What cannot be read would not be in the tar. Then there is no manifest, and what there is for
    // one need not be read.
    const readable = unlisted.length > 0 ? await this.readable(packed) : packed;
    if (!this.isIncomplete) for (const member of unlisted) await this.takeOver(member);
    if (options.isDryRun !== true) await this.pack(readable);
  }

  private async readable(members: readonly Member[]): Promise<Member[]> {
    const found: Member[] = [];
    for (const member of members) {
      await this.pause();
      if (this.sumOfSource(member) !== undefined) found.push(member);
    }
    return found;
  }

  /** Remembers the sum of a file that is in the archive. */
  private async takeOver(member: Member): Promise<void> {
    await this.step();
    const sum = this.sumOfSource(member);
    if (sum === undefined) return;
    if (sum === this.sumOfCopy(member)) this.sums.set(member.path, sum);
    else this.fail(member, "is in the archive with another content; move that away");
  }

  /** @returns undefined if it cannot be read */
  private sumOfCopy(member: Member): string | undefined {
    try {
      return this.holdings.read(member, sumOnDisk);
    } catch (error) {
      if (!(error instanceof ReadError) && !(error instanceof SystemError)) throw error;
      return undefined;
    }
  }

  /** Looks at a file. @returns undefined if it is gone, or cannot be looked at, which is told */
  private look(member: Member): Entry | undefined {
    try {
      return this.source.entry(member);
    } catch (error) {
      if (!(error instanceof ReadError)) throw error;
      this.fail(member, `cannot be read: ${error.message}`);
      return undefined;
    }
  }

  private sumOfSource(member: Member): string | undefined {
    try {
      return this.source.read(member, (content) => sumOf(content));
    } catch (error) {
      if (!(error instanceof ReadError)) throw error;
      this.fail(member, `cannot be read: ${error.message}`);
      return undefined;
    }
  }

  private count(missing: readonly Member[]): void {
    for (const member of missing) {
      this.files++;
      this.bytes += this.look(member)?.size ?? 0;
      if (this.damaged.has(member.path)) this.mended++;
      this.sums.set(member.path, "");
    }
  }

  /** Copies files into the folders of the archive. */
  private async copy(missing: readonly Member[]): Promise<void> {
    if (missing.length === 0) return;
    const { folder } = this.root;
    this.root.check();
    const isNeeded = (part: Member["part"]): boolean => missing.some((each) => each.part === part);
    using all = isNeeded(IMAGES) ? folder.makeFolder(IMAGES) : undefined;
    using images = all?.makeFolder(this.date);
    using logs = isNeeded(LOGS) ? folder.makeFolder(LOGS) : undefined;
    for (const member of missing) {
      await this.step();
      const into = (member.part === IMAGES ? images : logs)!;
      try {
        const entry = this.source.entry(member);
        this.source.read(member, (content) => {
          const sum = copyFile({
            content,
            modifiedS: entry?.modifiedS ?? 0,
            place: folder,
            unfinished: `${this.root.unfinished}${unusualIn(member.name)}`,
            folder: into,
            name: member.name,
            sum: this.manifest?.sums.get(member.path),
            replaces: this.damaged.has(member.path) && this.holdings.isFile(member),
          });
          if (sum === undefined) this.fail(member, "came into the archive from elsewhere");
          else this.add(member, sum, content.size);
        });
      } catch (error) {
        if (error instanceof ReadError) this.fail(member, `cannot be read: ${error.message}`);
        else if (isNameRefused(error)) {
          const advice = "with archive.format tar, any name can be archived";
          this.fail(member, `cannot have this name in the archive (${error.code}): ${advice}`);
        } else throw error;
      }
    }
  }

  /** Copies files into a tar. */
  private async pack(missing: readonly Member[]): Promise<void> {
    if (missing.length === 0) return;
    const { root, source, date, sums } = this;
    this.root.check();
    try {
      const written = await writeTar({
        root,
        source,
        members: missing,
        date,
        name: this.holdings.nextTar(),
        onMember: async () => await this.step(),
        onUnreadable: (member, reason) => this.fail(member, `cannot be read: ${reason}`),
        manifest: (added) => formatManifest(new Map([...sums, ...added])),
      });
      for (const [path, sum] of written.sums) {
        sums.set(path, sum);
        if (this.damaged.has(path)) this.mended++;
      }
      this.files += written.sums.size;
      this.bytes += written.bytes;
    } catch (error) {
      if (!(error instanceof ReadError)) throw error;
      this.isIncomplete = true;
      this.problems.push(error.message);
    }
  }

  private add(member: Member, sum: string, bytes: number): void {
    this.sums.set(member.path, sum);
    this.files++;
    this.bytes += bytes;
    if (this.damaged.has(member.path)) this.mended++;
  }

  private async step(): Promise<void> {
    this.options.onProgress?.(this.done++, this.source.members.length);
    await this.pause();
  }

  /** Lets other work of this thread have its turn, and checks that both disks are still there. */
  private async pause(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.options.shouldStop?.() === true) throw new Stopped("Stopped");
    this.root.check();
    this.options.check?.();
  }

  private report({ path }: Member, what: string): void {
    this.problems.push(`${path} ${what}`);
  }

  /** The day cannot be archived as it is. */
  private fail(member: Member, what: string): void {
    this.isIncomplete = true;
    this.report(member, what);
  }
}
