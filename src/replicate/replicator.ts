/**
 * Copies what the hub stores into a bucket, as it comes, and what is not there yet. The tree of
 * files says what there is; the hub does nothing for it.
 *
 * @module
 */

import { lstatSync } from "node:fs";
import { Follower } from "../catalog/follower.ts";
import type { StoredImage } from "../catalog/day-follower.ts";
import { bytesIn } from "../config/quantity.ts";
import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import { REPLICATE_END_MS } from "../limits.ts";
import { unlessMissing } from "../os/missing.ts";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import { Bucket } from "../s3/bucket.ts";
import { StoreError } from "../s3/errors.ts";
import { hubName, targetOf } from "../s3/settings.ts";
import type { ReplicationState } from "../shared/replication-state.ts";
import { Part } from "../store/data-directory.ts";
import type { BucketNews, BucketWait } from "../shared/messages.ts";
import type { OutletTally } from "../tell/outlet.ts";
import { AtOnce } from "./at-once.ts";
import { Backlog } from "./backlog.ts";
import { Bell } from "./bell.ts";
import { Differences } from "./differences.ts";
import { finishDay, type FinishParts, putLog } from "./finish.ts";
import { Images, PROMPT_MS_MAX } from "./images.ts";
import { Journal, keepJournalsOf } from "./journal.ts";
import { stampOfDay } from "./look.ts";
import { Keys } from "./layout.ts";
import { Link } from "./link.ts";
import { claim, UnfitFolder } from "./owner.ts";
import { Pace } from "./pace.ts";
import type { ReadParts } from "./read.ts";
import { recall } from "./recall.ts";
import { Segments } from "./segments.ts";
import { type OpenDay, type Turn, Turns } from "./turns.ts";

/** How often the days are looked at that have no turn, in milliseconds, and how often at most. */
const ROUND_MS = 10_000;
const ROUND_MS_MIN = 500;

/** How often lines of the event log are put, in milliseconds. */
const SEGMENT_MS = 5000;

/** How often journals are written, in milliseconds. */
const JOURNAL_MS = 200;

/** How often it is looked whose folder it is, while it is that of another hub, in milliseconds. */
const CLAIM_MS = 5000;

/** How often it is looked whose folder it is, while nothing is wrong, in milliseconds. */
const LOOK_MS = 600_000;

/**
 * With `ack: replicated`: how long the link pauses at most, and how often the receiver is told how
 * it is, in milliseconds.
 */
const PROMPT_PAUSE_MS_MAX = 1000;
const TROUBLE_MS = 200;

/**
 * The same: how long an image that the follower has seen is left to the camera that waits for it,
 * in milliseconds.
 */
const LEFT_MS = 1000;

/** How long a day may get images after its midnight, in microseconds. */
const LATE_MICROS = 120_000_000;

/** What a replicator needs. */
export interface ReplicatorParts extends ReadParts {
  readonly settings: Settings["replicate"];
  /** Is told how the link is. Its `sent` and `waiting` are those of images. */
  readonly tally: OutletTally;
  /** Logs an error. */
  readonly error: (message: string) => void;
  /** With `ack: replicated`; otherwise undefined. */
  readonly atOnce?:
    | {
        /** Most images that cameras wait for, and most bytes of them, at a time. */
        readonly imagesMax: number;
        readonly bytesMax: number;
        /** Tells the receiver. */
        readonly tell: (news: BucketNews) => void;
      }
    | undefined;
}

/** Copies one data directory. */
export class Replicator {
  private readonly link: Link;
  private readonly keys: Keys;
  private readonly bucket: Bucket;
  private readonly pace: Pace;
  private readonly backlog: Backlog;
  private readonly turns: Turns;
  private readonly segments: Segments;
  private readonly follower: Follower;
  private readonly atOnce: AtOnce | undefined;
  private readonly calendar = new Calendar(systemClock);
  private readonly differences: Differences;
  private readonly images: Images;
  private readonly bell = new Bell();
  private readonly work: Promise<void>[] = [];
  /** Since when the folder of the bucket is this hub's, in ISO 8601; null while it is not. */
  private ownerSince: string | null = null;
  /** What only this folder of the bucket has; see {@link claim}. */
  private place = "";
  /** Whether a day can be finished. */
  private isRoundDue = false;
  /** Whether the backlog has waited for cameras. */
  private hasGivenWay = false;
  private isStopped = false;

