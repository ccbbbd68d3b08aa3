/**
 * The receiver: takes requests in, hands what is to be stored to the writers, and answers.
 *
 * It alone faces the network. Here is its loop: when it waits and for what, what it sees to now and then, and how it stops;
 * `requests.ts` has what becomes of a request. While all slots are in use it takes nothing in, and the senders wait.
 *
 * @module
 */

import type { EventFd } from "../libc.ts";
import { Counter } from "../threads/shared.ts";
import { Context, Poller, SocketOption } from "../zmq/libzmq.ts";
import { Complaints } from "./complaints.ts";
import { Connections, connectionsThatFit } from "./connections.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { ReplySocket } from "./reply-socket.ts";
import { Requests, type RequestsParts } from "./requests.ts";

/** How often what is not about requests is seen to while requests keep coming, in milliseconds. */
const CHORES_MS = 100;

/** How long nothing may be written while requests wait until the log says so, in seconds. */
const STALL_SECONDS_MIN = 2;

/**
 * How long nothing may arrive until a stop takes it that all who send wait for their replies, in milliseconds. A sender that
 * pauses for less has then been caught with a request in hand, and not with one on its way to a connection that is closing.
 * imagenode gives a hub a second to reply.
 */
const STOP_QUIET_MS = 250;

/** How long a stop goes on receiving where senders do not wait for their replies, in milliseconds. */
const STOP_RECEIVE_MS_MAX = 4000;

/** How long a stop waits for the disk, in milliseconds; service managers give a process 10 s and more. */
const STOP_MS_MAX = 8000;

/** The poller's sources. */
const SOCKET = 0;
const WAKE = 1;
const MONITOR = 2;

/** What the receiver is made of. */
export interface ReceiverParts extends RequestsParts {
  /** What the queue signals when something is done. */
  readonly wake: EventFd;
  /** The hub's version, for its first line in the event log. */
  readonly version: string;
}

/** The receiver of one hub. It lives in one thread, and waits in it. */
export class Receiver {
  private readonly context = new Context();
  private readonly socket: ReplySocket;
  /** Both from `bind` on. */
  private connections!: Connections;
  private poller!: Poller;
  private readonly gatekeeper: Gatekeeper | undefined;
  private readonly requests: Requests;
  private readonly counters: Float64Array;
  private readonly complaints: Complaints;
  private readonly patienceMs: number;
  /** When the last notice of silence was given. */
  private noticedMs = 0;
  /** When nothing waited for the disk last. */
  private idleMs = performance.now();
  private choresMs = 0;

  /** @throws {Error} where a key of the settings cannot be read, and {ZmqError} */
  constructor(private readonly parts: ReceiverParts) {
    const { settings, shared, report } = parts;
    this.counters = shared.counters;
    this.patienceMs = settings.patience * 60_000;
    this.complaints = new Complaints(report);
    this.socket = new ReplySocket(this.context, settings);
    this.requests = new Requests(this.socket, this.complaints, parts);
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
    const connectionsMax = Math.min(settings.max_connections, connectionsThatFit());
    const bound = connectionsMax === settings.max_connections ? "max_connections" : "the limit of open files";
    const monitor = this.socket.socket.monitor();
    this.connections = new Connections(monitor, {
      max: connectionsMax,
      debug: (message) => {
        if (settings.log_level === "debug") report("debug", message);
      },
      onTooMany: (peer) =>
        this.complaints.add("connections", {
          level: "warn",
          message: `Closed a connection: there are ${connectionsMax} already (${bound})`,
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
    this.requests.notice(`Starting imagehub ${version}`);
    while (!queue.stopping) {
      const progress = this.requests.takeDone() + this.requests.receiveBatch();
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
    if (this.requests.isFull)
      this.complaints.add("full", {
        level: "warn",
        message: "The queue is full: senders wait until images are written",
      });
    const quietLeftMs = Math.ceil(this.quietSinceMs + this.patienceMs - now);
    const isWatching = this.complaints.pending || this.requests.inHand > 0;
    const timeoutMs = isWatching ? Math.min(quietLeftMs, 1000) : quietLeftMs;
    if (queue.fallAsleep() && !queue.isCalling) this.poll(timeoutMs);
    queue.awake();
  }

  private stop(): number {
    const { settings, queue } = this.parts;
    // Not unbound first: libzmq would end the connections that were made through the endpoint, and drop their replies.
    this.requests.holdReplies();
    const startMs = performance.now();
    this.drain(startMs, STOP_QUIET_MS);
    this.requests.notice("Exiting imagehub");
    this.drain(startMs, 1);
    this.requests.sendHeld();
    // The socket first, and at once: a sender that has its reply may send again into whatever is still open.
    this.socket[Symbol.dispose]();
    this.connections[Symbol.dispose]();
    this.gatekeeper?.[Symbol.dispose]();
    this.context[Symbol.dispose]();
    queue.end(settings.writers);
    this.complaints.flush(Number.POSITIVE_INFINITY);
    return this.requests.unanswered;
  }

  /**
   * Receives and stores all that senders have sent. None that waits for its reply sends again, so while the replies are
   * held back there is an end to it, however few the slots are. @param startMs when the stop began
   * @param quietMs how long nothing may arrive until it is done
   */
  private drain(startMs: number, quietMs: number): void {
    const { queue } = this.parts;
    for (;;) {
      const elapsedMs = performance.now() - startMs;
      if (elapsedMs >= STOP_MS_MAX) return;
      const receives = elapsedMs < STOP_RECEIVE_MS_MAX;
      if (this.requests.takeDone() + (receives ? this.requests.receiveBatch() : 0) > 0) continue;
      const isStoring = this.requests.inHand > 0;
      const quiet = queue.fallAsleep() && !this.poll(quietMs, receives);
      queue.awake();
      if (quiet && !isStoring) return;
    }
  }

  /** Waits for the network or the queue. @returns whether there is something from either */
  private poll(timeoutMs: number, receives = true): boolean {
    const { poller } = this;
    poller.want(SOCKET, receives && !this.requests.isFull);
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
    this.counters[Counter.queued] = this.requests.inHand;
    this.watchDisk(now);
    this.complaints.flush(now);
    if (now - this.quietSinceMs >= this.patienceMs) {
      this.noticedMs = now;
      const text = `No messages received for ${settings.patience} minutes.`;
      this.requests.notice(text);
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

  /** Since when no request has come, and nothing was said of it. */
  private get quietSinceMs(): number {
    return Math.max(this.requests.receivedMs, this.noticedMs);
  }

  /** Says that the disk stalls, while nothing is written that waits. */
  private watchDisk(now: number): void {
    const waiting = this.requests.inHand;
    if (waiting === 0) this.idleMs = now;
    const seconds = Math.floor((now - Math.max(this.idleMs, this.requests.doneMs)) / 1000);
    if (seconds < STALL_SECONDS_MIN) return;
    this.complaints.add("stall", {
      level: "warn",
      message: "The disk stalls: requests wait until it goes on",
      fields: { waiting, seconds },
    });
  }
}
