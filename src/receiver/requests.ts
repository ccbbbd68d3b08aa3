/**
 * The requests that are in the hub: each has a slot from when it was received until it was
 * answered.
 *
 * Here is decided what becomes of each: answered at once where it needs no disk (heartbeats, test
 * images, what makes no sense), else handed to the writers and answered when they are done. It also
 * counts, and takes over from the fast path what that leaves to the receiver.
 *
 * @module
 */

import type { Calendar } from "../protocol/calendar.ts";
import type { Settings } from "../config/schema.ts";
import {
  type Request,
  RequestError,
  RequestReader,
  type StoredRequest,
} from "../protocol/request.ts";
import { oneLine } from "../protocol/names.ts";
import type { RequestQueue } from "../shared/queue.ts";
import { FAST_SLOTS, HELD_REPLIES_MAX, SLOW_MS } from "../limits.ts";
import { Counter, firstFastSlot, type Shared, slotsFor } from "../shared/memory.ts";
import { fillSlot, Holder, isForLog, Kind, Outcome, type Slot, Slots } from "../shared/slot.ts";
import { Activity } from "./activity.ts";
import type { Complaints, Report } from "./complaints.ts";
import type { Connection, Connections } from "./connections.ts";
import type { HeldReply } from "./farewell.ts";
import { isPlain } from "../shared/loan.ts";
import type { ReplySocket } from "./reply-socket.ts";
import type { Publisher } from "./subscriptions.ts";
import { UnlabelledWarnings } from "./unlabelled.ts";

/** Requests taken in before those that are done are answered. */
const BATCH = 32;

/**
 * How old a request can be that the fast path has in hand when the receiver takes it over, in
 * milliseconds; it is less, most often.
 */
const AGE_MS_MAX = 1000;

/**
 * What CURVE adds to the three frames of a request on the wire, in bytes (ZeroMQ RFC 26, "MESSAGE
 * Command").
 */
