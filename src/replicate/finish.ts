/**
 * Finishes a day that is over: its event log as one object, then its manifest and its summary.
 *
 * @module
 */

import { logMember, parseMember } from "../archive/layout.ts";
import { formatManifest, sumsIn } from "../archive/manifest.ts";
import { close, openRead } from "../os/files.ts";
import { unlessMissing } from "../os/missing.ts";
import { type Bucket, sha256Of } from "../s3/bucket.ts";
import { dayOf } from "../store/data-directory.ts";
import { type Journal, readJournal } from "./journal.ts";
import { type Keys, manifestNumber, manifestPath } from "./layout.ts";
import type { Link } from "./link.ts";
import { hasAll, segmentsOf } from "./log-end.ts";
import type { Look } from "./look.ts";
import { putOnce, readText } from "./object.ts";
import { readMember, type ReadParts } from "./read.ts";
import { LOG_TYPE } from "./segments.ts";
import { putSummary } from "./summary.ts";

/** For so long after its last line, an event log of a day may get further ones, in milliseconds. */
const LATE_MS = 120_000;

/** How often a manifest is tried that somebody else makes at the same time. */
const TRIES_MAX = 3;

/** What is needed to finish a day. */
export interface FinishParts extends ReadParts {
  readonly bucket: Bucket;
  readonly link: Pick<Link, "call">;
  readonly keys: Keys;
  /** Puts what of the event log of a day is in no segment. */
  readonly putLines: (date: string) => Promise<void>;
  /** Is told the path of what differs from what is in the bucket. */
  readonly onDifference: (path: string) => void;
  /** Whether a path does. */
  readonly isRefused: (path: string) => boolean;
  /** Whether anything of the day does, so that it gets no manifest. */
  readonly hasRefused: () => boolean;
}

/**
 * Finishes a day whose images are all in the bucket.
 *
 * @param look at it, just before
 * @returns whether nothing is left to do: it has a manifest with everything, or gets none
 * @throws {StoreError} as {@link Link.call}
 * @throws {DataDirectoryGone}, {SystemError} and {Error} of node:fs
 */
export async function finishDay(
  parts: FinishParts,
  date: string,
  { hasLog, logSum }: Pick<Look, "hasLog" | "logSum">,
  journal: Journal,
): Promise<boolean> {
  if (hasLog && !(await putLog(parts, date, logSum, journal))) return false;
  journal.flush();
  if (parts.hasRefused()) return true;
  const sums = new Map<string, string>();
  const isGood = readJournal(parts.directory, date, (path, sum) => {
    if (parseMember(path, date) !== undefined) sums.set(path, sum);
  });
  // If nothing of it was ever put, there is no journal either.
  if (!isGood || sums.size === 0) return sums.size === 0;
  return await putManifest(parts, date, sums, journal);
}

/**
 * Puts the event log of a day that is over. Once the bucket has it, nobody looks at the segments.
 * So one that does not have their lines is not put, but goes on in segments.
 *
 * @param known its SHA-256 if it was put before
 * @returns whether nothing is left to do: the bucket has it as it is here, or another one
 * @throws as {@link finishDay}
 */
export async function putLog(
  parts: FinishParts,
  date: string,
  known: string | undefined,
  journal: Journal,
): Promise<boolean> {
  const member = logMember(date);
  if (parts.isRefused(member.path)) return true;
  const found = readMember(parts, date, member);
  if (found === undefined) return false;
  const sha256 = sha256Of(found.bytes);
  if (sha256 === known) return true;
  // It has got further lines since, which nothing in the bucket can get.
  if (known !== undefined) {
    parts.onDifference(member.path);
    return false;
  }
  if (Date.now() - found.modifiedMs < LATE_MS) return false;
  const other = await otherLines(parts, date);
  if (other !== undefined) {
    await parts.putLines(date);
    parts.onDifference(other);
    return true;
  }
  const object = { body: found.bytes, contentType: LOG_TYPE, sha256 };
  if ((await putOnce(parts, parts.keys.of(member.path), object)) !== "same") {
    parts.onDifference(member.path);
    return false;
  }
  journal.note(member.path, sha256);
  return true;
}

/** Where the bucket has lines that the event log of a day does not have; undefined: nowhere. */
async function otherLines(parts: FinishParts, date: string): Promise<string | undefined> {
  const segments = await segmentsOf(parts, date);
  const fd = unlessMissing(() => openRead(parts.directory.datedLog(dayOf(date) ?? 0)));
  if (fd === undefined) return undefined;
  try {
    if (await hasAll(parts, fd, segments)) return undefined;
    const { keys } = parts;
    return keys.segmentsOf(date).slice(keys.of("").length);
  } finally {
    close(fd);
  }
}

async function putManifest(
  parts: FinishParts,
  date: string,
  sums: Map<string, string>,
  journal: Journal,
): Promise<boolean> {
  const { keys } = parts;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const numbers = await numbersOf(parts, date);
    let mark: readonly [path: string, sum: string] | undefined;
    for (const number of numbers.toSorted((a, b) => a - b)) {
      const path = manifestPath(date, number);
      const there = await takeOut(parts, date, path, sums);
      // Whoever put this one may have ended before it had a summary.
      await putSummary(parts, date, number, there.members);
      mark = [path, there.sum];
    }
    if (sums.size > 0) {
      const body = new TextEncoder().encode(formatManifest(sums));
      const number = Math.max(0, ...numbers) + 1;
      mark = [manifestPath(date, number), sha256Of(body)];
      const object = { body, contentType: LOG_TYPE, sha256: mark[1] };
      // Another process has made one just now.
      if ((await putOnce(parts, keys.of(mark[0]), object)) !== "same") continue;
      await putSummary(parts, date, number, new Set(sums.keys()));
    }
    if (mark !== undefined) journal.note(...mark);
    journal.flush();
    return true;
  }
  return false;
}

async function numbersOf({ bucket, link, keys }: FinishParts, date: string): Promise<number[]> {
  return await link.call(async (options) => {
    const numbers: number[] = [];
    for await (const { objects } of bucket.list({ prefix: keys.manifestsOf(date) }, options))
      for (const { key } of objects) {
        const number = manifestNumber(key.slice(keys.of("").length), date);
        if (number !== undefined) numbers.push(number);
      }
    return numbers;
  });
}

/**
 * Leaves only what is in no manifest yet.
 *
 * @returns the SHA-256 of the manifest, and what it lists
 */
async function takeOut(
  { bucket, link, keys, onDifference }: FinishParts,
  date: string,
  path: string,
  sums: Map<string, string>,
): Promise<{ readonly sum: string; readonly members: ReadonlySet<string> }> {
  const text = await link.call(async (options) => readText(bucket, keys.of(path), options));
  const there = sumsIn(text ?? "", date);
  if (there === undefined) onDifference(path);
  for (const [member, sum] of there ?? []) {
    const own = sums.get(member);
    sums.delete(member);
    if (own !== undefined && own !== sum) onDifference(path);
  }
  return { sum: sha256Of(Buffer.from(text ?? "")), members: new Set(there?.keys()) };
}

/** The type of an image's content by its name. */
export function imageType(name: string): string {
  return name.endsWith(".png") ? "image/png" : "image/jpeg";
}
