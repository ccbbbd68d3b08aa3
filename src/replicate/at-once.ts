/**
 * Puts what cameras wait for (`ack: replicated`) at once, before everything else: images beside
 * each other, and lines of the event log together in one segment after the other.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { StoreError } from "../s3/errors.ts";
import type { BucketNews, BucketWait } from "../shared/messages.ts";
import { parseLogPlace } from "../store/log-place.ts";
import type { Segments } from "./segments.ts";

/** How long to wait after lines could not be put, in milliseconds. */
const AGAIN_MS = 100;

/** What is needed to put something at once. */
export interface AtOnceParts {
  /** Most images that are on their way at a time, and most bytes of them. */
  readonly imagesMax: number;
  readonly bytesMax: number;
  /**
   * Puts an image.
   *
   * @param path below `images`
   * @param untilMs when nobody waits for it any more; by `performance.now`, in milliseconds
   * @returns why it cannot be in the bucket; undefined if it is there
   */
  readonly putImage: (path: string, untilMs: number) => Promise<string | undefined>;
  /** Puts what is new in the event log. */
  readonly putEvents: () => Promise<void>;
  readonly segments: Pick<Segments, "stateOf">;
  /** Tells the receiver. */
  readonly tell: (news: BucketNews) => void;
  /** No image is on its way any more. */
  readonly onIdle: () => void;
}

/** Something that a camera waits for. */
interface Asked extends BucketWait {
  readonly untilMs: number;
}

/** What cameras wait for. */
export class AtOnce {
  private readonly images: Asked[] = [];
  private events: Asked[] = [];
  private underWay = 0;
  private bytes = 0;
  private isPuttingEvents = false;
  private trouble: string | undefined;

  constructor(private readonly parts: AtOnceParts) {}

  /** Whether a camera waits for an image. */
  get isBusy(): boolean {
    return this.underWay > 0;
  }

  /** A camera waits for this from now on. */
  ask(wait: BucketWait): void {
    const now = performance.now();
    const asked = { ...wait, untilMs: now + wait.leftMs };
    const isLate = ({ untilMs }: Asked): boolean => untilMs <= now;
    // Or they would pile up while the store is away.
    const waiting = wait.kind === "event" ? this.events : this.images;
    while (waiting[0] !== undefined && isLate(waiting[0])) waiting.shift();
    waiting.push(asked);
    if (wait.kind === "image") this.putImages();
    else if (!this.isPuttingEvents) void this.putEvents();
  }

  /** Tells why nothing gets into the bucket now, if that has changed. */
  tellTrouble(reason: string | undefined): void {
    if (reason === this.trouble) return;
    this.trouble = reason;
    this.parts.tell({ type: "trouble", reason });
  }

  private putImages(): void {
    const { images, parts } = this;
    while (images[0] !== undefined && this.underWay < parts.imagesMax) {
      const asked = images[0];
      if (this.underWay > 0 && this.bytes + asked.bytes > parts.bytesMax) return;
      images.shift();
      if (asked.untilMs > performance.now()) void this.putImage(asked);
    }
  }

  private async putImage({ ticket, storedAt, bytes, untilMs }: Asked): Promise<void> {
    this.underWay++;
    this.bytes += bytes;
    try {
      this.done(ticket, await this.parts.putImage(storedAt, untilMs));
    } catch (error) {
      // If it only took too long, the receiver knows that, too.
      const isLate = error instanceof StoreError && error.problem === "ended";
      if (!isLate) this.done(ticket, messageOf(error));
    }
    this.underWay--;
    this.bytes -= bytes;
    this.putImages();
    if (!this.isBusy) this.parts.onIdle();
  }

  private async putEvents(): Promise<void> {
    this.isPuttingEvents = true;
    while (this.events.length > 0) {
      try {
        await this.parts.putEvents();
      } catch {
        // Whoever waits learns of it when it is too late.
      }
      const before = this.events.length;
      this.events = this.events.filter((asked) => !this.isSettled(asked));
      if (this.events.length === before) await Bun.sleep(AGAIN_MS);
    }
    this.isPuttingEvents = false;
  }

  private isSettled({ ticket, storedAt, untilMs }: Asked): boolean {
    const state = this.parts.segments.stateOf(parseLogPlace(storedAt));
    if (state === "there") this.done(ticket, undefined);
    else if (state === "never") this.done(ticket, "the bucket has other lines of this event log");
    return state !== "waiting" || untilMs <= performance.now();
  }

  private done(ticket: number, refusal: string | undefined): void {
    this.parts.tell({ type: "done", ticket, refusal });
  }
}
