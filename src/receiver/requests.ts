/**
 * What happens to each request. If it needs no disk (heartbeats, test images, invalid requests), it
 * is answered at once. Otherwise it is handed to the writers, and answered when they have stored
 * it.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { counted } from "../log/amounts.ts";
import type { Calendar } from "../protocol/calendar.ts";
import { oneLine } from "../protocol/names.ts";
import {
  type Request,
  RequestError,
  RequestReader,
  type StoredRequest,
} from "../protocol/request.ts";
import { HELD_REPLIES_MAX, SLOW_MS } from "../limits.ts";
import { isPlain } from "../shared/loan.ts";
import { Counter, type Shared, slotsFor } from "../shared/memory.ts";
import type { RequestQueue } from "../shared/queue.ts";
import { fillSlot, Kind, Outcome } from "../shared/request-slot.ts";
import { Activity, type NodeState } from "./activity.ts";
import { BucketWaits } from "./bucket-waits.ts";
import type { Complaints, Report } from "./complaints.ts";
import type { Connection, Connections } from "./connections.ts";
import type { HeldReply } from "./farewell.ts";
import { addressOf, FastPathLedger } from "./fast-path-ledger.ts";
import type { FramedSlots } from "./framed-slot.ts";
import type { Lending } from "./lending.ts";
import { type PendingRequest, PendingRequests } from "./pending-requests.ts";
import { copyEnvelope, type ReplySocket } from "./reply-socket.ts";
import type { Publisher } from "./subscriptions.ts";
import { Tally } from "./tally.ts";
import { UnlabelledWarnings } from "./unlabelled.ts";

/** Maximum requests to receive before finished ones are answered. */
const BATCH = 32;

const OK = Buffer.from("OK");

/** What the requests need. */
export interface RequestsParts {
  readonly settings: Settings;
  readonly shared: Shared;
  readonly queue: RequestQueue;
  readonly calendar: Calendar;
  readonly report: Report;
}

/** The requests of one hub. They belong to the receiver's thread. */
export class Requests {
  /** When a writer last finished something; by `performance.now`, in milliseconds. */
  private doneMs = performance.now();
  private readonly settings: Settings;
  private readonly queue: RequestQueue;
  private readonly calendar: Calendar;
  private readonly reader: RequestReader;
  private readonly pending: PendingRequests;
  private readonly unlabelled: UnlabelledWarnings;
  private readonly ledger: FastPathLedger;
  /** Undefined unless `ack` is `replicated`. */
  private readonly waits: BucketWaits | undefined;
  /** Where to look first for the next publisher's message. */
  private nextPublisher = 0;
  /** During a stop, and while cameras are let go: finished replies. */
  private held: HeldReply[] | undefined;
  /** The known nodes. */
  readonly activity: Activity;
  /** Counts of what was received and stored. */
  readonly tally: Tally;

  constructor(
    private readonly socket: ReplySocket,
    slots: FramedSlots,
    private readonly connections: Connections,
    private readonly complaints: Complaints,
    private readonly lending: Lending,
    parts: RequestsParts,
  ) {
    const { settings, shared, calendar, report } = parts;
    this.settings = settings;
    this.queue = parts.queue;
    this.calendar = calendar;
    this.activity = new Activity(parts);
    this.tally = new Tally(settings, shared.counters, this.activity, complaints, report);
    this.unlabelled = new UnlabelledWarnings(report);
    this.pending = new PendingRequests(slots, connections, slotsFor(settings));
    if (settings.ack === "replicated")
      this.waits = new BucketWaits(this.queue, settings.ack_timeout * 1000);
    this.ledger = new FastPathLedger(
      this.pending,
      connections,
      lending,
      this.tally,
      this.activity,
      calendar,
    );
    this.reader = new RequestReader({
      textBytesMax: settings.max_text_bytes,
      nameBytesMax: settings.max_name_bytes,
      unlabelled: settings.unlabelled,
      payloadBytesMax: settings.max_message_bytes,
    });
  }

