/**
 * The receiver: takes requests in, hands what is to be stored to the writers, and answers.
 *
 * It faces the network, but for the times in which it lends its socket to the fast path
 * (`fast-path.ts`). Here is its loop: when it waits and for what, what it sees to now and then, and
 * how it stops; `requests.ts` has what becomes of a request. It takes in whatever comes, also while
 * the disk stalls.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { trimMemory } from "../os/memory.ts";
import { DescriptorPoller, type EventFd } from "../os/wait.ts";
import { sendersThatFit } from "../os/open-files.ts";
import type { ActivityMessage, LendableSocket } from "../shared/messages.ts";
import {
  CHORES_MS,
  FAST_BATCH,
  FAST_SLOTS,
  SLOW_MS,
  STALL_LOGGED_SECONDS,
  STOP_QUIET_MS,
  STOP_RECEIVE_MS_MAX,
  STOP_STORE_MS_MAX,
} from "../limits.ts";
import { Counter, firstFastSlot, Integer, slotsFor } from "../shared/memory.ts";
import { StoringThreads } from "../shared/storing-threads.ts";
import { Monitor } from "../zmq/monitor.ts";
import { Context, SocketOption } from "../zmq/socket.ts";
import { type Complaint, Complaints } from "./complaints.ts";
import { type Connection, Connections, type GivenUp } from "./connections.ts";
import { sayFarewell } from "./farewell.ts";
import type { Loan } from "../shared/loan.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { ReplySocket, routerSocket, unfinishedBytesMax } from "./reply-socket.ts";
import { Requests, type RequestsParts } from "./requests.ts";
import { type PublisherChange, Subscriptions } from "./subscriptions.ts";
import { StallWatch } from "./stall-watch.ts";

/**
 * How long nothing unusual may have been until the socket is lent to the fast path, in
 * milliseconds.
 */
const LEND_AFTER_MS = 1000;

/**
 * How often something that is not for the fast path may come between two chores, until it is not
 * usual any more.
 */
const HANDOVERS_MAX = 20;

/** How long after a request the receiver looks after the fast path by itself, in milliseconds. */
const WATCH_MS = 2 * CHORES_MS;

/**
 * Messages pass through libzmq's memory, and the C library keeps what is freed of it: so it is
 * asked for that now and then.
 */
const TRIM_MS = 10_000;
const TRIM_BYTES = 32 * 2 ** 20;

/** How often it is looked what connections hold, in milliseconds. */
const LOOK_MS = 1000;

/**
 * Shortest time between two lines on sockets of a wrong type, or on an address that connects too
 * often, in milliseconds.
 */
const RARE_MS = 60_000;

/**
 * How many nodes are named in one second whose connections have been given up; further ones are
 * counted.
 */
const NODES_SAID_MAX = 20;

/** What is said of a publisher. */
const PUBLISHER_CHANGES = {
  connected: { level: "info", message: "Subscribed to" },
  lost: { level: "warn", message: "Lost the publisher, and connect again when it is back:" },
  unreachable: { level: "warn", message: "Cannot reach the publisher yet, and go on trying:" },
  failed: {
    level: "warn",
    message: "Cannot subscribe, is it a PUB socket, and are both keys right? Go on trying:",
  },
} as const satisfies Record<PublisherChange, Pick<Complaint, "level" | "message">>;

/** The poller's sources; behind them those of the publishers. */
const WAKE = 0;
const SOCKET = 1;
const MONITOR = 2;
const QUESTIONS = 3;

/** What the receiver is made of. */
export interface ReceiverParts extends RequestsParts {
  readonly loan: Loan;
  /** What the queue signals when something is done. */
  readonly wake: EventFd;
  /** The hub's version, for its first line in the event log. */
  readonly version: string;
  /** Tells the main thread what has come of late. */
  readonly tell: (message: ActivityMessage) => void;
}

/** The receiver of one hub. It lives in one thread, and waits in it. */
export class Receiver {
  private readonly context = new Context();
  private readonly socket: ReplySocket;
  /** These from `bind` on. */
  private connections!: Connections;
  private requests!: Requests;
  private poller!: DescriptorPoller;
  /** Where those of the publishers stand in it. */
  private publishersAt = 0;
  private readonly gatekeeper: Gatekeeper;
  private subscriptions: Subscriptions | undefined;
  private readonly counters: Float64Array;
  private readonly complaints: Complaints;
  private readonly storing: StoringThreads;
  private readonly stalls: StallWatch;
  private readonly patienceMs: number;
  /** When the last notice of silence was given. */
  private noticedMs = 0;
  private choresMs = 0;
  private lookedMs = 0;
  /**
   * Whether the fast path has the socket, or has just given it back; and since when it would be
   * lent but for what is in hand.
   */
  private isLending = false;
  private lendingSinceMs: number | undefined;
  /** How often the fast path has left something to the receiver since the last chores. */
  private handovers = 0;
  private takenBackMs = Number.NEGATIVE_INFINITY;
  private nodesGivenUp = 0;
  /** When memory was given back last, and what had been received by then. */
  private trimmedMs = 0;
  private trimmedBytes = 0;

