/**
 * Checks whether a data directory holds what senders were promised.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Entry } from "./senders.ts";

const IMAGE_NAME = /^(?<node>[^.].*)-(?<date>\d{4}-\d\d-\d\d)T\d\d\.\d\d\.\d\d\.\d{6}\.jpg$/u;
const LOG_LINE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ~ (?<text>.*)$/u;

/** The findings. */
export interface Findings {
  /** Requests that were answered `OK` and must be stored. */
  readonly acknowledged: number;
  /** Of these, the ones that are missing or differ in a byte. */
  readonly lost: readonly Entry[];
  /**
   * Requests that are stored but whose senders got no reply. A stop must answer everything it
   * accepts.
   */
  readonly untold: readonly Entry[];
  /** Visible files that are not whole, or have a malformed name. */
  readonly partial: readonly string[];
  /** Lines of the event log that do not parse. */
  readonly badLines: readonly string[];
  /** Events that are in the log more than once, or images with more than one name. */
  readonly twice: readonly string[];
  /** Hidden temporary files. */
  readonly leftovers: readonly string[];
  readonly files: number;
}

/** The paths of all files in a folder, which may not exist. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The lines of all event logs. */
export function logLines(data: string): string[] {
  return filesBelow(join(data, "logs"))
    .filter((path) => basename(path).startsWith("imagehub.log"))
    .flatMap((path) => {
      const text = readFileSync(path, "utf8");
      // Anything after the last line break is an unfinished line.
      return text.endsWith("\n") || text === "" ? text.split("\n").slice(0, -1) : text.split("\n");
    });
}

/**
 * Compares a data directory with the journals of all its senders. @param foreign names of files
 * that have no journal
 */
export function judge(data: string, journal: readonly Entry[], foreign?: RegExp): Findings {
  const sent = new Set(
    journal.filter((entry) => entry.kind === "image").map((entry) => entry.sha256),
  );
  const standing = new Map<string, string>();
  const partial: string[] = [];
  const leftovers: string[] = [];
  const twice: string[] = [];
  const paths = filesBelow(join(data, "images")).filter(
    (path) => foreign?.test(basename(path)) !== true,
  );
  for (const path of paths) {
    if (basename(path).startsWith(".")) {
      leftovers.push(path);
      continue;
    }
    const hash = Bun.SHA256.hash(readFileSync(path), "hex");
    const name = IMAGE_NAME.exec(basename(path))?.groups;
    if (name?.["date"] !== basename(join(path, "..")) || !sent.has(hash)) partial.push(path);
    if (standing.has(hash)) twice.push(path);
    standing.set(hash, name?.["node"] ?? "");
  }
  leftovers.push(
    ...filesBelow(join(data, "logs")).filter((path) => basename(path).startsWith(".")),
  );

  const texts = new Map<string, number>();
  const badLines: string[] = [];
  for (const line of logLines(data)) {
    const text = LOG_LINE.exec(line)?.groups?.["text"];
    if (text === undefined) badLines.push(line);
    else texts.set(text, (texts.get(text) ?? 0) + 1);
  }
  const acknowledged = journal.filter(
    (entry) => entry.reply === "OK" && (entry.kind === "image" || entry.kind === "event"),
  );
  const stands = (entry: Entry): boolean =>
    entry.kind === "image"
      ? standing.get(entry.sha256) === entry.msg.slice(0, entry.msg.indexOf("|"))
      : texts.has(entry.msg);
  const lost = acknowledged.filter((entry) => !stands(entry));
  twice.push(
    ...journal
      .filter((entry) => entry.kind === "event" && (texts.get(entry.msg) ?? 0) > 1)
      .map((entry) => entry.msg),
  );
  return {
    acknowledged: acknowledged.length,
    lost,
    untold: journal.filter((entry) => entry.reply === null && stands(entry)),
    partial,
    badLines,
    twice,
    leftovers,
    files: paths.length,
  };
}

/** Everything that breaks the promise, one line each. */
export function problemsOf(findings: Findings, when = ""): string[] {
  const { lost, partial, badLines, twice } = findings;
  const line = (items: readonly unknown[], what: string): string[] =>
    items.length === 0 ? [] : [`${when}${items.length} ${what}, as ${JSON.stringify(items[0])}`];
  return [
    ...line(lost, "acknowledged and lost"),
    ...line(partial, "partial files"),
    ...line(badLines, "lines of the event log that do not parse"),
    ...line(twice, "stored more than once"),
  ];
}