  /** How many slots are in use. */
  get inHand(): number {
    return this.pending.count;
  }

  /** Number of slots that need the socket for a reply, or may need it. */
  get waitingForReply(): number {
    return this.pending.waitingForReply;
  }

  /** How many of them wait for the bucket, and for no disk. */
  get awaitingBucket(): number {
    return this.waits?.count ?? 0;
  }

  /** The nodes that wait for a reply. */
  waitingNodes(): Set<NodeState> {
    const nodes = this.pending.awaited().map(({ node }) => node);
    return new Set(nodes.filter((node) => node !== undefined));
  }

  /** How many requests have had no answer, or were answered before they were stored. */
  get unanswered(): number {
    return this.pending.unanswered;
  }

  /**
   * Receives up to a batch of requests.
   *
   * @returns whether there may be more; if not, there are none
   */
  receiveBatch(): boolean {
    for (let count = 0; count < BATCH; count++) {
      const request = this.pending.next;
      if (!this.socket.receive(request.slot)) return false;
      if (count === 0) this.tally.receivedMs = performance.now();
      this.pending.begin(request);
      this.admit(request);
    }
    return true;
  }

  /**
   * Receives what publishers have sent, in turns.
   *
   * @returns whether there may be more; if not, there is nothing
   */
  receivePublished(publishers: readonly Publisher[]): boolean {
    for (let count = 0; count < BATCH; count++) {
      const request = this.pending.next;
      if (!this.receiveNext(publishers, request)) return false;
      if (count === 0) this.tally.receivedMs = performance.now();
      this.pending.begin(request);
      this.pending.publish(request);
      this.load(request);
      // Nobody waits for a reply. If it is not on its way to the writers, it is finished.
      if (this.replyOrStore(request, undefined) !== undefined) this.release(request);
    }
    return true;
  }

  /** @returns false if no publisher has sent anything */
  private receiveNext(publishers: readonly Publisher[], { slot }: PendingRequest): boolean {
    for (let tried = 0; tried < publishers.length; tried++) {
      const publisher = publishers[this.nextPublisher]!;
      this.nextPublisher = (this.nextPublisher + 1) % publishers.length;
      if (this.socket.receivePublished(slot, publisher.socket)) return true;
    }
    return false;
  }

  /** Counts what the fast path has answered. @returns the number of requests */
  settle(): number {
    return this.ledger.settle();
  }

  /**
   * Takes over the socket, and everything that the fast path has not answered.
   *
   * @returns the number of requests that it had not begun to store
   */
  reclaim(): number {
    if (!this.lending.isLent) return 0;
    this.lending.reclaim();
    this.ledger.settle();
    const received = this.ledger.takeOver();
    for (const request of received) {
      // One by one: those that are not admitted yet must not count as in hand.
      this.pending.adopt(request);
      this.admit(request);
    }
    return received.length;
  }

  /** Handles a request in its slot. */
  private admit(request: PendingRequest): void {
    const connection = this.pending.countFor(request);
    this.tally.whole(request, connection);
    this.load(request);
    // The sender sends ahead of its replies.
    if (connection.unanswered > 1) this.sawUnusual();
    const reply = this.replyOrStore(request, connection);
    if (reply !== undefined) this.answer(request, reply);
  }

  /** Reads frame 1, and counts frame 2 as in hand. */
  private load(request: PendingRequest): void {
    this.socket.load(request.slot);
    this.socket.dropHeader(request.slot);
    this.tally.receivedBytes += this.pending.countBytes(request);
  }

