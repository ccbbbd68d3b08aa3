/**
 * Protected images. A protected image has a second name in `kept`, so no rule deletes it, and it is
 * still there when its day in `images` is removed.
 *
 * The second name is a hard link, which takes no space. Where there are none, it is a copy. This is
 * begun in the data directory, where the start of a hub removes unfinished files. A death in the
 * middle leaves whole images, and the same command then does the rest.
 *
 * @module
 */

import { mkdirSync, rmdirSync } from "node:fs";
import type { Amount } from "../catalog/kept.ts";
import { SystemError } from "../os/ffi.ts";
import { close, fsyncDirectory, openDirectory, syncFileSystem } from "../os/files.ts";
import { type Entry, Folder } from "../os/folder.ts";
import { parseImageFileName } from "../protocol/names.ts";
import { createShared } from "../shared/memory.ts";
import { type DataDirectory, Part } from "../store/data-directory.ts";
import { DataGuard } from "../store/data-guard.ts";
import { UNSUPPORTED } from "../store/naming.ts";
import { copyInstead } from "./copy-instead.ts";
import { OpenDay, type Pair } from "./open-day.ts";
import { patternOf } from "./rules.ts";
import type { Selection } from "./selection.ts";

/** What became of the images. */
export interface ProtectionResult {
  /** Those that were protected, or are not protected any more. */
  readonly done: Amount;
  /** Those that were so already. */
  readonly already: Amount;
  /** Those of `done` that got another name as a copy, not as a link. */
  readonly copied: Amount;
  /** Those of `done` whose name in `images` was gone, and was given back. */
  readonly restored: Amount;
  /** What was left as it is, and why. */
  readonly problems: string[];
}

/** What {@link Protection} was asked for. */
export interface ProtectionOptions {
  /** Cameras that are meant, if not all, such as `Barn*`; see `patternOf` in `rules.ts`. */
  readonly camera?: string | undefined;
  /** Whether to change nothing. */
  readonly isRehearsal?: boolean;
  /** Is told how far it has come. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Protects and unprotects images of one data directory. Only one process may do this at a time. May
 * be used once.
 */
export class Protection {
  private readonly result: ProtectionResult = {
    done: { images: 0, bytes: 0 },
    already: { images: 0, bytes: 0 },
    copied: { images: 0, bytes: 0 },
    restored: { images: 0, bytes: 0 },
    problems: [],
  };
  private readonly guard: DataGuard;
  private readonly pattern: RegExp | undefined;
  private seen = 0;
  private total = 0;

  /** @throws {SystemError} if the data directory cannot be read */
  constructor(
    private readonly directory: DataDirectory,
    private readonly options: ProtectionOptions = {},
  ) {
    this.pattern = options.camera === undefined ? undefined : patternOf(options.camera);
    this.guard = new DataGuard(directory, createShared(1));
    this.guard.adopt();
  }

  /** Gives images their second names. @throws {SystemError} and {Error} of node:fs */
  protect(selections: readonly Selection[]): ProtectionResult {
    for (const selection of selections) {
      using day = new OpenDay(this.directory, selection.date);
      const names = this.namesOf(day, selection, [day.images, day.kept]);
      for (const name of names) this.protectOne(day, name);
      if (names.length > 0 && day.kept !== undefined) this.flush(day.kept, this.directory.kept);
    }
    return this.result;
  }

  /**
   * Removes their second names. An image whose name in `images` is gone first gets that back. So
   * this removes no image, and the rules decide about it again.
   *
   * @throws {SystemError} and {Error} of node:fs
   */
  unprotect(selections: readonly Selection[]): ProtectionResult {
    for (const selection of selections) {
      using day = new OpenDay(this.directory, selection.date);
      const all = this.namesOf(day, selection, [day.kept]);
      const names = all.filter((name) => this.shouldUnprotect(day, name));
      const gone = names.filter((name) => day.look(name).image === undefined);
      const lost = new Set(gone.filter((name) => !this.restore(day, name)));
      if (gone.length > 0 && day.images !== undefined)
        this.flush(day.images, this.directory.images);
      for (const name of names) if (!lost.has(name)) this.unprotectOne(day, name);
      if (names.length > 0) this.finish(day);
    }
    return this.result;
  }

  /** The names that are meant. @param folders in which all of a day are looked for */
  private namesOf(
    day: OpenDay,
    { date, isWhole, names }: Selection,
    folders: readonly (Folder | undefined)[],
  ): string[] {
    const all = isWhole ? this.meantIn(date, folders) : [];
    if (isWhole && this.meantIn(date, [day.images, day.kept]).length === 0) {
      const { camera } = this.options;
      this.problem(
        camera === undefined
          ? `There are no images of ${date} in ${this.directory.images}`
          : `No camera that matches ${camera} has images of ${date}`,
      );
    }
    const found = [...new Set(all).union(names)].toSorted();
    this.total += found.length;
    return found;
  }

  private meantIn(date: string, folders: readonly (Folder | undefined)[]): string[] {
    return folders
      .flatMap((folder) => folder?.names() ?? [])
      .filter((name) => {
        const parts = parseImageFileName(name, date);
        return parts !== undefined && this.pattern?.test(parts.camera) !== false;
      });
  }

