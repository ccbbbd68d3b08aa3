/**
 * Brings days back from the bucket. Every object is compared with its checksum before it gets its
 * name. No file is overwritten.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { type Content, contentOf, ReadError, sumsOf } from "../archive/content.ts";
import { IMAGES, logMember, LOGS, type Member, parseMember } from "../archive/layout.ts";
import { expectMount, type Restored, type RestoreOptions } from "../archive/restore.ts";
import { RestoreTarget } from "../archive/restore-target.ts";
import { messageOf } from "../errors.ts";
import { close } from "../os/files.ts";
import { StoreError } from "../s3/errors.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { withoutHub } from "../store/data-lock.ts";
import { isSame } from "./compare.ts";
import type { BucketDay, Inventory } from "./inventory.ts";
import { type Arrival, Landing } from "./landing.ts";
import { chainOf, type Chain, firstOther, withoutEnd } from "./lines.ts";
import { eachAtATime, isEnded, type Reader } from "./reader.ts";
import { storedS } from "./times.ts";

/** The event log that a hub goes on with. */
const OPEN_LOG: Member = { part: LOGS, name: "imagehub.log", path: `${LOGS}/imagehub.log` };

/** What was restored of a day. */
export interface RestoredDay extends Restored {
  /** Whether other days would fare no better: the disk is full, or the store is away. */
  readonly isOver: boolean;
  /** What is worth knowing, and no problem. */
  readonly notes: readonly string[];
}

/** What is needed to restore. */
export interface RestoreParts {
  readonly reader: Reader;
  readonly inventory: Inventory;
  readonly directory: DataDirectory;
}

/**
 * Makes the folders of a data directory on a new disk.
 *
 * @throws {MissingDisk} if its disk is not mounted
 * @throws {Error} of node:fs
 */
export function makeFolders(directory: DataDirectory): void {
  expectMount(directory);
  for (const folder of directory.folders) mkdirSync(folder, { recursive: true });
}

/**
 * Restores a day. The lock for it (`store/work-lock.ts`) must be held, unless it is a dry run.
 * Rejects with a `StoreError` if the day cannot be listed, a `SystemError` or an `Error` of
 * node:fs.
 */
export async function restoreFromBucket(
  { reader, inventory, directory }: RestoreParts,
  date: string,
  options: Pick<RestoreOptions, "isDryRun" | "onProgress" | "onThere">,
): Promise<RestoredDay> {
  using target = new RestoreTarget(directory, date);
  const day = await inventory.day(date);
  const isLast = date === inventory.lastOpenDate;
  return await new Restoring(reader, directory, day, isLast, target, options).run();
}

class Restoring {
  private readonly problems: string[];
  private readonly notes: string[] = [];
  private readonly chain: Chain;
  private landing: Landing | undefined;
  private files = 0;
  private bytes = 0;
  private same = 0;
  private done = 0;

  /** @param isLast whether it is the last day of which the log is only there in segments */
  constructor(
    private readonly reader: Reader,
    private readonly directory: DataDirectory,
    private readonly day: BucketDay,
    private readonly isLast: boolean,
    private readonly target: RestoreTarget,
    private readonly options: Pick<RestoreOptions, "isDryRun" | "onProgress" | "onThere">,
  ) {
    const hasLog = day.objects.has(logMember(day.date).path);
    this.chain = chainOf(hasLog ? [] : day.segments);
    this.problems = [...day.problems, ...this.chain.problems];
  }

  async run(): Promise<RestoredDay> {
    const { day, target, chain, problems } = this;
    const members = [...new Set([...day.sums.keys(), ...day.objects.keys()])]
      .toSorted()
      .map((path) => parseMember(path, day.date)!);
    const missing = members.filter((member) => !target.has(member));
    const needed = missing.map(({ path }) => day.objects.get(path)?.size ?? 0);
    const lack = target.lackOfRoom(needed.reduce((sum, each) => sum + each, chain.size));
    if (lack !== undefined) {
      problems.push(`${day.date} is not restored: ${lack}`);
      return this.outcome({ isOver: true });
    }
    if (this.options.isDryRun !== true) {
      const hasImages = members.some(({ part }) => part === IMAGES);
      target.make(hasImages);
      this.landing = new Landing(this.directory, target, hasImages ? [IMAGES, LOGS] : [LOGS]);
    }
    using landing = this.landing;
    let end: Pick<RestoredDay, "isStopped" | "isOver"> | undefined;
    try {
      await eachAtATime(members, this.reader.parallel, async (member) => {
        this.options.onProgress?.(this.done++, members.length + chain.pieces.length);
        await this.reader.turn();
        await this.restore(member);
      });
      if (chain.pieces.length > 0) await this.restoreLines();
    } catch (error) {
      end = this.endBy(error);
    } finally {
      // Whatever has ended it: these are whole.
      landing?.land();
    }
    return this.outcome(end);
  }

  private endBy(error: unknown): Pick<RestoredDay, "isStopped" | "isOver"> {
    if (isEnded(error)) return { isStopped: true, isOver: false };
    const { code } = error as NodeJS.ErrnoException;
    const isFull = code === "ENOSPC" || code === "EDQUOT";
    if (!isFull && !(error instanceof StoreError)) throw error;
    this.problems.push(isFull ? `The disk is full: ${messageOf(error)}` : messageOf(error));
    return { isStopped: false, isOver: true };
  }

  private outcome({ isStopped = false, isOver = false } = {}): RestoredDay {
    const { files, bytes, same, problems, notes } = this;
    return { files, bytes, same, problems, notes, isStopped, isOver };
  }

