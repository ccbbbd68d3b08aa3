/**
 * The receiver's accounts of the fast path: counts what it has answered, and takes over what it has
 * left.
 *
 * @module
 */

import type { Calendar } from "../protocol/calendar.ts";
import { FAST_SLOTS, SLOW_MS } from "../limits.ts";
import { Counter } from "../shared/memory.ts";
import { Holder } from "../shared/request-slot.ts";
import type { Activity } from "./activity.ts";
import type { Connections } from "./connections.ts";
import type { Lending } from "./lending.ts";
import type { PendingRequest, PendingRequests } from "./pending-requests.ts";
import type { Tally } from "./tally.ts";

/**
 * Maximum age of a request that the receiver takes over from the fast path, in milliseconds. Most
 * are younger. It is needed because the wall clock that dates them may have been set meanwhile.
 */
const AGE_MS_MAX = 1000;

const newcomersAddress = ({ slot }: PendingRequest): string => slot.address;

/** The accounts of one hub. They belong to the receiver's thread. */
export class FastPathLedger {
  /** Where to look first for the next request that the fast path has answered. */
  private first = 0;
  private readonly knownAddress = ({ slot }: PendingRequest): string | undefined =>
    this.connections.lookUp(slot.fd).address;

  constructor(
    private readonly pending: PendingRequests,
    private readonly connections: Connections,
    private readonly lending: Lending,
    private readonly tally: Tally,
    private readonly activity: Activity,
    private readonly calendar: Calendar,
  ) {}

  /**
   * Counts what the fast path has answered, and frees its slots. @returns the number of requests
   */
  settle(): number {
    const { first } = this;
    let count = 0;
    for (let tried = 0; tried < FAST_SLOTS; tried++) {
      const request = this.pending.fast(first + tried);
      if (request.slot.holder !== Holder.answered) continue;
      if (count === 0) this.tally.receivedMs = performance.now();
      this.settleOne(request);
      this.first = (first + tried + 1) % FAST_SLOTS;
      count++;
    }
    return count;
  }

  private settleOne(request: PendingRequest): void {
    const { slot } = request;
    const { receivedMs } = this.tally;
    this.tally.receivedBytes += slot.payloadBytes;
    const connection = this.connections.lookUp(slot.fd);
    this.tally.whole(request, connection);
    const { node, answerMs } = slot;
    connection.node = node;
    if (answerMs > SLOW_MS) this.lending.sawUnusual(receivedMs);
    const addressOf = slot.isNewcomer ? newcomersAddress : this.knownAddress;
    this.activity.seen(request, node, receivedMs, addressOf, slot.micros);
    this.tally.add(Counter.fastPath);
    this.tally.stored(request);
    this.activity.answeredAfter(answerMs);
    slot.holder = Holder.nobody;
  }

  /**
   * Takes over what the fast path has received but not answered. What it is storing comes back
   * through the queue.
   *
   * @returns the requests that it had not begun to store
   */
  takeOver(): PendingRequest[] {
    const received: PendingRequest[] = [];
    for (let tried = 0; tried < FAST_SLOTS; tried++) {
      const request = this.pending.fast(this.first + tried);
      const { slot } = request;
      if (slot.claim(Holder.received, Holder.receiver)) {
        received.push(request);
      } else if (slot.holder === Holder.fastPath) this.adopt(request);
    }
    if (received.length > 0) this.tally.receivedMs = performance.now();
    return received;
  }

  /**
   * A request that the fast path is storing, or could not store, must be answered by the receiver.
   */
  adopt(request: PendingRequest): void {
    if (request.isAdopted) return;
    const now = performance.now();
    this.tally.receivedMs = now;
    this.lending.sawUnusual(now);
    this.pending.adopt(request);
    const { slot } = request;
    slot.holder = Holder.receiver;
    const connection = this.pending.countFor(request);
    this.tally.whole(request, connection);
    this.tally.receivedBytes += this.pending.countBytes(request);
    const { node } = slot;
    connection.node = node;
    this.activity.seen(request, node, now - this.ageMs(request), addressOf, slot.micros);
  }

  /** How long ago the fast path received a request, in milliseconds. */
  ageMs({ slot }: PendingRequest): number {
    const ageMs = (this.calendar.now() - slot.micros) / 1000;
    return Math.min(Math.max(0, ageMs), AGE_MS_MAX);
  }
}

/** Asks libzmq for the address of a request's sender. */
export const addressOf = ({ slot }: PendingRequest): string => slot.peerAddress;
