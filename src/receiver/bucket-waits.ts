/**
 * Requests that are stored, and answered when they are in the bucket (`ack: replicated`), or after
 * `ack_timeout`. The replicator is asked through a port, and answers there.
 *
 * Each has a ticket of its own, because its slot may have another request by the time that a late
 * answer comes.
 *
 * @module
 */

import { receiveMessageOnPort } from "node:worker_threads";
import type { RequestQueue } from "../shared/queue.ts";
import { isForLog } from "../shared/request-slot.ts";
import type { BucketNews, BucketWait } from "../shared/messages.ts";
import type { PendingRequest } from "./pending-requests.ts";

/** A request that waits. */
interface Wait {
  readonly request: PendingRequest;
  readonly asked: Omit<BucketWait, "leftMs">;
  /** When it is answered in any case; by `performance.now`, in milliseconds. */
  readonly endMs: number;
}

/** A request that waits no more. */
interface Settled {
  readonly request: PendingRequest;
  /** Why it is not in the bucket; undefined if it is. */
  readonly refusal: string | undefined;
}

/** The requests of one hub that wait for the bucket. They belong to the receiver's thread. */
export class BucketWaits {
  private readonly waits = new Map<number, Wait>();
  private lastTicket = 0;
  private port: MessagePort | undefined;
  /** Why nothing gets into the bucket now. */
  private trouble: string | undefined;

  /** @param timeoutMs from receiving a request until it is answered in any case */
  constructor(
    private readonly queue: Pick<RequestQueue, "clearBucketNews">,
    private readonly timeoutMs: number,
  ) {}

  /** How many wait. */
  get count(): number {
    return this.waits.size;
  }

  /** A replicator has begun. It is asked for everything that waits, also if another one was. */
  connect(port: MessagePort, nowMs: number): void {
    this.port = port;
    this.trouble = undefined;
    for (const wait of this.waits.values()) this.ask(wait, nowMs);
  }

  /** A request was stored, and waits from now on. */
  add(request: PendingRequest, nowMs: number): void {
    const { slot } = request;
    const ticket = ++this.lastTicket;
    const asked = {
      ticket,
      kind: isForLog(slot.kind) ? "event" : "image",
      storedAt: slot.storedAt,
      bytes: slot.payloadBytes,
    } as const;
    const wait = { request, asked, endMs: request.receivedMs + this.timeoutMs };
    this.waits.set(ticket, wait);
    this.ask(wait, nowMs);
  }

  /** Those that the replicator has settled since the last call. */
  settled(): Settled[] {
    const settled: Settled[] = [];
    if (this.port === undefined || !this.queue.clearBucketNews()) return settled;
    for (;;) {
      const news = receiveMessageOnPort(this.port)?.message as BucketNews | undefined;
      if (news === undefined) return settled;
      if (news.type === "trouble") this.trouble = news.reason;
      else {
        const request = this.waits.get(news.ticket)?.request;
        // It may have waited too long, and was answered.
        if (request === undefined) continue;
        this.waits.delete(news.ticket);
        settled.push({ request, refusal: news.refusal });
      }
    }
  }

  /** Those that have waited too long. @param nowMs Infinity: all */
  late(nowMs: number): Settled[] {
    const settled: Settled[] = [];
    for (const [ticket, { request, endMs }] of this.waits) {
      if (endMs > nowMs) continue;
      this.waits.delete(ticket);
      settled.push({ request, refusal: this.reason });
    }
    return settled;
  }

  private get reason(): string {
    return (
      this.trouble ??
      `the store has not confirmed it within ${this.timeoutMs / 1000} s (ack_timeout)`
    );
  }

  private ask({ asked, endMs }: Wait, nowMs: number): void {
    this.port?.postMessage({ ...asked, leftMs: endMs - nowMs } satisfies BucketWait);
  }
}
