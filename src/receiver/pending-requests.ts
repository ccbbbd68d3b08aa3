/**
 * The requests that the receiver has in hand, from receiving to answering: a record for each slot,
 * the free slots, and the totals.
 *
 * @module
 */

import { FAST_SLOTS } from "../limits.ts";
import { firstFastSlot } from "../shared/memory.ts";
import { Holder, Kind } from "../shared/request-slot.ts";
import type { NodeState } from "./activity.ts";
import type { Connection, Connections } from "./connections.ts";
import type { FramedSlot, FramedSlots } from "./framed-slot.ts";

/** What the receiver knows of the request in one slot. Records are reused, as slots are. */
export class PendingRequest {
  isInHand = false;
  /** The connection that it came on, while its sender waits for the reply. */
  connection: Connection | undefined;
  /** Bytes of frame 2 that count as in hand. */
  bytes = 0;
  /** Whether a reply is still due. Not for notices, publishers, or an early `OK`. */
  isAwaited = true;
  /** Whether a publisher has sent it. It needs no socket, as no reply is due. */
  isPublished = false;
  /** Whether the fast path received it and has left it to the receiver. */
  isAdopted = false;
  /** The node that sent it, the local date (YYYYMMDD) it counts for, and when it was received. */
  node: NodeState | undefined;
  day = 0;
  receivedMs = 0;

  constructor(readonly slot: FramedSlot) {}
}

/** The requests in hand of one hub. They belong to the receiver's thread. */
export class PendingRequests {
  /** Bytes of frame 2 of all requests in hand. */
  bytes = 0;
  /** How many of them publishers have sent. */
  published = 0;
  private adopted = 0;
  private readonly records: PendingRequest[] = [];
  /** Numbers of free slots. The last one freed is used first, so few are ever touched. */
  private readonly free: number[];

  /** @param slotCount requests that can be in hand at once, without those of the fast path */
  constructor(
    private readonly slots: FramedSlots,
    private readonly connections: Connections,
    private readonly slotCount: number,
  ) {
    this.free = Array.from({ length: slotCount }, (_, index) => slotCount - 1 - index);
  }

  /** The record of one slot. */
  at(index: number): PendingRequest {
    return (this.records[index] ??= new PendingRequest(this.slots.at(index)));
  }

  /** One of the slots of the fast path. @param index from 0 */
  fast(index: number): PendingRequest {
    return this.at(firstFastSlot(this.slotCount) + (index % FAST_SLOTS));
  }

  /** Whether a slot is one of the fast path's. */
  isFast({ slot }: PendingRequest): boolean {
    return slot.index >= firstFastSlot(this.slotCount);
  }

  /**
   * The slot for the next request. If all are in use it is a spare one, which must be answered at
   * once: see {@link isSpare}.
   */
  get next(): PendingRequest {
    return this.at(this.free.at(-1) ?? this.slotCount);
  }

  /** Whether a request has found no free slot. */
  isSpare({ slot }: PendingRequest): boolean {
    return slot.index === this.slotCount;
  }

  get hasFree(): boolean {
    return this.free.length > 0;
  }

  /** Takes {@link next} into use. {@link release} must follow. */
  begin(request: PendingRequest): void {
    this.free.pop();
    request.isInHand = true;
    request.isAwaited = true;
  }

  /** Takes a slot of the fast path into use. {@link release} must follow. */
  adopt(request: PendingRequest): void {
    this.adopted++;
    request.isInHand = true;
    request.isAwaited = true;
    request.isAdopted = true;
  }

  /** Counts a request as one in hand of its connection. @returns the connection */
  countFor(request: PendingRequest): Connection {
    const { slot } = request;
    // The descriptor may belong to an earlier connection whose end was not read yet. If the hub
    // never sleeps between its chores, this may also happen to other senders. Then only the counts
    // of their requests in hand are swapped.
    if (slot.isNamed) this.connections.update();
    const connection = this.connections.lookUp(slot.fd);
    connection.unanswered++;
    request.connection = connection;
    return connection;
  }

  /** Marks a request as a publisher's, which gets no answer. */
  publish(request: PendingRequest): void {
    this.published++;
    request.isPublished = true;
    request.isAwaited = false;
  }

  /** Counts the bytes of frame 2. @returns them */
  countBytes(request: PendingRequest): number {
    const { size } = request.slot.payload;
    request.bytes = size;
    this.bytes += size;
    return size;
  }

  /** Frame 2 of a request was freed. */
  uncountBytes(request: PendingRequest): void {
    this.bytes -= request.bytes;
    request.bytes = 0;
  }

  /** The request no longer counts for its connection. */
  uncount(request: PendingRequest): void {
    if (request.connection !== undefined) request.connection.unanswered--;
    request.connection = undefined;
  }

  /** Frees a slot. Its frames must have been freed. */
  release(request: PendingRequest): void {
    this.uncount(request);
    this.uncountBytes(request);
    request.isInHand = false;
    if (request.isPublished) this.published--;
    request.isPublished = false;
    const { slot } = request;
    if (slot.index < this.slotCount) this.free.push(slot.index);
    if (!request.isAdopted) return;
    this.adopted--;
    request.isAdopted = false;
    slot.holder = Holder.nobody;
  }

  /** How many slots are in use. */
  get count(): number {
    return this.slotCount - this.free.length + this.adopted;
  }

  /** How many of them need the socket for a reply, or may. */
  get waitingForReply(): number {
    return this.count - this.published;
  }

  /**
   * Number of requests that have no answer, or were answered before they were stored: all except
   * the hub's own notices.
   */
  get unanswered(): number {
    const notices = this.records.filter(({ isInHand, slot }) => isInHand && isNotice(slot.kind));
    return this.count - notices.length;
  }

  /** Requests whose senders wait for a reply. */
  awaited(): PendingRequest[] {
    return this.records.filter(({ isInHand, isAwaited }) => isInHand && isAwaited);
  }
}

/** Whether it is a line of the hub itself. */
function isNotice(kind: number): boolean {
  return kind === Kind.notice || kind === Kind.fullNotice;
}