  /** @throws {Error} where a key of the settings cannot be read, and {ZmqError} */
  constructor(private readonly parts: ReceiverParts) {
    const { settings, shared, report } = parts;
    this.counters = shared.counters;
    this.patienceMs = settings.patience * 60_000;
    this.complaints = new Complaints(report);
    this.storing = new StoringThreads(shared, settings.writers);
    this.stalls = new StallWatch(this.storing);
    const places = firstFastSlot(slotsFor(settings)) + FAST_SLOTS;
    this.socket = new ReplySocket(
      routerSocket(this.context, settings),
      shared.places,
      places,
      () => this.isLending,
    );
    // The fast path receives into its places first, and finds them ready.
    for (let place = places - FAST_SLOTS; place < places; place++) this.socket.payload(place);
    this.gatekeeper = new Gatekeeper(
      this.context,
      this.socket.socket,
      settings,
      ({ address }, refusal) => this.refused(refusal.reason, { from: address }, refusal.isForNow),
    );
  }

  private refused(reason: string, fields: Record<string, unknown>, isForNow = false): void {
    this.counters[Counter.denied]!++;
    this.complaints.add(isForNow ? "hurry" : "denied", {
      level: "warn",
      message: `Refused a connection: ${reason}`,
      fields,
      ...(isForNow && { windowMs: RARE_MS }),
    });
  }

  /** A known node has to be told of: its camera hangs, where it waits for a reply. */
  private sayGivenUp({ peer, node, address }: Connection, why: string, reason: GivenUp): void {
    // What it held is free soon, and no longer needed.
    if (reason === "unfinished") this.trimmedBytes = Number.NEGATIVE_INFINITY;
    if (reason !== "silent") {
      this.counters[Counter.denied]!++;
      this.complaints.add(reason, {
        level: "warn",
        message: `Closed a connection: ${why}`,
        fields: { from: peer },
      });
    }
    if (node === undefined) return;
    this.complaints.add(`node ${this.nodesGivenUp++ % NODES_SAID_MAX}`, {
      level: "info",
      message: `The connection of ${node || "a node without a name"} has ended: ${why}`,
      fields: { node, address },
    });
  }

  private sayWrongType(peer: string): void {
    this.counters[Counter.denied]!++;
    this.complaints.add("type", {
      level: "warn",
      message:
        "Closed a connection that does not speak as a REQ socket does: a PUB, PUSH or SUB socket cannot send to this port, " +
        "only REQ (REQ_REP=True in imagezmq) of libzmq 4 or later; for PUB see the setting subscribe",
      fields: { from: peer },
      windowMs: RARE_MS,
    });
  }

  /** Its socket, for the fast path. */
  get lendable(): LendableSocket {
    const { address, descriptor } = this.socket.socket;
    return { address, descriptor };
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
    const { settings, shared, wake, report } = this.parts;
    const max = Math.min(settings.max_connections, sendersThatFit(settings.subscribe.length));
    const bound = max === settings.max_connections ? "max_connections" : "the limit of open files";
    const monitor = new Monitor(this.socket.socket);
    const debug = (message: string): void => {
      if (shared.integers[Integer.debug] !== 0) report("debug", message);
    };
    this.connections = new Connections(monitor, {
      max,
      unfinishedBytesMax: unfinishedBytesMax(settings),
      debug,
      onFailed: (reason, peer) => {
        // Without CURVE it is a scan of the port, most often; with it, a node that lacks the keys,
        // or has others.
        if (settings.curve.server_key !== "")
          this.refused(`${reason} (the setting curve)`, { from: peer });
        else debug(`A connection failed in its handshake: ${reason}: ${peer}`);
      },
      onWrongType: (peer) => this.sayWrongType(peer),
      onGivenUp: (connection, reason) =>
        this.sayGivenUp(
          connection,
          {
            tooMany: `there are ${max} already (${bound})`,
            unfinished:
              "messages that have not come whole hold too much memory (max_unfinished_bytes)",
            silent: `TCP has heard nothing from it for ${Math.round(connection.unheardMs / 60_000)} minutes`,
          }[reason],
          reason,
        ),
    });
    this.requests = new Requests(
      this.socket,
      this.connections,
      this.complaints,
      this.parts,
      () => void this.regain(),
    );
    this.subscriptions = Subscriptions.open(settings);
    const { socket: questions } = this.gatekeeper.authenticator;
    const descriptors = [this.socket.socket, monitor.socket, questions].map(
      ({ descriptor }) => descriptor,
    );
    this.publishersAt = 1 + descriptors.length;
    this.poller = new DescriptorPoller([
      wake.fd,
      ...descriptors,
      ...(this.subscriptions?.descriptors ?? []),
    ]);
  }