  /** @throws {Error} if the settings' files cannot be read */
  constructor(private readonly parts: ReplicatorParts) {
    const { settings, directory, guard, tally, error, atOnce } = parts;
    const isPrompt = atOnce !== undefined;
    this.keys = new Keys(hubName(settings));
    this.bucket = new Bucket(targetOf(settings));
    this.link = new Link(tally, isPrompt ? PROMPT_PAUSE_MS_MAX : undefined);
    this.pace = new Pace(bytesIn(settings.bandwidth) ?? 0);
    this.differences = new Differences(this.keys, error);
    const { bucket, link, keys, pace, differences } = this;
    this.backlog = new Backlog(directory, settings.order, differences.has, (message) =>
      tally.failed(message),
    );
    const { backlog } = this;
    this.turns = new Turns({
      directory,
      backlog,
      order: settings.order,
      today: () => this.today,
      recall: (day) => void this.recall(day),
    });
    const onReturn = (): void => this.bell.ring();
    const { turns } = this;
    const where = { directory, guard, bucket, link, keys };
    const copying = { pace, turns, backlog, differences, tally, onReturn };
    this.images = new Images({ ...where, ...copying });
    const onDifference = (key: string): void => differences.note(key.slice(keys.of("").length));
    const put = isPrompt ? { msMax: PROMPT_MS_MAX } : undefined;
    this.segments = new Segments({ directory, guard, bucket, link, keys, put, onDifference });
    if (isPrompt)
      this.atOnce = new AtOnce({
        ...atOnce,
        segments: this.segments,
        putImage: async (path, untilMs) =>
          await this.images.atOnce(path, untilMs, async () => await this.isReady(untilMs)),
        putEvents: async () => await this.putEvents(),
        onIdle: () => {
          if (!this.hasGivenWay) return;
          this.hasGivenWay = false;
          this.bell.ring();
        },
      });
    this.follower = new Follower(directory, {
      today: () => this.today,
      onImage: (image) => {
        if (!isPrompt) this.arrived(image);
        else setTimeout(() => void this.attempt(() => this.arrived(image)), LEFT_MS);
      },
      onEvent: () => {},
      onProblem: (problem) => tally.failed(problem),
    });
  }

  /** Begins. */
  start(): void {
    this.follower.start();
    const { settings } = this.parts;
    this.work.push(this.rounds());
    this.work.push(this.every(JOURNAL_MS, () => this.writeJournals()));
    this.work.push(this.own());
    this.work.push(this.every(SEGMENT_MS, async () => await this.putEvents()));
    const { atOnce } = this;
    if (atOnce !== undefined)
      this.work.push(this.every(TROUBLE_MS, () => atOnce.tellTrouble(this.trouble)));
    for (let number = 0; number < settings.parallel; number++)
      this.work.push(this.putImages(number));
  }

  /** A camera waits until this is in the bucket. */
  ask(wait: BucketWait): void {
    this.atOnce?.ask(wait);
  }

  /** Ends. What is on its way has a moment. Never rejects. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.bell.ring();
    await this.follower.finish();
    const all = Promise.allSettled([...this.work, this.putEvents()]);
    await Promise.race([all, Bun.sleep(REPLICATE_END_MS)]);
    this.link.end();
    await Promise.race([all, Bun.sleep(REPLICATE_END_MS / 10)]);
    this.writeJournals();
  }

  /** For people. */
  get state(): ReplicationState {
    const { tally } = this.parts;
    const { target, sent, last_error } = tally.state;
    const { lag } = this.turns;
    return {
      target,
      // Nobody may take a count that has just begun for all that waits.
      connected_since: this.turns.isLooked ? this.worksSince : null,
      images: sent,
      bytes: this.images.bytes,
      waiting_images: lag.images,
      waiting_bytes: lag.bytes,
      oldest_waiting: Number.isFinite(lag.oldestMs) ? new Date(lag.oldestMs).toISOString() : null,
      differences: this.differences.count,
      last_error,
    };
  }