  private async restore(member: Member): Promise<void> {
    const { day, target, problems, reader } = this;
    const { path } = member;
    const listed = day.objects.get(path);
    const key = reader.keys.of(path);
    if (target.has(member)) return await this.compare(member);
    if (listed === undefined) {
      problems.push(`${key} is missing in the bucket, though its manifest has it`);
      return;
    }
    const { landing } = this;
    if (landing === undefined) return this.count(member, listed.size);
    const arrival = landing.begin(member.part);
    let problem: string | undefined;
    try {
      problem = await this.fetch(key, listed.size, arrival, day.sums.get(path));
    } catch (error) {
      landing.abandon(arrival);
      throw error;
    }
    if (problem === undefined) this.land(arrival, member);
    else {
      landing.abandon(arrival);
      problems.push(problem);
    }
  }

  /** Gets an object into a file. @returns what is wrong with it; undefined: nothing */
  private async fetch(
    key: string,
    size: number,
    arrival: Arrival,
    sum: string | undefined,
  ): Promise<string | undefined> {
    const facts = await this.reader.get({ key, size }, async (content) => {
      arrival.clear();
      for await (const chunk of content.chunks) arrival.write(chunk);
      return content;
    });
    if (facts === undefined) return `${key} is gone from the bucket`;
    const expected = sum ?? facts.sha256 ?? "";
    if (expected === "" || arrival.sum() === expected) return undefined;
    const what = sum === undefined ? "what was put there" : "what its manifest says";
    return `${key} in the bucket is not ${what}`;
  }

  /** A file is there already. */
  private async compare(member: Member): Promise<void> {
    const { day, target, problems, reader, options } = this;
    const { path } = member;
    try {
      const own = target.read(member, (content) => sumsOf(content));
      const [sum, listed] = [day.sums.get(path), day.objects.get(path)];
      const isTheSame =
        own !== undefined &&
        (sum === undefined
          ? listed !== undefined && (await isSame(reader, listed, own))
          : own.sha256 === sum);
      if (isTheSame) {
        this.same++;
        options.onThere?.(member);
      } else problems.push(`${path} is stored with another content, which stays as it is`);
    } catch (error) {
      if (!(error instanceof ReadError)) throw error;
      problems.push(`${path} cannot be read: ${messageOf(error)}`);
    }
  }

  /** Restores the lines of a log that is only there in segments. */
  private async restoreLines(): Promise<void> {
    const { target, landing, problems, day } = this;
    const dated = logMember(day.date);
    const chain = await this.read(OPEN_LOG, this.chain, async (log) =>
      withoutEnd(this.reader, log, this.chain),
    );
    const isThere = async (log: Content): Promise<boolean> =>
      (await firstOther(this.reader, log, chain)) === undefined;
    if (chain.pieces.length === 0 || (await this.read(dated, false, isThere))) this.same++;
    else if (target.has(dated))
      problems.push(`${dated.path} has other lines than the bucket, and stays as it is`);
    else if (landing === undefined) this.count(dated, chain.size);
    else {
      const arrival = landing.begin(LOGS);
      let isWhole = false;
      try {
        isWhole = await this.fetchLines(arrival, chain);
      } finally {
        if (!isWhole) landing.abandon(arrival);
      }
      if (isWhole) this.landLines(arrival, landing);
    }
  }

  /** The hub goes on with the last log as if it had only been stopped, unless it has begun one. */
  private landLines(arrival: Arrival, landing: Landing): void {
    const { target, day, isLast } = this;
    const isOpen = isLast && !target.has(OPEN_LOG);
    const goesOn = isOpen && this.chain.problems.length === 0;
    landing.land();
    const asOpen = (): true => {
      this.land(arrival, OPEN_LOG);
      landing.land();
      return true;
    };
    if (goesOn && withoutHub(this.directory, asOpen) === true) return;
    const dated = logMember(day.date);
    this.land(arrival, dated);
    if (isLast && !isOpen)
      this.notes.push(
        `${OPEN_LOG.path} has been begun already, so the lines of ${day.date} are in ${dated.path}`,
      );
  }

  /** Reads a log that is there. @param missing what comes of it if it is not */
  private async read<T>(
    log: Member,
    missing: T,
    use: (content: Content) => Promise<T>,
  ): Promise<T> {
    const fd = this.target.open(log);
    if (fd === undefined) return missing;
    try {
      return await use(contentOf(fd));
    } finally {
      close(fd);
    }
  }

  /** Gets lines into a file, some segments at a time. @returns whether it has all */
  private async fetchLines(arrival: Arrival, { pieces }: Chain): Promise<boolean> {
    const { reader, options, problems } = this;
    const total = this.done + pieces.length;
    for (let first = 0; first < pieces.length; first += reader.parallel) {
      options.onProgress?.(this.done + first, total);
      const some = pieces.slice(first, first + reader.parallel);
      const got = await Promise.all(some.map(async ({ segment }) => await reader.bytesOf(segment)));
      for (const [index, { segment, skip }] of some.entries()) {
        const bytes = got[index];
        if (bytes === undefined) {
          problems.push(`${segment.key} in the bucket is gone, or not what was put there`);
          return false;
        }
        arrival.write(bytes.subarray(skip));
      }
    }
    return true;
  }

  private land(arrival: Arrival, member: Member): void {
    const { bytes } = arrival;
    this.landing!.add(member.part, storedS(member, this.day.date, arrival.fd), {
      arrival,
      name: member.name,
      done: () => this.count(member, bytes),
      failed: (reason) => this.problems.push(`${member.path} ${reason}`),
    });
  }

  private count(member: Member, bytes: number): void {
    this.files++;
    this.bytes += bytes;
    this.options.onThere?.(member);
  }
}