const CURVE_BYTES = 3 * 33;

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
  /** When a request was received last, in milliseconds of `performance.now`. */
  receivedMs = performance.now();
  /** Bytes of frame 2 of all requests so far. */
  receivedBytes = 0;
  /** When a writer was done with something last. */
  doneMs = performance.now();
  /**
   * When something was last that is not for the fast path: a request that is not plain, or one that
   * took long.
   */
  unusualMs = Number.NEGATIVE_INFINITY;
  private readonly settings: Settings;
  private readonly mechanismBytes: number;
  private readonly queue: RequestQueue;
  private readonly calendar: Calendar;
  private readonly reader: RequestReader;
  private readonly slots: Slots;
  private readonly counters: Float64Array;
  /** The connection that the request in each slot came on. */
  private readonly connectionOf: (Connection | undefined)[] = [];
  /** Bytes of frame 2 of the request in each slot, and of all that are in hand. */
  private readonly bytesOf: Float64Array;
  private bytes = 0;
  private readonly slotCount: number;
  /** Slots that hold nothing. The last one freed is used first, so that few are ever touched. */
  private readonly free: number[];
  /**
   * Slots that nobody waits for: the request was answered before it was stored, or is a notice of
   * the hub's own.
   */
  private readonly unawaited = new Set<number>();
  /** Those of them that a publisher has sent: no reply is due, so they need no socket. */
  private readonly published = new Set<number>();
  /** Where the next message of a publisher is looked for first. */
  private nextPublisher = 0;
  /** The first slot of the fast path, and those of its slots that were left to the receiver. */
  private readonly firstFast: number;
  private readonly adopted = new Set<number>();
  /** Where the next request that the fast path has answered is looked for first. */
  private nextSettled = 0;
  /**
   * A moment of the day whose folder is full, where there was no slot yet to note that in the event
   * log.
   */
  private fullMicros: number | undefined;
  /** While the hub stops: replies that are ready. */
  private held: HeldReply[] | undefined;
  /** What is known of the nodes. */
  readonly activity: Activity;
  private readonly unlabelled: UnlabelledWarnings;
  private readonly addressOf = (slot: number): string => this.socket.peerAddress(slot);
  private readonly newcomersAddressOf = (slot: number): string => this.slots.at(slot).text;
  private readonly settledAddressOf = (slot: number): string | undefined =>
    this.connections.at(this.socket.descriptor(slot)).address;

  constructor(
    private readonly socket: ReplySocket,
    private readonly connections: Connections,
    private readonly complaints: Complaints,
    private readonly parts: RequestsParts,
    private readonly regain: () => void,
  ) {
    const { settings, shared } = parts;
    this.settings = settings;
    this.mechanismBytes = settings.curve.server_key === "" ? 0 : CURVE_BYTES;
    this.queue = parts.queue;
    this.calendar = parts.calendar;
    this.activity = new Activity(parts);
    this.unlabelled = new UnlabelledWarnings(parts.report);
    this.slots = new Slots(shared.slots);
    this.counters = shared.counters;
    this.slotCount = slotsFor(settings);
    this.firstFast = firstFastSlot(this.slotCount);
    this.bytesOf = new Float64Array(this.firstFast + FAST_SLOTS);
    this.free = Array.from({ length: this.slotCount }, (_, index) => this.slotCount - 1 - index);
    this.reader = new RequestReader({
      textBytesMax: settings.max_text_bytes,
      nameBytesMax: settings.max_name_bytes,
      unlabelled: settings.unlabelled,
      payloadBytesMax: settings.max_message_bytes,
    });
  }

  /** How many slots are in use. */
  get inHand(): number {
    return this.slotCount - this.free.length + this.adopted.size;
  }

  /** How many of them need the socket for a reply, or may. */
  get waitingForReply(): number {
    return this.inHand - this.published.size;
  }

  /**
   * How many requests are in use whose sender has had no answer, or the answer too early: all but
   * the hub's own notices.
   */
  get unanswered(): number {
    const notices = [...this.unawaited].filter(
      (slot) => !isAwaited(this.slots.at(slot).kind),
    ).length;
    return this.inHand - notices;
  }

  /** From now on replies are kept back, until `takeHeld`. */
  holdReplies(): void {
    this.held = [];
  }

  /**
   * Answers what the disk has not taken as an error, in time before the hub ends. It stays in its
   * slot, and may be stored all the same.
   */
  refuseRest(): void {
    const free = new Set(this.free);
    const reply = errorReply("the hub stops, and the disk has not taken this in time");
    for (const slot of [...Array(this.slotCount).keys(), ...this.adopted]) {
      if (free.has(slot) || this.unawaited.has(slot)) continue;
      this.held?.push(this.heldReply(slot, reply, this.staleness(slot)));
    }
  }

  private heldReply(slot: number, reply: Uint8Array, isStale: () => boolean): HeldReply {
    return {
      envelope: this.socket.takeEnvelope(slot),
      reply,
      connection: this.connectionOf[slot],
      isStale,
    };
  }

  /** The replies that were kept back. */
  takeHeld(): HeldReply[] {
    return this.held?.splice(0) ?? [];
  }

  /**
   * Takes in requests, at most as many as a batch may have. @returns whether there may be more;
   * else there are none
   */
  receiveBatch(): boolean {
    for (let count = 0; count < BATCH; count++) {
      // Where all slots are in use, a place of the socket's that no slot belongs to: it is answered
      // from there, at once.
      const slot = this.free.at(-1) ?? this.slotCount;
      if (!this.socket.receive(slot)) return false;
      if (count === 0) this.receivedMs = performance.now();
      this.free.pop();
      this.take(slot);
    }
    return true;
  }

  /**
   * Takes in what publishers have sent, of each in its turn. @returns whether there may be more;
   * else there is nothing
   */
  receivePublished(publishers: readonly Publisher[]): boolean {
    for (let count = 0; count < BATCH; count++) {
      const slot = this.free.at(-1) ?? this.slotCount;
      if (!this.receiveNext(publishers, slot)) return false;
      if (count === 0) this.receivedMs = performance.now();
      this.free.pop();
      this.published.add(slot);
      this.socket.load(slot);
      this.socket.dropHeader(slot);
      this.countBytes(slot);
      // Nobody waits for a reply. What is not on its way to the writers has been dealt with.
      if (this.replyOrStore(slot, undefined) !== undefined) this.release(slot);
    }
    return true;
  }

  /** @returns false where none of them has anything */
  private receiveNext(publishers: readonly Publisher[], slot: number): boolean {
    for (let tried = 0; tried < publishers.length; tried++) {
      const publisher = publishers[this.nextPublisher]!;
      this.nextPublisher = (this.nextPublisher + 1) % publishers.length;
      if (this.socket.receivePublished(slot, publisher.socket)) return true;
    }
    return false;
  }

  private take(slot: number): void {
    this.socket.load(slot);
    this.socket.dropHeader(slot);
    const connection = this.count(slot);
    // It sends ahead of its replies.
    if (connection.unanswered > 1) this.unusualMs = this.receivedMs;
    const reply = this.replyOrStore(slot, connection);
    if (reply !== undefined) this.answer(slot, reply);
  }

  /** A request has come: it counts for its connection, and for what is in hand. */
  private count(slot: number): Connection {
    // The descriptor may be that of an earlier connection, whose end is not taken in yet. Where the
    // hub does not sleep between its chores, that may be so for other senders, too: then only the
    // count of their requests in hand is another's.
    if (this.socket.isNamed(slot)) this.connections.update();
    const connection = this.connections.at(this.socket.descriptor(slot));
    connection.unanswered++;
    this.countWhole(slot, connection);
    this.connectionOf[slot] = connection;
    this.countBytes(slot);
    return connection;
  }

  private countBytes(slot: number): void {
    const { size } = this.socket.payload(slot);
    this.bytesOf[slot] = size;
    this.bytes += size;
    this.receivedBytes += size;
  }

  private countWhole(slot: number, connection: Connection): void {
    connection.messages++;
    connection.messageBytes += this.socket.wireBytes(slot) + this.mechanismBytes;
  }

  /**
   * Takes in what the fast path has received and not answered. @returns how many requests it had
   * not begun to store either
   */
  takeOver(): number {
    let count = 0;
    for (let tried = 0; tried < FAST_SLOTS; tried++) {
      const index = this.fastSlot(tried);
      const slot = this.slots.at(index);
      if (slot.take(Holder.received, Holder.receiver)) {
        if (count === 0) this.receivedMs = performance.now();
        this.adopted.add(index);
        this.take(index);
        count++;
      } else if (slot.holder === Holder.fastPath) {
        // It comes back through the queue when it is stored.
        this.adopt(index);
      }
    }
    return count;
  }

  /**
   * From now on a request that the fast path stores, or could not store, is the receiver's to
   * answer.
   */
  private adopt(index: number): void {
    if (this.adopted.has(index)) return;
    this.receivedMs = performance.now();
    this.unusualMs = this.receivedMs;
    this.adopted.add(index);
    this.slots.at(index).holder = Holder.receiver;
    this.count(index);
    this.seen(index, this.slots.at(index).node);
  }

  /** A node is heard of by the request in a slot. */
  private seen(index: number, node: string): void {
    const micros = this.arrival(index);
    // By the wall clock, which may have been set meanwhile.
    const ageMs =
      micros === undefined
        ? 0
        : Math.min(Math.max(0, (this.calendar.now() - micros) / 1000), AGE_MS_MAX);
    this.activity.seen(index, node, this.receivedMs - ageMs, this.addressOf, micros);
    const connection = this.connectionOf[index];
    if (connection !== undefined) connection.node = node;
  }

  /**
   * When the fast path received what is in a slot, in microseconds since 1970 UTC; undefined where
   * the receiver has, just now.
   */
  private arrival(index: number): number | undefined {
    return this.adopted.has(index) ? this.slots.at(index).micros : undefined;
  }

  /** Counts what the fast path has answered. @returns how many requests that were */
  settle(): number {
    let count = 0;
    let last = -1;
    for (let tried = 0; tried < FAST_SLOTS; tried++) {
      const index = this.fastSlot(tried);
      const slot = this.slots.at(index);
      if (slot.holder !== Holder.answered) continue;
      if (count === 0) this.receivedMs = performance.now();
      this.settleOne(index, slot);
      last = index;
      count++;
    }
    if (count > 0) this.nextSettled = last + 1 - this.firstFast;
    return count;
  }

  /** The slots of the fast path in the order in which they were received, most often. */
  private fastSlot(tried: number): number {
    return this.firstFast + ((this.nextSettled + tried) % FAST_SLOTS);
  }

  private settleOne(index: number, slot: Slot): void {
    this.receivedBytes += slot.payloadBytes;
    const connection = this.connections.at(this.socket.descriptor(index));
    this.countWhole(index, connection);
    const { node } = slot;
    connection.node = node;
    if (slot.answerMs > SLOW_MS) this.unusualMs = this.receivedMs;
    const addressOf = slot.isNewcomer ? this.newcomersAddressOf : this.settledAddressOf;
    this.activity.seen(index, node, this.receivedMs, addressOf, slot.micros);
    this.counters[Counter.fastPath]!++;
    this.countStored(index, slot);
    this.activity.answeredAfter(slot.answerMs);
    slot.holder = Holder.nobody;
  }

  /**
   * @param connection undefined where a publisher has sent it, who waits for no reply
   * @returns the reply, where the request needs no disk; else it is on its way to the writers
   */
  private replyOrStore(slot: number, connection: Connection | undefined): Uint8Array | undefined {
    const { header, headerLength, malformed } = this.socket;
    try {
      if (malformed !== undefined) throw new RequestError("frames", malformed);
      const request = this.reader.read(header, headerLength, this.socket.payload(slot));
      return this.handle(slot, request, connection);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (connection !== undefined) this.unusualMs = this.receivedMs;
      this.counters[Counter.refused]!++;
      this.complaints.add(`refused ${error.code}`, {
        level: "warn",
        message: `Refused a request: ${error.message}`,
        fields: { from: this.socket.peerAddress(slot) },
      });
      return errorReply(error.message);
    }
  }

  private handle(
    slot: number,
    request: Request,
    connection: Connection | undefined,
  ): Uint8Array | undefined {
    if (request.kind === "test") {
      this.counters[Counter.tests]!++;
      return OK;
    }
    if (request.kind === "unlabelled") {
      this.counters[Counter.unlabelled]!++;
      this.unlabelled.warn(this.socket.peerAddress(slot), request.node);
      return OK;
    }
    this.seen(slot, request.node);
    if (request.kind === "heartbeat") {
      this.activity.heartbeat(slot);
      this.counters[Counter.heartbeats]!++;
      return OK;
    }
    if (connection === undefined) return this.storePublished(slot, request);
    if (!isPlain(request, this.bytesOf[slot]!) || this.socket.isNamed(slot))
      this.unusualMs = this.receivedMs;
    const reason = this.whyFull(slot, connection);
    if (reason !== undefined) return this.refuseAsFull(request.kind, reason);
    this.fill(slot, request);
    if (this.settings.ack === "received" && this.held === undefined && this.hasRoom) {
      this.socket.reply(slot, OK);
      this.uncount(slot);
      this.unawaited.add(slot);
    }
    this.queue.put(slot);
    return undefined;
  }

  /**
   * Whether one more message of a publisher may wait: all of them together have a quarter of the
   * room, and the rest is for requests.
   */
  private get hasRoomForPublished(): boolean {
    const { queuemax, max_queue_bytes: bytesMax } = this.settings;
    const isOutOfSlots = this.published.has(this.slotCount);
    return (
      !isOutOfSlots &&
      this.published.size <= Math.max(1, queuemax / 4) &&
      this.bytes <= bytesMax / 4
    );
  }

  /**
   * Stores what a publisher has sent, or drops it where it would take the place of requests, whose
   * senders wait.
   */
  private storePublished(slot: number, request: StoredRequest): Uint8Array | undefined {
    if (!this.hasRoomForPublished) {
      this.counters[Counter.dropped]!++;
      this.complaints.add("dropped", {
        level: "error",
        message: `Dropped what a publisher has sent: ${this.published.size - 1} of their messages wait to be written already (queuemax, max_queue_bytes)`,
        fields: {
          from: this.socket.peerAddress(slot),
          node: request.node,
          dropped: this.counters[Counter.dropped],
        },
      });
      return OK;
    }
    this.fill(slot, request);
    this.unawaited.add(slot);
    this.queue.put(slot);
    return undefined;
  }

  /**
   * Whether there is room for more than one request of each connection. Where not, one that came
   * ahead of the reply to an earlier one is refused, and none is answered before it is stored: so
   * those that wait for their replies always fit.
   */
  private get hasRoom(): boolean {
    const { queuemax, max_queue_bytes: bytesMax } = this.settings;
    return this.inHand <= queuemax && this.bytes <= bytesMax / 2;
  }

  /** Why the request at this slot cannot wait for the writers; undefined: it can. */
  private whyFull(slot: number, { unanswered }: Connection): string | undefined {
    const { max_queue_bytes: bytesMax, max_unanswered: unansweredMax } = this.settings;
    // So that one that sends ahead of its replies leaves the others their share of the disk.
    if (unanswered > unansweredMax)
      return `${unanswered - 1} requests of this connection wait for their reply (max_unanswered)`;
    const isOutOfSlots = slot === this.slotCount;
    // One alone may have any size that max_message_bytes lets in.
    const isOutOfBytes = this.bytes > bytesMax && this.inHand > 1;
    if (!isOutOfSlots && !isOutOfBytes && (unanswered <= 1 || this.hasRoom)) return undefined;
    const waiting = isOutOfSlots ? this.inHand : this.inHand - 1;
    const bytes = this.bytes - this.bytesOf[slot]!;
    return `${waiting} requests with ${bytes} bytes wait to be written (queuemax, max_queue_bytes)`;
  }

  private refuseAsFull(kind: "image" | "event", reason: string): Uint8Array {
    this.unusualMs = this.receivedMs;
    if (kind === "event") this.counters[Counter.eventsFailed]!++;
    this.counters[Counter.failed]!++;
    this.complaints.add("full", {
      level: "error",
      message: `The queue is full, requests are refused: ${reason}`,
    });
    return errorReply(`the queue is full: ${reason}`);
  }

  private fill(index: number, request: StoredRequest): void {
    const slot = this.slots.at(index);
    slot.setPayload(this.socket.payload(index).data, this.bytesOf[index]!);
    // The fast path has noted when what it received came.
    if (!this.adopted.has(index)) slot.micros = this.calendar.now();
    fillSlot(slot, request);
  }

  /** Puts a record of the hub's own into the event log. */
  notice(text: string): void {
    this.putNotice(Kind.notice, (slot) => (slot.text = text));
  }

  /** @returns false where there is no slot for it */
  private putNotice(kind: number, fill: (slot: Slot) => void): boolean {
    const index = this.free.pop();
    // All are in use only while the disk stalls, and then there is nothing to be logged on it.
    if (index === undefined) return false;
    const slot = this.slots.at(index);
    slot.kind = kind;
    fill(slot);
    this.unawaited.add(index);
    this.queue.put(index);
    return true;
  }

  /** Answers the requests that the writers are done with. @returns how many */
  takeDone(): number {
    let count = 0;
    for (let slot = this.queue.takeDone(); slot >= 0; slot = this.queue.takeDone()) {
      if (count === 0) this.doneMs = performance.now();
      this.finish(slot);
      count++;
    }
    if (this.fullMicros !== undefined) this.putFullNotice(this.fullMicros);
    return count;
  }

  private finish(index: number): void {
    // Given back by the fast path, which could not store it, or has lost the socket meanwhile.
    if (index >= this.firstFast) {
      this.regain();
      this.adopt(index);
    }
    const slot = this.slots.at(index);
    const failure =
      slot.outcome === Outcome.failed ? `cannot store: ${oneLine(slot.text)}` : undefined;
    if (failure !== undefined) {
      this.unusualMs = this.doneMs;
      const isImage = slot.kind === Kind.jpeg || slot.kind === Kind.raw;
      // First this one, so that a reader never sees more of the whole than of its parts.
      if (!isImage) this.counters[Counter.eventsFailed]!++;
      this.counters[Counter.failed]!++;
      const text = oneLine(slot.text);
      const message = `Could not store ${isImage ? "an image" : "an event"}: ${text}`;
      // The text may name a path, which is another each time; the error's name is what makes a kind
      // of it.
      const [, code] = /(?:^|: )(E[A-Z0-9]+)(?::|\)(?:$| on ))/.exec(text) ?? [];
      this.complaints.add(`store ${isImage} ${code}`, { level: "error", message });
      this.activity.failed(isImage ? "image" : "event", message, code);
    } else {
      this.countStored(index, slot);
    }
    if (this.unawaited.delete(index)) {
      this.release(index);
      return;
    }
    if (this.activity.answered(index, this.doneMs) > SLOW_MS) this.unusualMs = this.doneMs;
    this.answer(index, failure === undefined ? OK : errorReply(failure));
  }

  /** Counts what stands. */
  private countStored(index: number, slot: Slot): void {
    if (slot.kind === Kind.event) {
      this.counters[Counter.events]!++;
      this.activity.stored(index, "event");
    } else if (slot.outcome === Outcome.overCap || slot.outcome === Outcome.firstOverCap) {
      this.counters[Counter.imagesOverCap]!++;
      if (slot.outcome === Outcome.firstOverCap) this.sayOverCap(slot.micros);
    } else if (!isForLog(slot.kind)) {
      this.activity.stored(index, "image");
      this.counters[Counter.images]!++;
      this.counters[Counter.imageBytes]! += slot.payloadBytes;
    }
  }

  /** @param micros a moment of the day */
  private sayOverCap(micros: number): void {
    this.putFullNotice(micros);
    const { max_images_write: max } = this.settings;
    this.parts.report(
      "warn",
      `Today's folder has all the ${max} images that it may have (max_images_write): further ones are answered OK and not kept`,
    );
  }

  private putFullNotice(micros: number): void {
    const isPut = this.putNotice(Kind.fullNotice, (slot) => (slot.micros = micros));
    this.fullMicros = isPut ? undefined : micros;
  }

  private answer(slot: number, reply: Uint8Array): void {
    const isStale = this.staleness(slot);
    if (isStale()) {
      // Nobody waits for it, or somebody who waits for the reply to another one.
    } else if (this.held !== undefined && this.held.length < HELD_REPLIES_MAX) {
      this.held.push(this.heldReply(slot, reply, isStale));
      // It counts on for its connection: a sender waits for a reply that is held back, too.
      this.connectionOf[slot] = undefined;
    } else {
      this.socket.reply(slot, reply);
    }
    this.release(slot);
  }

  /**
   * Whether the connection that the request in this slot came on has ended, and another may bear
   * its routing id by now, which would take the reply for the one to its own request. libzmq tells
   * of the end before it gives the id away.
   */
  private staleness(slot: number): () => boolean {
    const connection = this.connectionOf[slot];
    if (connection === undefined || !this.socket.isNamed(slot)) return never;
    return () => {
      this.connections.update();
      return connection.isGone;
    };
  }

  private release(slot: number): void {
    this.uncount(slot);
    this.bytes -= this.bytesOf[slot]!;
    this.bytesOf[slot] = 0;
    this.socket.release(slot);
    this.published.delete(slot);
    if (slot < this.slotCount) this.free.push(slot);
    if (this.adopted.delete(slot)) this.slots.at(slot).holder = Holder.nobody;
  }

  /** The request in this slot counts no longer for its connection. */
  private uncount(slot: number): void {
    const connection = this.connectionOf[slot];
    if (connection !== undefined) connection.unanswered--;
    this.connectionOf[slot] = undefined;
  }
}

/** Whether a sender waits for what is in a slot. */
const isAwaited = (kind: number): boolean => kind !== Kind.notice && kind !== Kind.fullNotice;

const never = (): boolean => false;

function errorReply(reason: string): Uint8Array {
  return Buffer.from(`ERROR ${reason}`);
}
