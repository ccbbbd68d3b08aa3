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
import { close } from "../os/files.ts";
import type { Folder } from "../os/folder.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { realPathOf } from "../store/file-system.ts";
import { replaceFile } from "./content.ts";
import { MARK } from "./layout.ts";

const TEXT = `This directory is an archive of imagehub. The hub copies the images and event logs of days that
are over into it. It writes only where it finds this file, so do not remove it.
`;

const OWNER = "Data directory: ";

/** What a mark says. */
export interface Mark {
  /** The data directory that is archived there; undefined if the mark names none. */
  readonly owner: string | undefined;
}

/** A data directory as a mark names it, such as `barn:/srv/imagehub_data`. */
export function ownerOf({ path }: DataDirectory): string {
  return `${hostname()}:${escape(realPathOf(path))}`;
}

/** @returns undefined if there is none @throws {SystemError} and {Error} of node:fs */
export function readMark(folder: Folder): Mark | undefined {
  if (folder.entry(MARK)?.isFile !== true) return undefined;
  const fd = folder.openFile(MARK);
  try {
    const lines = readFileSync(fd, "utf8").split("\n");
    return { owner: lines.find((line) => line.startsWith(OWNER))?.slice(OWNER.length) };
  } finally {
    close(fd);
  }
}

/** Makes the mark, or names another data directory in it. @throws {SystemError} */
export function writeMark(folder: Folder, unfinished: string, directory: DataDirectory): void {
  const text = `${TEXT}${OWNER}${ownerOf(directory)}\n${randomUUID()}\n`;
  replaceFile(folder, unfinished, folder, MARK, text);
}