  /**
   * @param connection undefined for a publisher, who waits for no reply
   * @returns the reply if the request needs no disk; otherwise it is on its way to the writers
   */
  private replyOrStore(
    request: PendingRequest,
    connection: Connection | undefined,
  ): Uint8Array | undefined {
    const { header, headerLength, malformed } = this.socket;
    try {
      if (malformed !== undefined) throw new RequestError("frames", malformed);
      const content = this.reader.read(header, headerLength, request.slot.payload);
      return this.handle(request, content, connection);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (connection !== undefined) this.sawUnusual();
      this.tally.add(Counter.refused);
      this.complaints.add(`refused ${error.code}`, {
        level: "warn",
        message: `Refused a request: ${error.message}`,
        fields: { from: request.slot.peerAddress },
      });
      return errorReply(error.message);
    }
  }

  private handle(
    request: PendingRequest,
    content: Request,
    connection: Connection | undefined,
  ): Uint8Array | undefined {
    if (content.kind === "test") {
      this.tally.add(Counter.tests);
      return OK;
    }
    if (content.kind === "unlabelled") {
      this.tally.add(Counter.unlabelled);
      this.unlabelled.warn(request.slot.peerAddress, content.node);
      return OK;
    }
    this.seen(request, content.node);
    if (content.kind === "heartbeat") {
      this.activity.heartbeat(request);
      this.tally.add(Counter.heartbeats);
      return OK;
    }
    if (connection === undefined) return this.storePublished(request, content);
    if (!isPlain(content, request.bytes) || request.slot.isNamed) this.sawUnusual();
    const reason = this.whyFull(request, connection);
    if (reason !== undefined) return this.refuseAsFull(content.kind, reason);
    this.fill(request, content);
    if (this.settings.ack === "received" && this.held === undefined && this.hasRoom) {
      this.socket.reply(request.slot, OK);
      this.pending.uncount(request);
      request.isAwaited = false;
    }
    this.queue.put(request.slot.index);
    return undefined;
  }

  /** A request has come from a node. */
  private seen(request: PendingRequest, node: string): void {
    const { receivedMs } = this.tally;
    if (request.isAdopted) {
      const cameMs = receivedMs - this.ledger.ageMs(request);
      this.activity.seen(request, node, cameMs, addressOf, request.slot.micros);
    } else this.activity.seen(request, node, receivedMs, addressOf);
    if (request.connection !== undefined) request.connection.node = node;
  }

  /** Something was not for the fast path, or took long. */
  private sawUnusual(): void {
    this.lending.sawUnusual(this.tally.receivedMs);
  }

  /** Stores a publisher's message, or drops it if requests need the room: their senders wait. */
  private storePublished(request: PendingRequest, content: StoredRequest): Uint8Array | undefined {
    if (!this.hasRoomForPublished(request)) {
      this.tally.add(Counter.dropped);
      this.complaints.add("dropped", {
        level: "error",
        message: `Dropped a publisher's message: ${this.pending.published - 1} of their messages are already waiting to be written (queuemax, max_queue_bytes)`,
        fields: {
          from: request.slot.peerAddress,
          node: content.node,
          dropped: this.tally.count(Counter.dropped),
        },
      });
      return OK;
    }
    this.fill(request, content);
    this.queue.put(request.slot.index);
    return undefined;
  }

  /** All publishers together may use a quarter of the room. The rest is for requests. */
  private hasRoomForPublished(request: PendingRequest): boolean {
    const { queuemax, max_queue_bytes: bytesMax } = this.settings;
    return (
      !this.pending.isSpare(request) &&
      this.pending.published <= Math.max(1, queuemax / 4) &&
      this.pending.bytes <= bytesMax / 4
    );
  }

  /**
   * Whether there is room for more than one request per connection. If not, a request that came
   * ahead of an earlier reply is refused, and none is answered before it is stored. So there is
   * always room for senders that wait for their replies.
   */
  private get hasRoom(): boolean {
    const { queuemax, max_queue_bytes: bytesMax } = this.settings;
    return this.pending.count <= queuemax && this.pending.bytes <= bytesMax / 2;
  }

