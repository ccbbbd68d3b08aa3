/**
 * The manifest of a day: the SHA-256 of each of its files, in the form of sha256sum. It is made
 * last, so a day with a manifest is whole.
 *
 * @module
 */

import { unlessMissing } from "../os/missing.ts";
import { readFileSync } from "node:fs";
import { close } from "../os/files.ts";
import type { Folder } from "../os/folder.ts";
import { DamagedDay, replaceFile } from "./content.ts";
import { MANIFESTS, manifestName, parseMember } from "./layout.ts";
import type { ArchiveRoot } from "./root.ts";

const LINE = /^([0-9a-f]{64}) [ *](.+)$/;

/** Where a person finds what to do. */
export const HOW_TO_MEND = 'see "A damaged archive" in docs/OPERATION.md';

/** The manifest of a day. */
export interface Manifest {
  /** The sums by the paths of the members. */
  readonly sums: ReadonlyMap<string, string>;
  /** When it was made, in seconds since 1970. */
  readonly madeS: number;
}

/**
 * Reads the manifest of a day.
 *
 * @param archive the top of the archive
 * @returns undefined if there is none
 * @throws {DamagedDay} if it is no manifest of this day
 * @throws {SystemError} and {Error} of node:fs, if it cannot be read
 */
export function readManifest(archive: Folder, date: string): Manifest | undefined {
  const found = unlessMissing(() => {
    using folder = archive.folder(MANIFESTS);
    const name = manifestName(date);
    const fd = folder.openFile(name);
    try {
      return { text: readFileSync(fd, "utf8"), madeS: folder.entry(name)?.modifiedS ?? 0 };
    } finally {
      close(fd);
    }
  });
  return found && { sums: parseManifest(found.text, archive, date), madeS: found.madeS };
}

/** Reads a line as sha256sum writes it. @returns undefined if it is none */
export function parseSum(
  line: string,
): { readonly sum: string; readonly path: string } | undefined {
  const [, sum, path] = LINE.exec(line) ?? [];
  return sum === undefined || path === undefined ? undefined : { sum, path };
}

/** Reads the text of a manifest. @returns undefined if it is not a whole one of this day */
export function sumsIn(text: string, date: string): Map<string, string> | undefined {
  const lines = text.split("\n");
  const isCut = lines.pop() !== "";
  const sums = new Map<string, string>();
  for (const line of lines) {
    const { sum, path = "" } = parseSum(line) ?? {};
    if (sum !== undefined && parseMember(path, date) !== undefined) sums.set(path, sum);
  }
  return !isCut && sums.size > 0 && sums.size === lines.length ? sums : undefined;
}

function parseManifest(text: string, archive: Folder, date: string): Map<string, string> {
  const sums = sumsIn(text, date);
  if (sums !== undefined) return sums;
  throw new DamagedDay(
    `${archive.path}/${MANIFESTS}/${manifestName(date)} is damaged. If the images of ` +
      "the day are still in the data directory, remove it, and the day is checked and archived " +
      `again; if not, ${HOW_TO_MEND}`,
  );
}

/** A manifest as text, in the order of the paths. */
export function formatManifest(sums: ReadonlyMap<string, string>): string {
  return [...sums.keys()]
    .toSorted()
    .map((path) => `${sums.get(path)}  ${path}\n`)
    .join("");
}

/** Puts the manifest of a day in its place. @throws {SystemError} */
export function writeManifest(
  { folder: archive, unfinished }: Pick<ArchiveRoot, "folder" | "unfinished">,
  date: string,
  sums: ReadonlyMap<string, string>,
): void {
  using folder = archive.makeFolder(MANIFESTS);
  archive.flush();
  replaceFile(archive, unfinished, folder, manifestName(date), formatManifest(sums));
}
