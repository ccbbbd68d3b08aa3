/**
 * The requests that are in the hub: each has a slot from when it was received until it was answered.
 *
 * Here is decided what becomes of each: answered at once where it needs no disk (heartbeats, test images, what makes no
 * sense), else handed to the writers and answered when they are done. It also counts.
 *
 * @module
 */

import type { Calendar } from "../clock.ts";
import type { Settings } from "../config/schema.ts";
import { parseRequest, type Request, RequestError, type RequestLimits } from "../request.ts";
import { oneLine } from "../store/names.ts";
import type { RequestQueue } from "../threads/queue.ts";
import { Counter, type Shared } from "../threads/shared.ts";
import { Kind, Outcome, Slots } from "../threads/slot.ts";
import type { Complaints, Report } from "./complaints.ts";
import type { Envelope, Received, ReplySocket } from "./reply-socket.ts";

/** Requests taken in before those that are done are answered. */
const BATCH = 32;

/** Nodes whose first message was logged. A hub that has met more logs no further ones. */
const NODES_MAX = 1000;

/** Replies that a stop holds back, at most. Each is from another connection, where senders wait for theirs. */
const HELD_MAX = 10_000;

const OK = Buffer.from("OK");

/** A reply that is ready, and where it goes. */
interface HeldReply {
  readonly envelope: Envelope;
  readonly reply: Uint8Array;
}

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
  /** When a writer was done with something last. */
  doneMs = performance.now();
  private readonly settings: Settings;
  private readonly queue: RequestQueue;
  private readonly calendar: Calendar;
  private readonly report: Report;
  private readonly limits: RequestLimits;
  private readonly slots: Slots;
  private readonly counters: Float64Array;
  /** Slots that hold nothing. The last one freed is used first, so that few are ever touched. */
  private readonly free: number[];
  /** Slots that nobody waits for: the request was answered before it was stored, or is a notice of the hub's own. */
  private readonly unawaited = new Set<number>();
  /** While the hub stops: replies that are ready. */
  private held: HeldReply[] | undefined;
  private readonly nodes = new Set<string>();

  constructor(
    private readonly socket: ReplySocket,
    private readonly complaints: Complaints,
    parts: RequestsParts,
  ) {
    const { settings, shared } = parts;
    this.settings = settings;
    this.queue = parts.queue;
    this.calendar = parts.calendar;
    this.report = parts.report;
    this.slots = new Slots(shared.slots);
    this.counters = shared.counters;
    this.free = Array.from({ length: settings.queuemax }, (_, index) => settings.queuemax - 1 - index);
    this.limits = { textBytesMax: settings.max_text_bytes, nameBytesMax: settings.max_name_bytes };
  }

  /** How many slots are in use. */
  get inHand(): number {
    return this.settings.queuemax - this.free.length;
  }

  /** Whether no further request can be taken in. */
  get isFull(): boolean {
    return this.free.length === 0;
  }

  /** How many requests are in use whose sender has had no answer, or the answer too early: all but the hub's own notices. */
  get unanswered(): number {
    const notices = [...this.unawaited].filter((slot) => this.slots.at(slot).kind === Kind.notice).length;
    return this.inHand - notices;
  }

  /** From now on replies are kept back, until `sendHeld`. */
  holdReplies(): void {
    this.held = [];
  }

  /** Sends the replies that were kept back. */
  sendHeld(): void {
    for (const { envelope, reply } of this.held ?? []) this.socket.replyTo(envelope, reply);
  }

  /** Takes in requests, as many as there are and as a batch may have. @returns how many */
  receiveBatch(): number {
    let count = 0;
    for (; count < BATCH; count++) {
      const slot = this.free.at(-1);
      if (slot === undefined) break;
      const received = this.socket.receive(slot);
      if (received === undefined) break;
      this.free.pop();
      this.take(slot, received);
    }
    if (count > 0) this.receivedMs = performance.now();
    return count;
  }

  private take(slot: number, { header, malformed }: Received): void {
    try {
      if (header === undefined) throw new RequestError("frames", malformed);
      const payload = this.socket.payload(slot);
      this.handle(slot, parseRequest(header, payload.size, this.limits));
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.counters[Counter.refused]!++;
      this.complaints.add(`refused ${error.code}`, {
        level: "warn",
        message: `Refused a request: ${error.message}`,
        fields: { from: this.socket.peerAddress(slot) },
      });
      this.answer(slot, errorReply(error.message));
    }
  }

  private handle(slot: number, request: Request): void {
    if (request.kind === "test") {
      this.counters[Counter.tests]!++;
      this.answer(slot, OK);
      return;
    }
    if (!this.nodes.has(request.node)) this.meet(request.node, slot);
    if (request.kind === "heartbeat") {
      this.counters[Counter.heartbeats]!++;
      this.answer(slot, OK);
      return;
    }
    this.fill(slot, request);
    if (this.settings.ack === "received" && this.held === undefined) {
      this.socket.reply(slot, OK);
      this.unawaited.add(slot);
    }
    this.queue.put(slot);
  }

  private fill(index: number, request: Request & { kind: "image" | "event" }): void {
    const slot = this.slots.at(index);
    if (request.kind === "event") {
      slot.kind = Kind.event;
      slot.text = request.text;
      return;
    }
    const payload = this.socket.payload(index);
    slot.micros = this.calendar.now();
    slot.text = request.name;
    slot.setPayload(payload.data, payload.size);
    slot.kind = request.raw === undefined ? Kind.jpeg : Kind.raw;
    if (request.raw !== undefined) slot.shape = request.raw;
  }

  /** Puts a record of the hub's own into the event log. */
  notice(text: string): void {
    const index = this.free.pop();
    // All are in use only while the disk stalls, and then there is nothing to be logged on it.
    if (index === undefined) return;
    const slot = this.slots.at(index);
    slot.kind = Kind.notice;
    slot.text = text;
    this.unawaited.add(index);
    this.queue.put(index);
  }

  /** Answers the requests that the writers are done with. @returns how many */
  takeDone(): number {
    let count = 0;
    for (let slot = this.queue.takeDone(); slot >= 0; slot = this.queue.takeDone()) {
      this.finish(slot);
      count++;
    }
    if (count > 0) this.doneMs = performance.now();
    return count;
  }

  private finish(index: number): void {
    const slot = this.slots.at(index);
    const failure = slot.outcome === Outcome.failed ? `cannot store: ${oneLine(slot.text)}` : undefined;
    if (failure !== undefined) {
      this.counters[Counter.failed]!++;
      const what = slot.kind === Kind.jpeg || slot.kind === Kind.raw ? "an image" : "an event";
      const text = oneLine(slot.text);
      // The text may name a path, which is another each time; the error's name is what makes a kind of it.
      this.complaints.add(`${what} ${/\bE[A-Z0-9]+\b/.exec(text)?.[0]}`, {
        level: "error",
        message: `Could not store ${what}: ${text}`,
      });
    } else if (slot.kind === Kind.event) {
      this.counters[Counter.events]!++;
    } else if (slot.outcome === Outcome.overCap) {
      this.counters[Counter.imagesOverCap]!++;
    } else if (slot.kind !== Kind.notice) {
      this.counters[Counter.images]!++;
      this.counters[Counter.imageBytes]! += slot.payloadBytes;
    }
    if (this.unawaited.delete(index)) this.release(index);
    else this.answer(index, failure === undefined ? OK : errorReply(failure));
  }

  private answer(slot: number, reply: Uint8Array): void {
    if (this.held !== undefined && this.held.length < HELD_MAX) {
      this.held.push({ envelope: this.socket.takeEnvelope(slot), reply });
    } else {
      this.socket.reply(slot, reply);
    }
    this.release(slot);
  }

  private release(slot: number): void {
    this.socket.release(slot);
    this.free.push(slot);
  }

  private meet(node: string, slot: number): void {
    if (this.nodes.size === NODES_MAX) return;
    this.nodes.add(node);
    if (this.nodes.size === NODES_MAX) {
      this.report("warn", `There are ${NODES_MAX} nodes: the first messages of further ones are not logged`);
      return;
    }
    this.report("info", `First message from ${node || "a node without a name"}`, {
      address: this.socket.peerAddress(slot),
    });
  }
}

function errorReply(reason: string): Uint8Array {
  return Buffer.from(`ERROR ${reason}`);
}
