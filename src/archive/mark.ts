/**
 * The mark of an archive: a file that says that the directory is one, and whose. The disk that
 * belongs there may be missing, and two hubs in one archive would have one event log for each day.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { escape } from "../log/fields.ts";
import type { Folder } from "../os/folder.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { realPathOf } from "../store/file-system.ts";
import { writeOwn } from "../store/own-folder.ts";
import { replaceFile } from "./content.ts";
import { MARK } from "./layout.ts";

const TEXT = `This directory is an archive of imagehub. The hub copies the images and event logs of days that
are over into it. It writes only where it finds this file, so do not remove it.
`;

const OWNER = "Data directory: ";
const KEY = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** The file with the keys that a data directory knows, in the folder for what can be made anew. */
const KNOWN = "archive-keys";

/** As many disks may take turns as the archive. */
const KNOWN_MAX = 16;

/** What a mark says. */
export interface Mark {
  /** The data directory that is archived there; undefined if the mark names none. */
  readonly owner: string | undefined;
  /** Is another one in each mark. */
  readonly key: string | undefined;
}

/** A data directory as a mark names it, such as `barn:/srv/imagehub_data`. */
export function ownerOf({ path }: DataDirectory): string {
  return `${hostname()}:${escape(realPathOf(path))}`;
}

/**
 * Whether this is the mark of a data directory: by the name of the machine and the path, or because
 * the data directory knows its key. So a machine may be renamed, and the directory be moved. All
 * copies of it know the key, until one of them makes another mark: then only that one does.
 */
export function isMarkOf({ owner, key }: Mark, directory: DataDirectory): boolean {
  if (owner === undefined || owner === ownerOf(directory)) return true;
  return key !== undefined && knownKeys(directory).includes(key);
}

/** @returns undefined if there is none @throws {SystemError} and {Error} of node:fs */
export function readMark(folder: Folder): Mark | undefined {
  if (folder.entry(MARK)?.isFile !== true) return undefined;
  const lines = new TextDecoder().decode(folder.read(MARK)).split("\n");
  return {
    owner: lines.find((line) => line.startsWith(OWNER))?.slice(OWNER.length),
    key: lines.find((line) => KEY.test(line)),
  };
}

/**
 * Makes the mark, or another one in its place, which names this data directory.
 *
 * @throws {SystemError}
 */
export function writeMark(folder: Folder, unfinished: string, directory: DataDirectory): void {
  const former = readMark(folder)?.key;
  const key = randomUUID();
  const text = `${TEXT}${OWNER}${ownerOf(directory)}\n${key}\n`;
  replaceFile(folder, unfinished, folder, MARK, text);
  know(directory, key, former);
}

/** Has a data directory know the key of its mark. @param former is known no more */
export function know(directory: DataDirectory, key: string | undefined, former?: string): void {
  const known = knownKeys(directory);
  if (key === undefined || known.includes(key)) return;
  const keys = [key, ...known.filter((each) => each !== former)].slice(0, KNOWN_MAX);
  try {
    writeOwn(directory, KNOWN, keys.map((each) => `${each}\n`).join(""), true);
  } catch {
    // On a full disk: a new name then needs a person, as without the key.
  }
}

function knownKeys({ own }: DataDirectory): string[] {
  try {
    const lines = readFileSync(`${own}/${KNOWN}`, "utf8").split("\n");
    return lines.filter((line) => KEY.test(line));
  } catch {
    return [];
  }
}
