/**
 * The files of one day that are in the archive, in folders or in tars, whatever `format` is now.
 * What is asked is looked up in the archive itself; only the places in a tar are kept, for as long
 * as it is open.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { unlessMissing } from "../os/missing.ts";
import { close } from "../os/files.ts";
import type { Folder } from "../os/folder.ts";
import { type Content, contentOf } from "./content.ts";
import {
  imageMember,
  IMAGES,
  logMember,
  LOGS,
  type Member,
  parseMember,
  tarName,
  tarNumber,
} from "./layout.ts";
import type { ArchiveRoot } from "./root.ts";
import { indexOf, type Place } from "./tar-index.ts";

/** A tar of the day, held open. */
interface Tar {
  readonly name: string;
  readonly number: number;
  readonly fd: number;
  readonly size: number;
  readonly inode: bigint;
  readonly places: ReadonlyMap<string, Place>;
}

/** A member that is in the archive. */
export interface Held {
  readonly size: number;
  readonly modifiedS: number;
}

/** What the archive has of a day. */
export class Holdings implements Disposable {
  private readonly folders: Readonly<Partial<Record<Member["part"], Folder>>>;
  readonly tars: readonly Tar[];
  /** The names of images that are files of their own. */
  private names: ReadonlySet<string> | undefined;

  /**
   * @throws {DamagedDay} if a tar of the day is none
   * @throws {SystemError} and {Error} of node:fs
   */
  constructor(
    private readonly root: ArchiveRoot,
    private readonly date: string,
  ) {
    const { folder } = root;
    const images = unlessMissing(() => {
      using all = folder.folder(IMAGES);
      return all.folder(date);
    });
    const logs = unlessMissing(() => folder.folder(LOGS));
    this.folders = { ...(images && { images }), ...(logs && { logs }) };
    const tars: Tar[] = [];
    this.tars = tars;
    try {
      for (const name of folder.names()) {
        const number = tarNumber(name, date);
        if (number !== undefined) tars.push(openTar(folder, name, number));
      }
      tars.sort((a, b) => a.number - b.number);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Looks for a member now. @returns undefined if it is not there whole @throws {SystemError} */
  find(member: Member): Held | undefined {
    const entry = this.folders[member.part]?.entry(member.name);
    if (entry?.isFile === true) return entry;
    const tar = this.tarOf(member);
    if (tar === undefined) return undefined;
    const now = this.root.folder.entry(tar.name);
    if (now?.inode !== tar.inode || now.size < tar.size) return undefined;
    return tar.places.get(member.path);
  }

  /**
   * Whether a member is there at all, by one look at the folder for all images together: a look at
   * each of them takes long on a NAS.
   *
   * @throws {SystemError}
   */
  lists(member: Member): boolean {
    if (member.part !== IMAGES) return this.find(member) !== undefined;
    this.names ??= new Set(this.folders.images?.eachName());
    return this.names.has(member.name) || this.tarOf(member) !== undefined;
  }

  /** The paths of all members that are there, in a manifest or not. @throws {SystemError} */
  paths(): Set<string> {
    const { folders, tars, date } = this;
    const log = logMember(date);
    const paths = [
      ...Array.from(folders.images?.eachName() ?? [], (name) => imageMember(date, name).path),
      ...(this.isFile(log) ? [log.path] : []),
      ...tars.flatMap(({ places }) => Array.from(places.keys())),
    ];
    return new Set(paths.filter((path) => parseMember(path, date) !== undefined));
  }

  /**
   * Opens a member and hands it over.
   *
   * @returns undefined if it is not there
   * @throws {SystemError} and {Error} of node:fs
   */
  read<T>(member: Member, use: (content: Content) => T): T | undefined {
    const folder = this.folders[member.part];
    if (folder?.entry(member.name)?.isFile === true) {
      const fd = folder.openFile(member.name);
      try {
        return use(contentOf(fd));
      } finally {
        close(fd);
      }
    }
    const tar = this.tarOf(member);
    return tar && use({ fd: tar.fd, ...tar.places.get(member.path)! });
  }

  /** Whether a member is a file of its own, and not in a tar. @throws {SystemError} */
  isFile({ part, name }: Member): boolean {
    return this.folders[part]?.entry(name)?.isFile === true;
  }

  /** The name for a further tar. */
  nextTar(): string {
    return tarName(this.date, (this.tars.at(-1)?.number ?? 0) + 1);
  }

  /** A further tar also has what replaces damaged members of earlier ones. */
  private tarOf({ path }: Member): Tar | undefined {
    return this.tars.findLast(({ places }) => places.has(path));
  }

  [Symbol.dispose](): void {
    for (const folder of Object.values(this.folders)) folder[Symbol.dispose]();
    for (const { fd } of this.tars) close(fd);
  }
}

function openTar(folder: Folder, name: string, number: number): Tar {
  const fd = folder.openFile(name);
  try {
    const { size, ino: inode } = fstatSync(fd, { bigint: true });
    return {
      name,
      number,
      fd,
      size: Number(size),
      inode,
      places: indexOf(fd, `${folder.path}/${name}`),
    };
  } catch (error) {
    close(fd);
    throw error;
  }
}