  private get isOwner(): boolean {
    return this.ownerSince !== null;
  }

  /** Since when images get into the bucket: the store takes them, and the folder is this hub's. */
  private get worksSince(): string | null {
    const { ownerSince } = this;
    const { connected_since: since } = this.parts.tally.state;
    if (since === null || ownerSince === null) return null;
    return since > ownerSince ? since : ownerSince;
  }

  /** Why nothing gets into the bucket now; undefined if it does. */
  private get trouble(): string | undefined {
    return this.worksSince === null ? this.parts.tally.state.last_error?.message : undefined;
  }

  private get today(): string {
    return this.calendar.local(this.calendar.now()).date;
  }

  private arrived({ date, name }: StoredImage): void {
    const day = this.turns.get(date);
    if (day === undefined) return this.backlog.touch(date);
    const path = `${this.parts.directory.dateFolder(date)}/${name}`;
    const found = unlessMissing(() => lstatSync(path));
    // A link to a file is none of the hub's images, as on other days.
    if (found?.isFile() !== true) return;
    if (day.queue.add({ name, size: found.size, storedMs: found.mtimeMs })) this.bell.ring();
  }

  /** Does something at once, and again and again, whatever comes of it. */
  private async every(ms: number, action: () => void | Promise<void>): Promise<void> {
    while (!this.isStopped) {
      await this.attempt(action);
      await this.pause(ms);
    }
  }

  /** Looks at all days again and again; soon, if a day is through. */
  private async rounds(): Promise<void> {
    while (!this.isStopped) {
      this.isRoundDue = false;
      await this.attempt(async () => await this.round());
      await this.pause(ROUND_MS_MIN);
      for (const endMs = performance.now() + ROUND_MS; ;) {
        const leftMs = endMs - performance.now();
        if (leftMs <= 0 || this.isRoundDue || this.isStopped) break;
        await this.bell.within(leftMs);
      }
    }
  }

  /** Waits, or until the end. */
  private async pause(ms: number): Promise<void> {
    for (const endMs = performance.now() + ms; !this.isStopped && performance.now() < endMs;)
      await this.bell.within(endMs - performance.now());
  }