  /**
   * Receives and answers until the queue says stop; then stores and answers what has arrived by
   * then, and closes.
   *
   * @returns how many requests got no answer, because the disk did not take them in time
   */
  run(): number {
    const { queue, version } = this.parts;
    this.requests.notice(`Starting imagehub ${version}`);
    while (!queue.stopping) {
      if (this.isLending && !this.parts.loan.isOut) this.takeBack();
      // Replies before requests: so the socket has been asked last for what it has, when that was
      // nothing.
      this.requests.takeDone();
      const isDrained = !this.receive();
      const mayHavePublished = this.receivePublished();
      const { isReceiving } = this;
      const now = performance.now();
      const choresLeftMs = CHORES_MS - (now - this.choresMs);
      if (choresLeftMs <= 0) this.doChores(now, isDrained);
      // A socket that has come back meanwhile is asked first.
      if (isDrained && !mayHavePublished && this.isReceiving === isReceiving)
        this.sleep(now, choresLeftMs);
    }
    return this.stop();
  }

  /**
   * Takes in what has come, or what the fast path has answered. @returns whether there may be more
   * to receive
   */
  private receive(): boolean {
    if (this.lendingSinceMs !== undefined && this.requests.waitingForReply === 0) {
      this.lendingSinceMs = undefined;
      this.wishToLend(performance.now());
    }
    if (this.isReceiving) return this.requests.receiveBatch();
    if (this.isLending) this.requests.settle();
    return false;
  }

  /** @returns whether publishers may have sent more */
  private receivePublished(): boolean {
    return (
      this.subscriptions !== undefined &&
      this.requests.receivePublished(this.subscriptions.publishers)
    );
  }

  /** Whether it receives: the socket is not lent, nor is it to be as soon as nothing is in hand. */
  private get isReceiving(): boolean {
    return !this.isLending && this.lendingSinceMs === undefined;
  }

  /**
   * Has the socket again, with all that the fast path has not answered. @returns how many requests
   * it had not begun to store
   */
  private regain(): number {
    if (!this.isLending) return 0;
    this.parts.loan.takeBack();
    this.isLending = false;
    this.requests.settle();
    return this.requests.takeOver();
  }

  /** Takes the socket back for now, or for as long as a heartbeat takes. */
  private takeBack(): void {
    const now = performance.now();
    this.lendingSinceMs = undefined;
    const handedOver = this.regain();
    const isUsual = handedOver > 0 && handedOver < FAST_BATCH && ++this.handovers <= HANDOVERS_MAX;
    if (isUsual) this.wishToLend(now);
    else this.takenBackMs = now;
  }

  /** Lends the socket as soon as nothing is in hand, where all is as usual. */
  private wishToLend(now: number): void {
    const { loan, settings } = this.parts;
    const isUsual = now - Math.max(this.requests.unusualMs, this.takenBackMs) >= LEND_AFTER_MS;
    // With the other levels a request is answered before it is stored, or waits for the disk each
    // time.
    if (!isUsual || settings.ack !== "stored" || !loan.isReady) return;
    // From now on nothing is received, so that it comes to an end.
    if (this.requests.waitingForReply > 0) {
      this.lendingSinceMs = now;
    } else {
      this.isLending = true;
      loan.lend();
    }
  }

  /** Lends the socket while all is as usual, and takes it back when a write takes long. */
  private seeToLoan(now: number): void {
    this.handovers = 0;
    if (this.isLending) {
      if (this.stalls.heldMs(this.storing.fastPath, now) >= SLOW_MS) this.takeBack();
    } else if (this.lendingSinceMs === undefined) {
      this.wishToLend(now);
    } else if (now - this.lendingSinceMs >= CHORES_MS) {
      // What is in hand takes long: that is not the time for it.
      this.takeBack();
    }
  }