  /** Why a request cannot wait for the writers; undefined if it can. */
  private whyFull(request: PendingRequest, { unanswered }: Connection): string | undefined {
    const { max_queue_bytes: bytesMax, max_unanswered: unansweredMax } = this.settings;
    const { pending } = this;
    // A connection that sends ahead of its replies must leave the others their share of the disk.
    if (unanswered > unansweredMax)
      return `${counted(unanswered - 1, "request")} of this connection ${unanswered === 2 ? "waits for its" : "wait for their"} reply (max_unanswered)`;
    const isOutOfSlots = pending.isSpare(request);
    // A single request may have any size that max_message_bytes allows. The hub's own notices have
    // no bytes.
    const bytes = pending.bytes - request.bytes;
    const isOutOfBytes = pending.bytes > bytesMax && bytes > 0;
    if (!isOutOfSlots && !isOutOfBytes && (unanswered <= 1 || this.hasRoom)) return undefined;
    const waiting = isOutOfSlots ? pending.count : pending.count - 1;
    const rest = this.waits === undefined ? "" : ` or for the bucket`;
    return `${counted(waiting, "request")} with ${bytes} bytes ${waiting === 1 ? "waits" : "wait"} to be written${rest} (queuemax, max_queue_bytes)`;
  }

  private refuseAsFull(kind: "image" | "event", reason: string): Uint8Array {
    this.sawUnusual();
    if (kind === "event") this.tally.add(Counter.eventsFailed);
    this.tally.add(Counter.failed);
    this.complaints.add("full", {
      level: "error",
      message: `The queue is full, requests are refused: ${reason}`,
    });
    return errorReply(`the queue is full: ${reason}`);
  }

  private fill(request: PendingRequest, content: StoredRequest): void {
    const { slot } = request;
    slot.setPayload(slot.payload.data, request.bytes);
    // The fast path has noted when it received the request.
    if (!request.isAdopted) slot.micros = this.calendar.now();
    fillSlot(slot, content);
  }

  /** Writes a line of the hub itself to the event log. @returns false if no slot is free */
  notice(text: string): boolean {
    const request = this.beginNotice(Kind.notice);
    if (request === undefined) return false;
    request.slot.eventText = text;
    this.queue.put(request.slot.index);
    return true;
  }

  /** @param micros a moment of the day whose folder is full. @returns false if no slot is free */
  private fullNotice(micros: number): boolean {
    const request = this.beginNotice(Kind.fullNotice);
    if (request === undefined) return false;
    request.slot.micros = micros;
    this.queue.put(request.slot.index);
    return true;
  }

  /**
   * @returns undefined if no slot is free. That happens only while the disk stalls, and the caller
   * tries again
   */
  private beginNotice(kind: number): PendingRequest | undefined {
    if (!this.pending.hasFree) return undefined;
    const request = this.pending.next;
    this.pending.begin(request);
    request.isAwaited = false;
    request.slot.kind = kind;
    return request;
  }

  /** Answers the requests that the writers have finished. @returns their number */
  finishDone(): number {
    let count = 0;
    for (let index = this.queue.nextDone(); index >= 0; index = this.queue.nextDone()) {
      if (count === 0) this.doneMs = performance.now();
      this.finish(this.pending.at(index));
      // Each one at once: the next may be of another day.
      this.noteFull();
      count++;
    }
    this.noteFull();
    for (const { request, refusal } of this.waits?.settled() ?? []) {
      this.confirm(request, refusal);
      count++;
    }
    return count;
  }

  /** Has the event log note that a day's folder is full, if it is and a slot is free. */
  private noteFull(): void {
    const { fullMicros } = this.tally;
    if (fullMicros !== undefined && this.fullNotice(fullMicros)) this.tally.fullMicros = undefined;
  }

