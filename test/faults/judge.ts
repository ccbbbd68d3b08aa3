/**
 * Whether a data directory holds what senders were told that it holds.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Entry } from "./senders.ts";

const IMAGE_NAME = /^(?<node>[^.].*)-(?<date>\d{4}-\d\d-\d\d)T\d\d\.\d\d\.\d\d\.\d{6}\.jpg$/u;
const LOG_LINE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ~ (?<text>.*)$/u;

/** What was found. */
export interface Findings {
  /** Requests that were answered `OK` and are to be kept. */
  readonly acknowledged: number;
  /** Those of them that are not there byte for byte. */
  readonly lost: readonly Entry[];
  /**
   * Those that stand, and whose senders had no reply: for a stop to judge, which answers all that
   * it takes.
   */
  readonly untold: readonly Entry[];
  /** Visible files that are not whole, or under a name of another form. */
  readonly partial: readonly string[];
  /** Lines of the event log that do not parse. */
  readonly badLines: readonly string[];
  /** Events that stand in the log more than once, or images under more than one name. */
  readonly twice: readonly string[];
  /** Hidden temporary files. */
  readonly leftovers: readonly string[];
  readonly files: number;
}

/** All files below a folder that may not be there, by their paths. */
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
      // What follows the last line break is a line that has not been ended.
      return text.endsWith("\n") || text === "" ? text.split("\n").slice(0, -1) : text.split("\n");
    });
}

/**
 * Compares a data directory with all journals of those who sent to it. @param foreign names of
 * files that nobody keeps a journal of
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

/** What of it breaks the promise, each in a line. */
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
