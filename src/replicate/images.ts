/**
 * Puts images: each in its turn, or at once if a camera waits for it.
 *
 * @module
 */

import { imageMember, type Member } from "../archive/layout.ts";
import { messageOf } from "../errors.ts";
import { type Bucket, sha256Of } from "../s3/bucket.ts";
import { endedError, StoreError } from "../s3/errors.ts";
import { DataDirectoryGone } from "../store/data-guard.ts";
import type { OutletTally } from "../tell/outlet.ts";
import type { Backlog } from "./backlog.ts";
import type { Differences } from "./differences.ts";
import { imageType } from "./finish.ts";
import type { Keys } from "./layout.ts";
import type { Link } from "./link.ts";
import { putOnce } from "./object.ts";
import type { Pace } from "./pace.ts";
import { readMember, type ReadParts } from "./read.ts";
import type { OpenDay, Turn, Turns } from "./turns.ts";

/** With `ack: replicated`: how long a call may take that sends nothing, in milliseconds. */
export const PROMPT_MS_MAX = 5000;

/** What is needed to put images. */
export interface ImagesParts extends ReadParts {
  readonly bucket: Bucket;
  readonly link: Link;
  readonly keys: Keys;
  readonly pace: Pace;
  readonly turns: Turns;
  readonly backlog: Backlog;
  readonly differences: Differences;
  /** Is told what fails. Its `sent` are images. */
  readonly tally: OutletTally;
  /** An image that a camera waited for waits for its turn now. */
  readonly onReturn: () => void;
}

/** Puts the images of one data directory. */
export class Images {
  /** Of images that were found to be in the bucket. */
  bytes = 0;
  /** Images that cannot be put, and why. */
  private readonly unfit = new Map<string, string>();

  constructor(private readonly parts: ImagesParts) {}

  /** Puts an image whose turn it is. Never rejects. @returns whether the data directory is there */
  async inTurn({ day, image }: Turn): Promise<boolean> {
    const { pace, link } = this.parts;
    const { queue } = day;
    const member = imageMember(queue.date, image.name);
    try {
      const bytes = readMember(this.parts, queue.date, member)?.bytes;
      // It was deleted before its turn.
      if (bytes === undefined) {
        queue.done(image);
        return true;
      }
      const waitMs = pace.take(bytes.length);
      if (waitMs > 0) await Bun.sleep(waitMs);
      const sha256 = await this.put(member, bytes, link);
      queue.done(image);
      if (sha256 !== undefined) this.copied(day, member.path, sha256, bytes.length);
    } catch (error) {
      queue.setAside(image);
      if (error instanceof StoreError && error.problem === "ended") return true;
      this.cannotPut(member.path, messageOf(error));
      return !(error instanceof DataDirectoryGone);
    }
    return true;
  }

  /**
   * Puts an image that a camera waits for; see {@link AtOnceParts.putImage}.
   *
   * @param isReady waits until the folder of the bucket is this hub's; false if it is too late
   */
  async atOnce(
    path: string,
    untilMs: number,
    isReady: () => Promise<boolean>,
  ): Promise<string | undefined> {
    const { turns, backlog, pace, onReturn } = this.parts;
    const [date = "", name = ""] = path.split("/");
    const member = imageMember(date, name);
    const found = readMember(this.parts, date, member);
    if (found === undefined) return "it was deleted from the disk";
    const { bytes, modifiedMs: storedMs } = found;
    const day = turns.get(date);
    const image = day?.queue.claim({ name, size: bytes.length, storedMs });
    try {
      if (!(await isReady())) throw endedError();
      pace.take(bytes.length);
      const link = this.parts.link.with({ untilMs, msMax: PROMPT_MS_MAX });
      const sha256 = await this.put(member, bytes, link);
      if (image !== undefined) day?.queue.done(image);
      if (sha256 === undefined) return "the bucket has another content under its name";
      // If its day is not in hand, it is found again with the next look at that day.
      if (image === undefined) backlog.touch(date);
      else this.copied(day!, member.path, sha256, bytes.length);
      return undefined;
    } catch (error) {
      // If it only took too long, it is put as all others.
      const isLate = error instanceof StoreError && error.problem === "ended";
      if (image !== undefined && isLate) day?.queue.giveBack(image);
      else if (image !== undefined) day?.queue.setAside(image);
      onReturn();
      throw error;
    }
  }

  /** @returns the SHA-256 of an image; undefined if the bucket has another one under its name */
  private async put(
    { path, name }: Member,
    body: Buffer<ArrayBuffer>,
    link: Pick<Link, "call">,
  ): Promise<string | undefined> {
    const { bucket, keys, differences } = this.parts;
    const sha256 = sha256Of(body);
    const object = { body, contentType: imageType(name), sha256 };
    const there = await putOnce({ bucket, link }, keys.of(path), object);
    if (there === "same") return sha256;
    differences.note(path);
    return undefined;
  }

  /** An image is in the bucket. */
  private copied({ journal }: OpenDay, path: string, sha256: string, bytes: number): void {
    journal.note(path, sha256);
    this.unfit.delete(path);
    this.parts.tally.sent++;
    this.bytes += bytes;
  }

  /** One image cannot be put. It is tried again, and told once. */
  private cannotPut(path: string, reason: string): void {
    if (this.unfit.get(path) !== reason) this.parts.tally.failed(`${path}: ${reason}`);
    this.unfit.set(path, reason);
  }
}
