/**
 * The receiver: takes requests in, hands what is to be stored to the writers, and answers.
 *
 * It alone faces the network, answers at once what needs no disk (heartbeats, test images, requests that make no
 * sense), and counts. While all slots are in use it takes nothing in, and the senders wait.
 *
 * @module
 */

import type { Calendar } from "../clock.ts";
import type { Settings } from "../config/schema.ts";
import type { EventFd } from "../libc.ts";
import { parseRequest, type Request, RequestError, type RequestLimits } from "../request.ts";
import { oneLine } from "../store/names.ts";
import type { RequestQueue } from "../threads/queue.ts";
import { Counter, type Shared } from "../threads/shared.ts";
import { Kind, Outcome, Slots } from "../threads/slot.ts";
import { Context, Poller, SocketOption } from "../zmq/libzmq.ts";
import { Complaints, type Report } from "./complaints.ts";
import { Connections } from "./connections.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { type Envelope, type Received, ReplySocket } from "./reply-socket.ts";

/** Requests taken in before those that are done are answered. */
const BATCH = 32;

/** How often what is not about requests is seen to while requests keep coming, in milliseconds. */
const CHORES_MS = 100;

/** Nodes whose first message was logged. A hub that has met more logs no further ones. */
const NODES_MAX = 1000;

/** How long nothing may be written while requests wait until the log says so, in seconds. */
const STALL_SECONDS_MIN = 2;

/** How long a stop waits for requests that are under way on the network, in milliseconds. */
const STOP_QUIET_MS = 20;

/** How long a stop goes on receiving where senders do not wait for their replies, in milliseconds. */
const STOP_RECEIVE_MS_MAX = 4000;

/** Replies that a stop holds back, at most. Each is from another connection, where senders wait for theirs. */
const HELD_MAX = 10_000;

/** How long a stop waits for the disk, in milliseconds; service managers give a process 10 s and more. */
const STOP_MS_MAX = 8000;

const OK = Buffer.from("OK");

/** The poller's sources. */
const SOCKET = 0;
const WAKE = 1;
const MONITOR = 2;

/** A reply that is ready, and where it goes. */
interface HeldReply {
  readonly envelope: Envelope;
  readonly reply: Uint8Array;
}

/** What the receiver is made of. */
export interface ReceiverParts {
  readonly settings: Settings;
  readonly shared: Shared;
  readonly queue: RequestQueue;
  /** What the queue signals when something is done. */
  readonly wake: EventFd;
  readonly calendar: Calendar;
  /** The hub's version, for its first line in the event log. */
  readonly version: string;
  readonly report: Report;
}

/** The receiver of one hub. It lives in one thread, and waits in it. */
export class Receiver {
  private readonly context = new Context();
  private readonly socket: ReplySocket;
  /** Both from `bind` on. */
  private connections!: Connections;
  private poller!: Poller;
  private readonly gatekeeper: Gatekeeper | undefined;
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
  private readonly complaints: Complaints;
  private readonly patienceMs: number;
  private quietSinceMs = performance.now();
  /** When a writer was done with something last, or nothing waited. */
  private progressMs = performance.now();
  private choresMs = 0;

  /** @throws {Error} where a key of the settings cannot be read, and {ZmqError} */
  constructor(private readonly parts: ReceiverParts) {
    const { settings, shared, report } = parts;
    this.slots = new Slots(shared.slots);
    this.counters = shared.counters;
    this.free = Array.from({ length: settings.queuemax }, (_, index) => settings.queuemax - 1 - index);
    this.patienceMs = settings.patience * 60_000;
    this.limits = { textBytesMax: settings.max_text_bytes, nameBytesMax: settings.max_name_bytes };
    this.complaints = new Complaints(report);
    this.socket = new ReplySocket(this.context, settings);
    this.gatekeeper = Gatekeeper.guard(this.context, this.socket.socket, settings, ({ address }, reason) => {
      this.counters[Counter.denied]!++;
      this.complaints.add("denied", {
        level: "warn",
        message: `Refused a connection: ${reason}`,
        fields: { from: address },
      });
    });
  }

