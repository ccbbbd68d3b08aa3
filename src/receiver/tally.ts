/**
 * Counts what was received and what became of it, for requests of the receiver and of the fast
 * path.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { oneLine } from "../protocol/names.ts";
import { Counter } from "../shared/memory.ts";
import { isForLog, isImage, Kind, Outcome } from "../shared/request-slot.ts";
import type { Activity } from "./activity.ts";
import type { Complaints, Report } from "./complaints.ts";
import type { Connection } from "./connections.ts";
import type { PendingRequest } from "./pending-requests.ts";

/**
 * What CURVE adds to the three frames of a request on the wire, in bytes (ZeroMQ RFC 26, "MESSAGE
 * Command").
 */
const CURVE_BYTES = 3 * 33;

/** The counts of one hub. They belong to the receiver's thread. */
export class Tally {
  /** When a request was last received; by `performance.now`, in milliseconds. */
  receivedMs = performance.now();
  /** Bytes of frame 2, over all requests so far. */
  receivedBytes = 0;
  /** A moment of the day whose folder is full, until the event log has a notice about it. */
  fullMicros: number | undefined;
  private readonly mechanismBytes: number;
  private readonly imagesMax: number;

  constructor(
    settings: Settings,
    private readonly counters: Float64Array,
    private readonly activity: Activity,
    private readonly complaints: Complaints,
    private readonly report: Report,
  ) {
    this.mechanismBytes = settings.curve.server_key === "" ? 0 : CURVE_BYTES;
    this.imagesMax = settings.max_images_write;
  }

  /** Adds to one of {@link Counter}. */
  add(counter: number, amount = 1): void {
    this.counters[counter]! += amount;
  }

  /** One of {@link Counter}. */
  count(counter: number): number {
    return this.counters[counter]!;
  }

  /** A whole request has arrived on a connection. */
  whole({ slot }: PendingRequest, connection: Connection): void {
    connection.messages++;
    connection.messageBytes += slot.wireBytes + this.mechanismBytes;
  }

  /** A request was stored, or its day's folder is full. */
  stored(request: PendingRequest): void {
    const { slot } = request;
    const { kind, outcome } = slot;
    if (kind === Kind.event) {
      this.add(Counter.events);
      this.activity.stored(request, "event");
    } else if (outcome === Outcome.overCap || outcome === Outcome.firstOverCap) {
      this.add(Counter.imagesOverCap);
      if (outcome === Outcome.firstOverCap) this.sayFull(slot.micros);
    } else if (!isForLog(kind)) {
      this.activity.stored(request, "image");
      this.add(Counter.images);
      this.add(Counter.imageBytes, slot.payloadBytes);
    }
  }

  /** A request could not be stored. @returns why, on one line */
  failed({ slot }: PendingRequest): string {
    const kind = isImage(slot.kind) ? "image" : "event";
    // This one first, so a reader never counts a failed event as a failed image.
    if (kind === "event") this.add(Counter.eventsFailed);
    this.add(Counter.failed);
    const reason = oneLine(slot.failure);
    const message = `Could not store an ${kind}: ${reason}`;
    // The reason may contain a path, which differs each time. The error's name distinguishes the
    // kinds.
    const [, code] = /(?:^|: )(E[A-Z0-9]+)(?::|\)(?:$| on ))/.exec(reason) ?? [];
    this.complaints.add(`store ${kind} ${code}`, { level: "error", message });
    this.activity.failed(kind, message, code);
    return reason;
  }

  /** A request is stored, but not in the bucket in time. @param reason on one line */
  unconfirmed({ slot }: PendingRequest, reason: string): void {
    const kind = isImage(slot.kind) ? "image" : "event";
    this.add(Counter.unconfirmed);
    const message = `Answered an ${kind} ERROR, because it is not in the bucket yet: ${reason}`;
    this.complaints.add(`bucket ${kind}`, { level: "warn", message });
    this.activity.unconfirmed(reason);
  }

  private sayFull(micros: number): void {
    this.fullMicros = micros;
    this.report(
      "warn",
      `Today's folder has its maximum of ${this.imagesMax} images (max_images_write): more images are answered OK but not stored`,
    );
  }
}
