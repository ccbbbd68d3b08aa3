/**
 * Archives one day. The manifest comes last: whatever ends this before, the day does not count as
 * archived, and the next time continues with what is there.
 *
 * @module
 */

import { unlessMissing } from "../os/missing.ts";
import { counted } from "../log/amounts.ts";
import { SystemError } from "../os/ffi.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { contentOf, copyFile, ReadError, sumOf, sumOnDisk } from "./content.ts";
import { Holdings } from "./holdings.ts";
import { IMAGES, LOGS, type Member, sumName } from "./layout.ts";
import { formatManifest, type Manifest, readManifest, writeManifest } from "./manifest.ts";
import type { ArchiveRoot } from "./root.ts";
import { Source } from "./source.ts";
import { writeSum, writeTar } from "./tar.ts";

/** How a day is archived. */
export interface DayOptions {
  readonly format: "tree" | "tar";
  /** Whether files that are archived already are looked for in the archive, too. */
  readonly isThorough: boolean;
  /** Is told before each file how many of the day are done. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Whether to give up before the next file. */
  readonly shouldStop?: (() => boolean) | undefined;
  /** Whether nothing is to be written. */
  readonly isDryRun?: boolean | undefined;
}

/** What was done for a day. */
export interface DayOutcome {
  /** Files that were copied, and their bytes; or that would be. */
  readonly files: number;
  readonly bytes: number;
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
 * Errors that mean: not with this name, but with others. FAT allows some characters in no name.
 * exFAT through FUSE returns ENOENT.
 */
const NAME_REFUSED: ReadonlySet<string> = new Set([
  "EINVAL",
  "EILSEQ",
  "ENAMETOOLONG",
  "ENOENT",
  "EPROTO",
]);

/**
 * Archives what is not archived of a day.
 *
 * @throws {Stopped}
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
  private done = 0;
  private files = 0;
  private bytes = 0;

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
    const { source, root, date, options, problems } = this;
    const missing: Member[] = [];
    if (options.isThorough && source.members.length === 0 && this.manifest === undefined)
      problems.push("nothing is stored of it");
    for (const member of source.members) if (await this.isMissing(member)) missing.push(member);
    if (options.isDryRun === true) this.count(missing);
    else if (options.format === "tree") await this.copy(missing);
    else await this.pack(missing);
    const isNew = !this.isIncomplete && this.sums.size > (this.manifest?.sums.size ?? 0);
    if (isNew && options.isDryRun !== true) {
      this.completeTars();
      root.check();
      this.flushFolders();
      writeManifest(root, date, this.sums);
    }
    const { files, bytes } = this;
    return { files, bytes, foreign: source.foreign.length, isNew, problems: firstOf(problems) };
  }

  /** Whether a file is to be copied. Remembers the sum of one that is in the archive. */
  private async isMissing(member: Member): Promise<boolean> {
    const { manifest, sums, holdings, options } = this;
    const known = manifest?.sums.get(member.path);
    const held = known === undefined || options.isThorough ? holdings.find(member) : undefined;
    if (known === undefined && held === undefined) return true;
    await this.step();
    const entry = this.source.entry(member);
    // It was removed meanwhile.
    if (entry === undefined) return false;
    if (known !== undefined) {
      const isGone = options.isThorough && held === undefined;
      const isSame = !options.isThorough || held?.size === entry.size;
      // A file that was changed after that is newer than the manifest.
      if (isSame && entry.modifiedS <= manifest!.madeS) return false;
      if (this.sumOfSource(member) === known) return isGone;
      this.report(member, "is archived with another content, which stays as it is");
      return false;
    }
    // An earlier run ended before it made the manifest.
    const sum = this.sumOfSource(member);
    if (sum === undefined) return false;
    if (sum === holdings.read(member, sumOnDisk)) sums.set(member.path, sum);
    else this.fail(member, "is in the archive with another content; move that away");
    return false;
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
      this.bytes += this.source.entry(member)?.size ?? 0;
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
        name: this.holdings.nextTar(date),
        onMember: async () => await this.step(),
        manifest: (added) => formatManifest(new Map([...sums, ...added])),
      });
      for (const [path, sum] of written.sums) sums.set(path, sum);
      this.files += written.sums.size;
      this.bytes += written.bytes;
    } catch (error) {
      if (!(error instanceof ReadError)) throw error;
      this.isIncomplete = true;
      this.problems.push(error.message);
    }
  }

  /**
   * Makes the names durable before the manifest is, also those that an earlier run has made.
   */
  private flushFolders(): void {
    const { folder } = this.root;
    for (const part of [IMAGES, LOGS]) {
      unlessMissing(() => {
        using all = folder.folder(part);
        if (part === IMAGES) {
          unlessMissing(() => {
            using day = all.folder(this.date);
            day.flush();
          });
        }
        all.flush();
      });
    }
    folder.flush();
  }

  /** Writes the checksums of tars that an earlier run had no time for. */
  private completeTars(): void {
    for (const { name, fd } of this.holdings.tars) {
      if (this.root.folder.entry(sumName(name)) !== undefined) continue;
      writeSum(this.root, name, sumOnDisk(contentOf(fd)));
    }
  }

  private add(member: Member, sum: string, bytes: number): void {
    this.sums.set(member.path, sum);
    this.files++;
    this.bytes += bytes;
  }

  /** Lets other work of this thread have its turn, and checks that the archive is still there. */
  private async step(): Promise<void> {
    this.options.onProgress?.(this.done++, this.source.members.length);
    await new Promise((resolve) => setImmediate(resolve));
    if (this.options.shouldStop?.() === true) throw new Stopped("Stopped");
    this.root.check();
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

/** How many files with a problem are named. */
const PROBLEMS_MAX = 5;

function firstOf(problems: readonly string[]): string[] {
  const more = problems.length - PROBLEMS_MAX;
  const first = problems.slice(0, PROBLEMS_MAX);
  return more > 0 ? [...first, `and ${counted(more, "more file")} like these`] : first;
}

/** How many of them are tried: they may have four bytes each. */
const UNUSUAL_MAX = 40;

/**
 * The characters of a name that some file system refuses, such as FAT `:`. With them in the name of
 * the unfinished file, a name is refused before its file is copied.
 */
function unusualIn(name: string): string {
  return [...new Set(name.replaceAll(/[\w.-]/g, ""))].slice(0, UNUSUAL_MAX).join("");
}

function isNameRefused(error: unknown): error is SystemError {
  return (
    error instanceof SystemError &&
    ["open", "rename"].includes(error.syscall) &&
    NAME_REFUSED.has(error.code)
  );
}