  /**
   * Starts to listen.
   *
   * @param endpoint e.g. `tcp://*:5555`
   * @throws {ZmqError} EADDRINUSE and others
   */
  bind(endpoint: string): void {
    // One socket for both kinds of address, where all of the machine's or one of IPv6 are meant.
    this.socket.socket.set(SocketOption.ipv6, /[*[]/.test(endpoint) ? 1 : 0);
    this.socket.socket.bind(endpoint);
    // Only now: with a monitor, libzmq forgets why a bind failed.
    const { settings, wake, report } = this.parts;
    const monitor = this.socket.socket.monitor();
    this.connections = new Connections(monitor, {
      max: settings.max_connections,
      debug: (message) => {
        if (settings.log_level === "debug") report("debug", message);
      },
      onTooMany: (peer) =>
        this.complaints.add("connections", {
          level: "warn",
          message: `Closed a connection: there are ${settings.max_connections} already (max_connections)`,
          fields: { from: peer },
        }),
    });
    const questions = this.gatekeeper === undefined ? [] : [this.gatekeeper.authenticator.socket];
    this.poller = new Poller([this.socket.socket, wake, monitor.socket, ...questions]);
  }

  /**
   * Receives and answers until the queue says stop; then stores and answers what has arrived by then, and closes.
   *
   * @returns how many requests got no answer, because the disk did not take them in time
   */
  run(): number {
    const { queue, version } = this.parts;
    this.notice(`Starting imagehub ${version}`);
    while (!queue.stopping) {
      const progress = this.takeDone() + this.receiveBatch();
      const now = performance.now();
      if (progress === 0) this.sleep(now);
      else if (now - this.choresMs > CHORES_MS) this.doChores(now);
    }
    return this.stop();
  }

  /** Waits until there is something to do. */
  private sleep(now: number): void {
    const { queue } = this.parts;
    this.doChores(now);
    if (this.free.length === 0)
      this.complaints.add("full", {
        level: "warn",
        message: "The queue is full: senders wait until images are written",
      });
    const quietLeftMs = Math.ceil(this.quietSinceMs + this.patienceMs - now);
    const isWatching = this.complaints.pending || this.free.length < this.parts.settings.queuemax;
    const timeoutMs = isWatching ? Math.min(quietLeftMs, 1000) : quietLeftMs;
    if (queue.fallAsleep() && !queue.isCalling) this.poll(timeoutMs);
    queue.awake();
  }

  private stop(): number {
    const { settings, queue } = this.parts;
    // Not unbound first: libzmq would end the connections that were made through the endpoint, and drop their replies.
    const held: HeldReply[] = [];
    this.held = held;
    const startMs = performance.now();
    this.drain(startMs);
    this.notice("Exiting imagehub");
    this.drain(startMs);
    for (const { envelope, reply } of held) this.socket.replyTo(envelope, reply);
    queue.end(settings.writers);
    this.connections[Symbol.dispose]();
    this.gatekeeper?.[Symbol.dispose]();
    this.socket[Symbol.dispose]();
    this.context[Symbol.dispose]();
    this.complaints.flush(Number.POSITIVE_INFINITY);
    // The hub's own notices are among what is left, and no requests.
    const notices = [...this.unawaited].filter((slot) => this.slots.at(slot).kind === Kind.notice).length;
    return settings.queuemax - this.free.length - notices;
  }

  /**
   * Receives and stores all that senders have sent. None that waits for its reply sends again, so while the replies are
   * held back there is an end to it, however few the slots are. @param startMs when the stop began
   */
  private drain(startMs: number): void {
    const { settings, queue } = this.parts;
    for (;;) {
      const elapsedMs = performance.now() - startMs;
      if (elapsedMs >= STOP_MS_MAX) return;
      const receives = elapsedMs < STOP_RECEIVE_MS_MAX;
      if (this.takeDone() + (receives ? this.receiveBatch() : 0) > 0) continue;
      const isStoring = this.free.length < settings.queuemax;
      const quiet = queue.fallAsleep() && !this.poll(STOP_QUIET_MS, receives);
      queue.awake();
      if (quiet && !isStoring) return;
    }
  }

  /** Waits for the network or the queue. @returns whether there is something from either */
  private poll(timeoutMs: number, receives = true): boolean {
    const { poller } = this;
    poller.want(SOCKET, receives && this.free.length > 0);
    poller.wait(timeoutMs);
    const woken = poller.readable(WAKE);
    if (woken) this.parts.wake.clear();
    if (poller.readable(MONITOR)) this.connections.update();
    this.gatekeeper?.authenticator.update();
    return woken || poller.readable(SOCKET);
  }

  /** What is to be seen to now and then. */
  private doChores(now: number): void {
    const { settings, report } = this.parts;
    this.choresMs = now;
    this.connections.update();
    this.gatekeeper?.authenticator.update();
    if (this.parts.queue.takeReload()) this.reload();
    this.counters[Counter.connections] = this.connections.count;
    this.counters[Counter.queued] = settings.queuemax - this.free.length;
    this.watchDisk(now);
    this.complaints.flush(now);
    if (now - this.quietSinceMs >= this.patienceMs) {
      this.quietSinceMs = now;
      const text = `No messages received for ${settings.patience} minutes.`;
      this.notice(text);
      report("warn", text.slice(0, -1));
    }
  }

  private reload(): void {
    const { report, settings } = this.parts;
    if (this.gatekeeper === undefined || settings.curve.client_keys === "") return;
    try {
      report("info", `Read the keys of ${this.gatekeeper.reload()} clients again`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      report("error", `Cannot read the keys of clients again, those read before stay in force: ${reason}`);
    }
  }

  /** Says that the disk stalls, while nothing is written that waits. */
  private watchDisk(now: number): void {
    const waiting = this.parts.settings.queuemax - this.free.length;
    if (waiting === 0) this.progressMs = now;
    const seconds = Math.floor((now - this.progressMs) / 1000);
    if (seconds < STALL_SECONDS_MIN) return;
    this.complaints.add("stall", {
      level: "warn",
      message: "The disk stalls: requests wait until it goes on",
      fields: { waiting, seconds },
    });
  }

  /** Takes in requests, as many as there are and as a batch may have. @returns how many */
  private receiveBatch(): number {
    let count = 0;
    for (; count < BATCH; count++) {
      const slot = this.free.at(-1);
      if (slot === undefined) break;
      const received = this.socket.receive(slot);
      if (received === undefined) break;
      this.free.pop();
      this.take(slot, received);
    }
    if (count > 0) this.quietSinceMs = performance.now();
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
    if (this.parts.settings.ack === "received" && this.held === undefined) {
      this.socket.reply(slot, OK);
      this.unawaited.add(slot);
    }
    this.parts.queue.put(slot);
  }

  private fill(index: number, request: Request & { kind: "image" | "event" }): void {
    const slot = this.slots.at(index);
    if (request.kind === "event") {
      slot.kind = Kind.event;
      slot.text = request.text;
      return;
    }
    const payload = this.socket.payload(index);
    slot.micros = this.parts.calendar.now();
    slot.text = request.name;
    slot.setPayload(payload.data, payload.size);
    slot.kind = request.raw === undefined ? Kind.jpeg : Kind.raw;
    if (request.raw !== undefined) slot.shape = request.raw;
  }

  /** Puts a record of the hub's own into the event log. */
  private notice(text: string): void {
    const index = this.free.pop();
    // All are in use only while the disk stalls, and then there is nothing to be logged on it.
    if (index === undefined) return;
    const slot = this.slots.at(index);
    slot.kind = Kind.notice;
    slot.text = text;
    this.unawaited.add(index);
    this.parts.queue.put(index);
  }

  /** Answers the requests that the writers are done with. @returns how many */
  private takeDone(): number {
    let count = 0;
    for (let slot = this.parts.queue.takeDone(); slot >= 0; slot = this.parts.queue.takeDone()) {
      this.finish(slot);
      count++;
    }
    if (count > 0) this.progressMs = performance.now();
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
      this.parts.report(
        "warn",
        `There are ${NODES_MAX} nodes: the first messages of further ones are not logged`,
      );
      return;
    }
    this.parts.report("info", `First message from ${node || "a node without a name"}`, {
      address: this.socket.peerAddress(slot),
    });
  }
}

function errorReply(reason: string): Uint8Array {
  return Buffer.from(`ERROR ${reason}`);
}
