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
import { FloodGate } from "../flood.ts";
import type { EventFd } from "../libc.ts";
import type { LogLevel } from "../log.ts";
import { parseRequest, type Request, RequestError } from "../request.ts";
import { oneLine } from "../store/names.ts";
import type { RequestQueue } from "../threads/queue.ts";
import { Counter, type Shared } from "../threads/shared.ts";
import { Kind, Outcome, Slots } from "../threads/slot.ts";
import { Context, Poller, SocketOption } from "../zmq/libzmq.ts";
import { Connections } from "./connections.ts";
import { type Received, ReplySocket } from "./reply-socket.ts";

/** Requests taken in before those that are done are answered. */
const BATCH = 32;

/** How often what is not about requests is seen to while requests keep coming, in milliseconds. */
const CHORES_MS = 100;

/** Nodes whose first message was logged. A hub that has met more logs no further ones. */
const NODES_MAX = 10_000;

/** How long a stop waits for requests that are under way on the network, in milliseconds. */
const STOP_QUIET_MS = 20;

/** How long a stop waits for the disk, in milliseconds; service managers give a process 10 s and more. */
const STOP_MS_MAX = 8000;

const OK = Buffer.from("OK");

/** The poller's sources. */
const SOCKET = 0;
const WAKE = 1;
const MONITOR = 2;

/** Writes a line to the hub's own log. */
export type Report = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;

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
  private readonly connections: Connections;
  private readonly poller: Poller;
  private readonly slots: Slots;
  private readonly counters: Float64Array;
  /** Slots that hold nothing. The last one freed is used first, so that few are ever touched. */
  private readonly free: number[];
  /** Slots that nobody waits for: the request was answered before it was stored, or is a notice of the hub's own. */
  private readonly unawaited = new Set<number>();
  /** While the hub stops: replies that are ready, by slot. */
  private held: Map<number, Uint8Array> | undefined;
  private readonly nodes = new Set<string>();
  private readonly floods = new FloodGate();
  private readonly patienceMs: number;
  private quietSinceMs = performance.now();
  private choresMs = 0;

  /** @throws {ZmqError} */
  constructor(private readonly parts: ReceiverParts) {
    const { settings, shared, wake, report } = parts;
    this.slots = new Slots(shared.slots);
    this.counters = shared.counters;
    this.free = Array.from({ length: settings.queuemax }, (_, index) => settings.queuemax - 1 - index);
    this.patienceMs = settings.patience * 60_000;
    this.socket = new ReplySocket(this.context, settings.queuemax);
    const monitor = this.socket.socket.monitor();
    this.connections = new Connections(monitor, (message) => {
      if (settings.log_level === "debug") report("debug", message);
    });
    this.poller = new Poller([this.socket.socket, wake, monitor.socket]);
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
      this.complain("warn", "The queue is full: senders wait until images are written");
    const quietLeftMs = Math.ceil(this.quietSinceMs + this.patienceMs - now);
    const timeoutMs = this.floods.pending ? Math.min(quietLeftMs, 1000) : quietLeftMs;
    if (queue.fallAsleep() && !queue.stopping) this.poll(timeoutMs);
    queue.awake();
  }

  private stop(): number {
    const { settings, queue } = this.parts;
    // Not unbound first: libzmq would end the connections that were made through the endpoint, and drop their replies.
    this.held = new Map();
    const endMs = performance.now() + STOP_MS_MAX;
    this.drain(this.held, endMs);
    this.notice("Exiting imagehub");
    this.drain(this.held, endMs);
    this.sendHeld(this.held);
    queue.end(settings.writers);
    this.connections[Symbol.dispose]();
    this.socket[Symbol.dispose]();
    this.context[Symbol.dispose]();
    return settings.queuemax - this.free.length;
  }

  /**
   * Receives and stores all that senders have sent. None that waits for its reply sends again, so while the replies are
   * held back there is an end to it.
   */
  private drain(held: Map<number, Uint8Array>, endMs: number): void {
    const { settings, queue } = this.parts;
    while (performance.now() < endMs) {
      if (this.takeDone() + this.receiveBatch() > 0) continue;
      if (this.free.length === 0) this.sendHeld(held);
      const storing = settings.queuemax - this.free.length - held.size;
      const quiet = queue.fallAsleep() && !this.poll(STOP_QUIET_MS);
      queue.awake();
      if (quiet && storing === 0) return;
    }
  }

  private sendHeld(held: Map<number, Uint8Array>): void {
    for (const [slot, reply] of held) {
      this.socket.reply(slot, reply);
      this.release(slot);
    }
    held.clear();
  }

  /** Waits for the network or the queue. @returns whether there is something from either */
  private poll(timeoutMs: number): boolean {
    const { poller } = this;
    poller.want(SOCKET, this.free.length > 0);
    poller.wait(timeoutMs);
    const woken = poller.readable(WAKE);
    if (woken) this.parts.wake.clear();
    if (poller.readable(MONITOR)) this.connections.update();
    return woken || poller.readable(SOCKET);
  }

  /** What is to be seen to now and then. */
  private doChores(now: number): void {
    const { settings, report } = this.parts;
    this.choresMs = now;
    this.connections.update();
    this.counters[Counter.connections] = this.connections.count;
    this.counters[Counter.queued] = settings.queuemax - this.free.length;
    for (const [message, count] of this.floods.flush(now)) report("warn", message, { count });
    if (now - this.quietSinceMs >= this.patienceMs) {
      this.quietSinceMs = now;
      const text = `No messages received for ${settings.patience} minutes.`;
      this.notice(text);
      report("warn", text.slice(0, -1));
    }
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
      if (header === undefined) throw new RequestError(malformed);
      const payload = this.socket.payload(slot);
      this.handle(slot, parseRequest(header, payload.size));
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.counters[Counter.refused]!++;
      this.complain("warn", `Refused a request: ${error.message}`, { from: this.socket.peerAddress(slot) });
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
    return count;
  }

  private finish(index: number): void {
    const slot = this.slots.at(index);
    const failure = slot.outcome === Outcome.failed ? `cannot store: ${oneLine(slot.text)}` : undefined;
    if (failure !== undefined) {
      this.counters[Counter.failed]!++;
      this.complain(
        "error",
        `Could not store ${slot.kind === Kind.jpeg || slot.kind === Kind.raw ? "an image" : "an event"}: ${oneLine(slot.text)}`,
      );
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
    if (this.held !== undefined) {
      this.held.set(slot, reply);
      return;
    }
    this.socket.reply(slot, reply);
    this.release(slot);
  }

  private release(slot: number): void {
    this.socket.release(slot);
    this.free.push(slot);
  }

  private meet(node: string, slot: number): void {
    if (this.nodes.size === NODES_MAX) return;
    this.nodes.add(node);
    this.parts.report("info", `First message from ${node || "a node without a name"}`, {
      address: this.socket.peerAddress(slot),
    });
  }

  /** Logs what may come in a flood: at once, and then with a count, once a second. */
  private complain(level: "error" | "warn", message: string, fields: Record<string, unknown> = {}): void {
    const count = this.floods.admit(message, performance.now());
    if (count > 0) this.parts.report(level, message, count > 1 ? { ...fields, count } : fields);
  }
}

function errorReply(reason: string): Uint8Array {
  return Buffer.from(`ERROR ${reason}`);
}
