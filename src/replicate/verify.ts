/**
 * Compares a day with the bucket: what is here, what was put there, and what its manifests say.
 * What waits to be put is no fault.
 *
 * @module
 */

import { type Content, contentOf, type Sums } from "../archive/content.ts";
import { logMember, type Member, parseMember } from "../archive/layout.ts";
import { parseSum } from "../archive/manifest.ts";
import { close, openRead } from "../os/files.ts";
import { unlessMissing } from "../os/missing.ts";
import type { Listed } from "../s3/listing.ts";
import { type DataDirectory, dayOf } from "../store/data-directory.ts";
import { daysAtEnds, linesOf } from "../store/log-files.ts";
import { isListedAs, isSame } from "./compare.ts";
import type { BucketDay, Inventory } from "./inventory.ts";
import { journalPath } from "./journal.ts";
import { type Chain, chainOf, firstOther, withoutEnd } from "./lines.ts";
import { eachAtATime, type Reader } from "./reader.ts";

/** What was found of a day in the bucket. */
export interface BucketFindings {
  /** Images, and the event log as a whole, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
  /** Files here that are not in the bucket yet. */
  readonly waiting: number;
  /** What is wrong; complete messages. */
  readonly problems: readonly string[];
}

/** What is needed to compare. */
export interface CheckParts {
  readonly reader: Reader;
  readonly inventory: Inventory;
  readonly directory: DataDirectory;
  /** Whether every object is read. */
  readonly isDeep: boolean;
}

const NOTHING: Chain = { pieces: [], size: 0, problems: [] };

/** The comparison of one day. */
export class BucketCheck {
  private readonly problems: string[];
  private waiting = 0;
  /** The files here that only the store can compare. */
  private readonly unsure: { readonly listed: Listed; readonly own: Sums }[] = [];
  /** The SHA-256 of what is here, by the paths. */
  private readonly here = new Map<string, string>();

  private constructor(
    private readonly parts: CheckParts,
    private readonly day: BucketDay,
    /** The SHA-256 of what the hub has put, by the paths. */
    private readonly journal: ReadonlyMap<string, string>,
  ) {
    this.problems = [...day.problems];
  }

  /** Lists a day. Rejects with a `StoreError`, or an `Error` of node:fs. */
  static async begin(parts: CheckParts, date: string): Promise<BucketCheck> {
    // What a running hub puts meanwhile is in the list, but not in the journal.
    const journal = journalOf(parts.directory, date);
    return new BucketCheck(parts, await parts.inventory.day(date), journal);
  }

  /** Takes a file that is here. */
  take({ path }: Member, own: Sums): void {
    const { day, journal, problems } = this;
    this.here.set(path, own.sha256);
    const sum = day.sums.get(path);
    const listed = day.objects.get(path);
    if (sum !== undefined && sum !== own.sha256)
      problems.push(`${path} is not what its manifest in the bucket says`);
    // The bucket may be right, and whoever changed the file wrong.
    else if (sum === undefined && journal.has(path) && journal.get(path) !== own.sha256)
      problems.push(`${path} here is not what was put into the bucket`);
    else if (listed === undefined) this.waiting += sum === undefined && !journal.has(path) ? 1 : 0;
    else if (isListedAs(listed, own) !== true) this.unsure.push({ listed, own });
  }

  /**
   * Compares the rest, when all files were taken. Rejects with a `StoreError` or a `ReadError`.
   *
   * @param onProgress is told how many objects were read, if each is
   */
  async finish(onProgress: (done: number, total: number) => void): Promise<BucketFindings> {
    const { day, problems, parts, waiting } = this;
    const different = new Set<string>();
    await eachAtATime(this.unsure, parts.reader.parallel, async ({ listed, own }) => {
      if (!(await isSame(parts.reader, listed, own))) different.add(listed.key);
    });
    let done = 0;
    const total = day.objects.size + day.segments.length;
    if (parts.isDeep)
      await eachAtATime(this.expected(), parts.reader.parallel, async ([listed, expected]) => {
        onProgress(done++, total);
        if (!(await this.isAs(listed, expected))) different.add(listed.key);
      });
    for (const key of [...different].toSorted()) problems.push(this.difference(key));
    await this.checkNames();
    await this.checkLines();
    const sizes = Array.from(day.objects.values(), ({ size }) => size);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    return { objects: sizes.length, bytes, waiting, problems };
  }