  /** Tells what fails. @returns whether it did not */
  private async attempt(action: () => void | Promise<void>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      const isEnd = error instanceof StoreError && error.problem === "ended";
      if (!isEnd) this.parts.tally.failed(messageOf(error));
      return false;
    }
  }

  /**
   * Sees to it that the folder of the bucket is this hub's, and looks again during each break, so
   * that the first call after it is one that must succeed, and every few minutes.
   */
  private async own(): Promise<void> {
    const { bucket, link, keys, parts } = this;
    const { directory } = parts;
    while (!this.isStopped) {
      await this.attempt(async () => {
        try {
          this.found(await claim({ bucket, link, keys, directory }));
          this.isRoundDue ||= !this.isOwner;
          this.ownerSince ??= new Date().toISOString();
        } catch (error) {
          if (error instanceof UnfitFolder) this.ownerSince = null;
          throw error;
        }
      });
      this.bell.ring();
      const endMs = performance.now() + LOOK_MS;
      await this.pause(CLAIM_MS);
      while (this.isOwner && this.link.isUp && !this.isStopped && performance.now() < endMs)
        await this.bell.within(CLAIM_MS);
    }
  }

  /** The folder is this hub's. If it is another one than before, all must be asked about it. */
  private found(place: string): void {
    const isSame = keepJournalsOf(this.parts.directory, place);
    if (isSame && (this.place === "" || this.place === place)) {
      this.place = place;
      return;
    }
    this.place = place;
    this.turns.forget();
    this.segments.forget();
    this.differences.clear();
    this.isRoundDue = true;
  }

  /** Looks at the days that have no turn, and finishes those that are over. */
  private async round(): Promise<void> {
    this.parts.guard.check(Part.images);
    await this.turns.refresh();
    this.bell.ring();
    if (!this.isOwner) return;
    const over = this.calendar.local(this.calendar.now() - LATE_MICROS).date;
    const openDay = this.segments.openDay();
    for (const date of this.backlog.unfinished(over)) {
      if (this.isStopped) return;
      if (date === openDay) continue;
      await this.attempt(async () => await this.finish(date));
    }
    // Their images may take days, or cannot be put.
    for (const day of this.turns.withoutLog(over)) {
      const { queue, journal } = day;
      if (this.isStopped || queue.date === openDay) continue;
      await this.attempt(async () => {
        day.needsLog = !(await putLog(
          this.finishParts(queue.date),
          queue.date,
          undefined,
          journal,
        ));
      });
    }
  }

  private finishParts(date: string): FinishParts {
    const { bucket, link, keys, parts, differences } = this;
    const { directory, guard } = parts;
    const hasRefused = (): boolean => differences.hasAnyOf(date);
    const putLines = async (day: string): Promise<void> => await this.segments.putOver(day);
    const [onDifference, isRefused] = [differences.note, differences.has];
    return { directory, guard, bucket, link, keys, putLines, onDifference, isRefused, hasRefused };
  }

  private async finish(date: string): Promise<void> {
    const { backlog, place } = this;
    const { directory } = this.parts;
    const journal = new Journal(directory, date);
    const stamp = stampOfDay(directory, date);
    const look = backlog.open(date);
    let isFinished = false;
    try {
      if (look.queue.lag.images === 0)
        isFinished = await finishDay(this.finishParts(date), date, look, journal);
    } finally {
      backlog.close(date, look.queue.lag, isFinished && place === this.place ? stamp : "");
    }
  }

  /** Puts one image after the other. While a camera waits, only the first one of these goes on. */
  private async putImages(number: number): Promise<void> {
    while (!this.isStopped) {
      let next: Turn | undefined;
      const givesWay = number > 0 && this.atOnce?.isBusy === true;
      this.hasGivenWay ||= givesWay;
      const isFine = await this.attempt(() => {
        next = this.isOwner && !givesWay ? this.turns.next() : undefined;
      });
      if (!isFine) await this.pause(SEGMENT_MS);
      else if (next === undefined) await this.bell.rung;
      else {
        const { queue } = next.day;
        if (!(await this.images.inTurn(next))) await this.pause(SEGMENT_MS);
        if (queue.lag.images > 0 || queue.date === this.today) continue;
        this.isRoundDue = true;
        this.bell.ring();
      }
    }
  }

  /** Asks the bucket what it has of a day. */
  private async recall(day: OpenDay): Promise<void> {
    const { bucket, link, keys, parts } = this;
    const { directory, guard } = parts;
    day.isRecalling = true;
    day.needsRecall = !(await this.attempt(
      async () => await recall({ directory, guard, bucket, link, keys }, day.queue, day.journal),
    ));
    if (day.needsRecall) await this.pause(SEGMENT_MS);
    day.isRecalling = false;
    this.bell.ring();
  }

  /** Waits until the folder is this hub's. @returns whether it is */
  private async isReady(untilMs: number): Promise<boolean> {
    while (!this.isOwner && !this.isStopped && performance.now() < untilMs)
      await this.bell.within(untilMs - performance.now());
    return this.isOwner;
  }

  private async putEvents(): Promise<void> {
    if (this.isOwner) await this.segments.put();
  }

  private writeJournals(): void {
    void this.attempt(() => this.turns.flush());
  }
}