  /**
   * Waits until there is something to do. @param choresLeftMs until the chores are due, where they
   * were not done just now
   */
  private sleep(now: number, choresLeftMs: number): void {
    const { queue } = this.parts;
    queue.turn();
    if (queue.takeReload()) this.reload();
    const quietLeftMs = Math.ceil(this.quietSinceMs + this.patienceMs - now);
    const longestMs = Math.min(quietLeftMs, this.looksAgainMs(now));
    // Until the chores are done nothing is known of what comes after them: the time may be up for a
    // notice by then.
    const timeoutMs = choresLeftMs > 0 ? Math.ceil(choresLeftMs) : longestMs;
    if (queue.fallAsleep() && !queue.isCalling && !this.isWanted(timeoutMs)) this.poll(timeoutMs);
    queue.awake();
  }

  /**
   * How long it may sleep at most for the sake of what it has to look at again, in milliseconds.
   */
  private looksAgainMs(now: number): number {
    const { complaints, requests } = this;
    if (this.isAttentive(now) || this.lendingSinceMs !== undefined) return CHORES_MS;
    const isWatching =
      complaints.pending || requests.inHand > 0 || requests.activity.pending || this.isTrimDue;
    return isWatching || this.connections.count > 0 || this.subscriptions !== undefined
      ? LOOK_MS
      : Number.POSITIVE_INFINITY;
  }

  /**
   * Whether the receiver looks after the fast path, so that a disk that stalls does not have the
   * socket for long.
   */
  private isAttentive(now: number): boolean {
    return (
      this.isLending && (this.parts.loan.inHand >= 0 || now - this.requests.receivedMs < WATCH_MS)
    );
  }

  /** Whether the fast path wants the receiver now, which else may sleep for this long. */
  private isWanted(timeoutMs: number): boolean {
    const { loan } = this.parts;
    if (!this.isLending) return false;
    const isWatched = timeoutMs <= CHORES_MS;
    loan.isWatched = isWatched;
    if (!loan.isOut) return true;
    // In this order, as the fast path has a request in hand first and then has answered it.
    return !isWatched && (loan.inHand >= 0 || this.requests.settle() > 0);
  }

  private stop(): number {
    const { settings, queue } = this.parts;
    // Not unbound first: libzmq would end the connections that were made through the endpoint, and
    // drop their replies.
    this.requests.holdReplies();
    // Nobody is let in any more, though: who connects now waits in the handshake, with its request
    // in its own memory, for the next hub.
    this.poller.want(QUESTIONS, false);
    this.lendingSinceMs = undefined;
    this.regain();
    this.unsubscribe();
    const startMs = performance.now();
    this.drain(startMs, STOP_QUIET_MS);
    this.requests.notice("Exiting imagehub");
    this.drain(startMs, 1);
    this.requests.refuseRest();
    sayFarewell(this.requests.takeHeld(), this.connections, this.socket);
    this.socket[Symbol.dispose]();
    this.connections[Symbol.dispose]();
    this.gatekeeper[Symbol.dispose]();
    this.context[Symbol.dispose]();
    queue.end(settings.writers);
    this.complaints.flush(Number.POSITIVE_INFINITY);
    return this.requests.unanswered;
  }

  /** Takes in what publishers have sent, and listens to them no longer: they would never pause. */
  private unsubscribe(): void {
    const { subscriptions } = this;
    if (subscriptions === undefined) return;
    const { descriptors } = subscriptions;
    for (const index of descriptors.keys()) this.poller.want(this.publishersAt + index, false);
    for (
      const end = performance.now() + STOP_QUIET_MS;
      performance.now() < end && this.receivePublished();
    );
    // It is closed with the process: its I/O thread may be looking up a name, and that can take
    // longer than a stop may.
    this.subscriptions = undefined;
  }

  /**
   * Receives and stores all that senders have sent. None that waits for its reply sends again, so
   * while the replies are held back there is an end to it, however few the slots are. @param
   * startMs when the stop began
   * @param quietMs how long nothing may arrive until it is done
   */
  private drain(startMs: number, quietMs: number): void {
    const { requests } = this;
    const { queue } = this.parts;
    for (let lastMs = performance.now(); ;) {
      const now = performance.now();
      if (now - startMs >= STOP_STORE_MS_MAX) return;
      const receives = now - startMs < STOP_RECEIVE_MS_MAX;
      const { receivedMs } = requests;
      const hasDone = requests.takeDone() > 0;
      const mayHaveMore = receives && requests.receiveBatch();
      if (hasDone || requests.receivedMs !== receivedMs) lastMs = now;
      if (mayHaveMore) continue;
      // What ends a wait may be no request: a connection that comes, or a signal.
      const leftMs = lastMs + quietMs - now;
      const isStoring = requests.inHand > 0;
      if (leftMs <= 0 && !isStoring) return;
      if (queue.fallAsleep()) this.poll(isStoring ? CHORES_MS : Math.ceil(leftMs), receives);
      queue.awake();
    }
  }