  /** Looks for what only one of bucket, manifests and journal has. */
  private async checkNames(): Promise<void> {
    const { day, journal, problems, here } = this;
    const { reader } = this.parts;
    const missing = new Set([...day.sums.keys(), ...journal.keys()]).difference(day.objects);
    await eachAtATime([...missing], reader.parallel, async (path) => {
      const key = reader.keys.of(path);
      // The hub may have put it since the list was made.
      if ((await reader.head(key)) !== undefined) return;
      const why = day.sums.has(path) ? "its manifest has it" : "it was put there";
      problems.push(`${key} is missing in the bucket, though ${why}`);
    });
    if (!day.hasManifest) return;
    // What came late is here, or was put by this hub. It gets a further manifest.
    for (const path of day.objects.keys())
      if (!day.sums.has(path) && !journal.has(path) && !here.has(path))
        problems.push(`${reader.keys.of(path)} in the bucket is in no manifest`);
  }

  /** The objects of the day, and what each must be. */
  private *expected(): Generator<readonly [Listed, string | undefined]> {
    const { day, journal, here } = this;
    for (const [path, listed] of day.objects)
      yield [listed, day.sums.get(path) ?? journal.get(path) ?? here.get(path)];
    for (const segment of day.segments) yield [segment, undefined];
  }

  /** Reads an object. @param expected undefined: what the store says of it itself */
  private async isAs(listed: Listed, expected: string | undefined): Promise<boolean> {
    const found = await this.parts.reader.sumOf(listed);
    return found !== undefined && found.sha256 === (expected ?? found.said ?? found.sha256);
  }

  private difference(key: string): string {
    const { day, parts, here, journal } = this;
    const path = key.slice(parts.reader.keys.of("").length);
    if (day.sums.has(path)) return `${key} in the bucket is not what its manifest says`;
    return here.has(path) && !journal.has(path)
      ? `${key} in the bucket is not the same as ${path} here`
      : `${key} in the bucket is not what was put there`;
  }

  /** The segments must follow each other, and be the log that the hub writes to. */
  private async checkLines(): Promise<void> {
    const { day, problems } = this;
    const chain = chainOf(day.segments);
    problems.push(...chain.problems);
    const dated = logMember(day.date).path;
    // The whole log may have got other lines before these: those of another disk.
    if (day.objects.has(dated) || chain.problems.length > 0) return;
    const other = await this.otherThan(chain);
    if (other !== undefined) problems.push(other);
  }

  /** A segment that is neither of a log here, nor of a disk before it. */
  private async otherThan(chain: Chain): Promise<string | undefined> {
    const { reader, directory } = this.parts;
    let rest = chain;
    let problem: string | undefined;
    // A new disk may have the lines of the one before in the dated log, and goes on in the other.
    for (const path of [directory.eventLog, datedLog(directory, this.day.date)]) {
      await withLog(path, this.day.date, async (log) => {
        const other = await firstOther(reader, log, rest);
        const end = other === undefined ? NOTHING : await withoutEnd(reader, log, rest);
        const name = path.slice(directory.path.length + 1);
        problem =
          other !== undefined && end === rest
            ? `${other.key} in the bucket has other lines than ${name} here`
            : undefined;
        rest = end;
      });
    }
    return problem;
  }
}

/** What the hub has put of a day, as it remembers. Lines that are none are left out. */
function journalOf(directory: DataDirectory, date: string): Map<string, string> {
  const journal = new Map<string, string>();
  unlessMissing(() => {
    for (const line of linesOf(journalPath(directory, date))) {
      const { path = "", sum } = parseSum(line) ?? {};
      if (sum !== undefined && parseMember(path, date) !== undefined) journal.set(path, sum);
    }
  });
  return journal;
}

const datedLog = (directory: DataDirectory, date: string): string =>
  directory.datedLog(dayOf(date)!);

/** Reads a log if it has lines of a day. */
async function withLog(
  path: string,
  date: string,
  use: (log: Content) => Promise<void>,
): Promise<void> {
  if (unlessMissing(() => daysAtEnds(path))?.includes(dayOf(date)!) !== true) return;
  const fd = openRead(path);
  try {
    await use(contentOf(fd));
  } finally {
    close(fd);
  }
}