  private finish(request: PendingRequest): void {
    if (this.pending.isFast(request)) {
      // The fast path could not store it, or had lost the socket when it wanted to answer.
      this.reclaim();
      this.ledger.adopt(request);
    }
    let reply: Uint8Array = OK;
    if (request.slot.outcome === Outcome.failed) {
      this.lending.sawUnusual(this.doneMs);
      reply = errorReply(`cannot store: ${this.tally.failed(request)}`);
    } else this.tally.stored(request);
    if (!request.isAwaited) {
      this.release(request);
      return;
    }
    if (this.waits !== undefined && request.slot.outcome === Outcome.stored) {
      this.waits.add(request, this.doneMs);
      // The replicator reads the file. Many may wait here for long.
      this.socket.dropPayload(request.slot);
      this.pending.uncountBytes(request);
      return;
    }
    const durationMs = this.activity.answered(request, this.doneMs);
    if (durationMs > SLOW_MS) this.lending.sawUnusual(this.doneMs);
    this.answer(request, reply);
  }

  /** Asks a replicator that has just begun. */
  connectBucket(port: MessagePort): void {
    this.waits?.connect(port, performance.now());
  }

  /**
   * Answers `ERROR` to requests that have waited too long for the bucket. @param nowMs Infinity: to
   * all. @param reason default: that of the store. @returns their number
   */
  refuseLate(nowMs: number, reason?: string): number {
    const late = this.waits?.late(nowMs) ?? [];
    for (const { request, refusal } of late) this.confirm(request, reason ?? refusal);
    return late.length;
  }

  /** Answers a request that has waited for the bucket. */
  private confirm(request: PendingRequest, refusal: string | undefined): void {
    this.activity.answered(request, performance.now());
    if (refusal === undefined) return this.answer(request, OK);
    const reason = oneLine(refusal);
    this.tally.unconfirmed(request, reason);
    this.answer(request, errorReply(`not in the bucket yet: ${reason}`));
  }

  private answer(request: PendingRequest, reply: Uint8Array): void {
    const isStale = this.staleness(request);
    if (isStale()) {
      // Nobody waits for this reply, or the peer waits for the reply to another request.
    } else if (this.held !== undefined && this.held.length < HELD_REPLIES_MAX) {
      this.held.push(heldReply(request, reply, isStale));
      // It still counts for its connection: a sender waits even if its reply is held back.
      request.connection = undefined;
    } else {
      this.socket.reply(request.slot, reply);
    }
    this.release(request);
  }

  /**
   * Returns a function that tells whether the connection of a request has ended. Another peer may
   * have its routing id by now, and would take the reply for the one to its own request. libzmq
   * reports the end before it reuses the id.
   */
  private staleness({ connection, slot }: PendingRequest): () => boolean {
    if (connection === undefined || !slot.isNamed) return never;
    return () => {
      this.connections.update();
      return connection.isGone;
    };
  }

  private release(request: PendingRequest): void {
    this.socket.release(request.slot);
    this.pending.release(request);
  }

  /** From now on, replies are held back until {@link releaseHeld}. */
  holdReplies(): void {
    this.held ??= [];
  }

  /** From now on, replies are sent at once again. There must be none held back. */
  sendReplies(): void {
    this.held = undefined;
  }

  /**
   * Answers `ERROR` to requests that the disk or the bucket has not taken, in time before the hub
   * ends. They may still be stored, and are copied after the next start.
   */
  refuseRest(): void {
    this.refuseLate(Number.POSITIVE_INFINITY, "the hub stops");
    const reply = errorReply("the hub stops, and the disk has not taken this in time");
    for (const request of this.pending.awaited())
      this.held?.push(heldReply(request, reply, this.staleness(request)));
  }

  /** The replies that were held back. */
  releaseHeld(): HeldReply[] {
    return this.held?.splice(0) ?? [];
  }
}

function heldReply(
  { slot, connection }: PendingRequest,
  reply: Uint8Array,
  isStale: () => boolean,
): HeldReply {
  return { envelope: copyEnvelope(slot), reply, connection, isStale };
}

const never = (): boolean => false;

function errorReply(reason: string): Uint8Array {
  return Buffer.from(`ERROR ${reason}`);
}