  /**
   * Waits for the network or the queue. Each socket has been asked last for what it has, and had
   * nothing.
   */
  private poll(timeoutMs: number, receives = true): void {
    const { poller } = this;
    poller.want(SOCKET, receives && this.isReceiving);
    poller.wait(timeoutMs);
    if (poller.readable(WAKE)) this.parts.wake.clear();
    if (poller.readable(MONITOR)) {
      // So that a connection on which something has come counts as such.
      if (this.isLending) this.requests.settle();
      this.connections.update();
    }
    if (poller.readable(QUESTIONS)) this.gatekeeper.authenticator.update();
  }

  /** What is to be seen to now and then. */
  private doChores(now: number, isDrained: boolean): void {
    const { settings, report } = this.parts;
    this.choresMs = now;
    this.connections.update();
    // What waits in libzmq may be whole.
    if (isDrained) this.lookAtConnections(now);
    this.lookAtPublishers(now);
    this.gatekeeper.authenticator.update();
    this.parts.queue.turn();
    if (this.parts.queue.takeReload()) this.reload();
    this.counters[Counter.connections] = this.connections.count;
    this.counters[Counter.queued] = this.requests.inHand;
    this.watchDisk(now);
    this.seeToLoan(now);
    const activity = this.requests.activity.takeMessage(now);
    if (activity !== undefined) this.parts.tell(activity);
    this.complaints.flush(now);
    if (this.isTrimDue && now - this.trimmedMs >= TRIM_MS) {
      this.trimmedMs = now;
      this.trimmedBytes = this.requests.receivedBytes;
      trimMemory();
    }
    if (now - this.quietSinceMs >= this.patienceMs) {
      this.noticedMs = now;
      const text = `No messages received for ${settings.patience} minutes.`;
      this.requests.notice(text);
      report("warn", text.slice(0, -1));
    }
  }

  /** Sees to what messages that are not whole yet hold. */
  private lookAtConnections(now: number): void {
    if (now - this.lookedMs < LOOK_MS) return;
    this.lookedMs = now;
    // What the fast path has received is whole.
    if (this.isLending) this.requests.settle();
    this.connections.look();
  }

  private lookAtPublishers(now: number): void {
    const { subscriptions } = this;
    if (subscriptions === undefined) return;
    subscriptions.update(now, (publisher, change) => {
      const { level, message } = PUBLISHER_CHANGES[change];
      this.complaints.add(`${publisher.endpoint} ${change}`, {
        level,
        message: `${message} ${publisher.endpoint}`,
      });
    });
    this.counters[Counter.publishersConnected] = subscriptions.connected;
  }

  private reload(): void {
    const { report, settings } = this.parts;
    if (settings.curve.client_keys === "") return;
    try {
      report("info", `Read the keys of ${this.gatekeeper.reload()} clients again`);
    } catch (error) {
      const reason = messageOf(error);
      report(
        "error",
        `Cannot read the keys of clients again, those read before stay in force: ${reason}`,
      );
    }
  }

  private get isTrimDue(): boolean {
    return this.requests.receivedBytes - this.trimmedBytes >= TRIM_BYTES;
  }

  /** Since when no request has come, and nothing was said of it. */
  private get quietSinceMs(): number {
    return Math.max(this.requests.receivedMs, this.noticedMs);
  }

  /** Says that the disk stalls, while a writer waits for it. */
  private watchDisk(now: number): void {
    const stalledMs = this.stalls.longestMs(now);
    if (stalledMs >= SLOW_MS) this.takenBackMs = now;
    const seconds = Math.floor(stalledMs / 1000);
    this.storing.stalledSeconds = seconds < STALL_LOGGED_SECONDS ? 0 : seconds;
    if (seconds < STALL_LOGGED_SECONDS) return;
    this.complaints.add("stall", {
      level: "warn",
      message: "The disk stalls: requests wait until it goes on",
      fields: { waiting: this.requests.inHand, seconds },
    });
  }
}