  private protectOne(day: OpenDay, name: string): void {
    this.progress();
    const pair = day.look(name);
    const { image, kept } = pair;
    if (kept !== undefined) {
      if (image === undefined && kept.isFile) add(this.result.already, kept);
      else if (this.areSame(day, name, pair)) add(this.result.already, kept);
    } else if (image === undefined) this.problem(`There is no image ${day.imagesPath}/${name}`);
    else if (!image.isFile) this.inTheWay(day.imagesPath, name);
    else if (this.isRehearsal || this.giveSecond(day, name, image)) add(this.result.done, image);
  }

  private giveSecond(day: OpenDay, name: string, image: Entry): boolean {
    day.kept ??= this.makeKept(day);
    try {
      return this.give(day.images!, day.kept, name, image);
    } catch (error) {
      // Somebody may be removing images meanwhile.
      if (day.look(name).image !== undefined) throw error;
      this.problem(`${day.imagesPath}/${name} is gone meanwhile`);
      return false;
    }
  }

  private shouldUnprotect(day: OpenDay, name: string): boolean {
    this.progress();
    const pair = day.look(name);
    const { image, kept } = pair;
    if (kept !== undefined)
      return (image === undefined && kept.isFile) || this.areSame(day, name, pair);
    if (image?.isFile === true) add(this.result.already, image);
    else this.problem(`There is no image ${day.imagesPath}/${name}`);
    return false;
  }

  /** @returns false if it cannot have its name back, and so stays protected */
  private restore(day: OpenDay, name: string): boolean {
    const { kept } = day.look(name);
    if (kept === undefined) return true;
    if (!this.isRehearsal) {
      day.images ??= this.makeImages(day);
      if (!this.give(day.kept!, day.images, name, kept)) return false;
    }
    add(this.result.restored, kept);
    return true;
  }

  private unprotectOne(day: OpenDay, name: string): void {
    const { image, kept } = day.look(name);
    if (kept === undefined) return;
    if (!this.isRehearsal) {
      if (image === undefined) {
        this.problem(`${day.imagesPath}/${name} is gone meanwhile; it stays protected`);
        return;
      }
      day.kept!.unlink(name);
    }
    add(this.result.done, kept);
  }

  /**
   * Gives a file the same name in another folder: by a link, or as a copy where there are none.
   *
   * @returns false if it cannot have it there, which is a problem
   */
  private give(from: Folder, to: Folder, name: string, entry: Entry): boolean {
    try {
      from.link(name, to);
      return true;
    } catch (error) {
      if (!(error instanceof SystemError) || !UNSUPPORTED.has(error.code)) throw error;
    }
    const problem = copyInstead(this.directory, from, to, name, entry);
    if (problem === undefined) add(this.result.copied, entry);
    else this.problem(problem);
    return problem === undefined;
  }

  private makeKept({ keptPath }: OpenDay): Folder {
    this.guard.check(Part.images);
    for (const path of [this.directory.kept, keptPath]) makeIfMissing(path);
    return Folder.open(keptPath);
  }

  private makeImages({ date, imagesPath }: OpenDay): Folder {
    this.guard.makeDateFolder(date);
    return Folder.open(imagesPath);
  }

  /** Brings what got a name in a folder to the disk, with the folders above it. */
  private flush(folder: Folder, above: string): void {
    if (this.isRehearsal) return;
    const fd = openDirectory(folder.path);
    try {
      // The hub flushes an image a moment after it has stored it. A second name may come sooner.
      syncFileSystem(fd);
    } finally {
      close(fd);
    }
    folder.flush();
    for (const path of [above, this.directory.path]) fsyncDirectory(path);
  }

  /** Brings the removal of names to the disk, and removes the folder if it is empty now. */
  private finish({ kept, keptPath }: OpenDay): void {
    if (this.isRehearsal || kept === undefined) return;
    kept.flush();
    if (kept.names().length > 0) return;
    rmdirSync(keptPath);
    fsyncDirectory(this.directory.kept);
  }

  private get isRehearsal(): boolean {
    return this.options.isRehearsal === true;
  }

  /** Whether both names stand for the same image; if not, says so. */
  private areSame(day: OpenDay, name: string, pair: Pair): boolean {
    if (pair.kept?.isFile !== true) this.inTheWay(day.keptPath, name);
    else if (pair.image?.isFile !== true) this.inTheWay(day.imagesPath, name);
    else if (day.areSame(name, pair)) return true;
    else {
      const [kept, image] = [`${day.keptPath}/${name}`, `${day.imagesPath}/${name}`];
      this.problem(`${kept} has another content than ${image}: move one of them away`);
    }
    return false;
  }

  private inTheWay(folder: string, name: string): void {
    this.problem(`${folder}/${name} is no regular file: move it away`);
  }

  private problem(text: string): void {
    this.result.problems.push(text);
  }

  private progress(): void {
    this.options.onProgress?.(++this.seen, this.total);
  }
}

function add(amount: Amount, { size }: Entry): void {
  amount.images++;
  amount.bytes += size;
}

function makeIfMissing(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
