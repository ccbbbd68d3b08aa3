/**
 * The files of one day that are to be archived, from the data directory. An image that is only
 * among the protected ones is archived as the image that it was.
 *
 * @module
 */

import { unlessMissing } from "../os/missing.ts";
import { readdirSync, realpathSync } from "node:fs";
import { keptDates, openKept } from "../catalog/kept.ts";
import { messageOf } from "../errors.ts";
import { type Entry, Folder } from "../os/folder.ts";
import { type DataDirectory, dayOf, isTemporary } from "../store/data-directory.ts";
import { type Content, ReadError, readOnce } from "./content.ts";
import { dateOfLog, IMAGES, imageMember, isArchivable, logMember, type Member } from "./layout.ts";

/**
 * The dates that have images, protected ones or a dated log, the earliest first. @throws
 * {SystemError} and {Error} of node:fs
 */
export function datesOf(directory: DataDirectory): string[] {
  const { images, logs } = directory;
  const folders = readdirSync(images, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && dayOf(entry.name) !== undefined)
    .map(({ name }) => name);
  const dated = namesIn(logs)
    .map((name) => dateOfLog(name))
    .filter((date) => date !== undefined);
  const kept = unlessMissing(() => keptDates(directory)) ?? [];
  return [...new Set([...folders, ...kept, ...dated])].toSorted();
}

/** The files of a day. */
export class Source implements Disposable {
  private readonly folders: Readonly<Partial<Record<Member["part"], Folder>>>;
  private readonly kept: Folder | undefined;
  /** In the order of their paths. */
  readonly members: readonly Member[];
  /** Names in the folder of the day that are not those of the hub's images, or not of files. */
  readonly foreign: readonly string[];

  /**
   * Only a folder itself counts as that of a day, and not a link to one. `images` and `logs` may be
   * links to another disk.
   *
   * @throws {SystemError} and {Error} of node:fs
   */
  constructor(directory: DataDirectory, date: string) {
    const images = unlessMissing(() => {
      using all = Folder.open(realpathSync(directory.images));
      return all.folder(date);
    });
    const logs = unlessMissing(() => Folder.open(realpathSync(directory.logs)));
    this.folders = { ...(images && { images }), ...(logs && { logs }) };
    this.kept = unlessMissing(() => openKept(directory, date));
    const names = (images?.names() ?? []).filter((name) => !isTemporary(name));
    const known = new Set(names);
    const onlyKept = (this.kept?.names() ?? []).filter((name) => !known.has(name));
    const [files, foreign]: [Member[], string[]] = [[], []];
    for (const name of [...names, ...onlyKept].toSorted()) {
      const member = imageMember(date, name);
      // A name that is not UTF-8 is read as another one, and then not found, or found twice.
      const isTwice = files.at(-1)?.name === name;
      if (!isTwice && isArchivable(name, date) && this.isFile(member)) files.push(member);
      else if (known.has(name)) foreign.push(name);
    }
    this.foreign = foreign;
    const log = logMember(date);
    this.members = this.isFile(log) ? [...files, log] : files;
  }

  /** Looks at a file. @returns undefined if it is gone @throws {ReadError} */
  entry({ part, name }: Member): Entry | undefined {
    try {
      const found = this.folders[part]?.entry(name);
      return found ?? (part === IMAGES ? this.kept?.entry(name) : undefined);
    } catch (error) {
      throw new ReadError(messageOf(error), { cause: error });
    }
  }

  /**
   * Opens a file and hands it over.
   *
   * @returns undefined if it is gone
   * @throws {ReadError} if it cannot be opened
   */
  read<T>(member: Member, use: (content: Content) => T): T | undefined {
    const fd = this.open(member);
    return fd === undefined ? undefined : readOnce(fd, use);
  }

  /** Opens a file. Close it. @returns undefined if it is gone @throws {ReadError} */
  open({ part, name }: Member): number | undefined {
    try {
      const fd = unlessMissing(() => this.folders[part]?.openFile(name));
      if (fd !== undefined || part !== IMAGES) return fd;
      return unlessMissing(() => this.kept?.openFile(name));
    } catch (error) {
      throw new ReadError(messageOf(error), { cause: error });
    }
  }

  /** A damaged file counts: whoever reads it says so. */
  private isFile(member: Member): boolean {
    try {
      return this.entry(member)?.isFile === true;
    } catch (error) {
      if (error instanceof ReadError) return true;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const folder of Object.values(this.folders)) folder[Symbol.dispose]();
    this.kept?.[Symbol.dispose]();
  }
}

function namesIn(folder: string): string[] {
  return unlessMissing(() => readdirSync(folder)) ?? [];
}
