/**
 * The receiver: receives requests, hands those that must be stored to the writers, and answers.
 *
 * It faces the network, except while it lends its socket to the fast path (`fast-path.ts`). This
 * file has its loop: when and for what it waits, its regular chores, and how it stops.
 * `requests.ts` has what happens to a request. The receiver reads whatever arrives, even while the
 * disk stalls.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { trimMemory } from "../os/memory.ts";
import { DescriptorPoller, type EventFd } from "../os/wait.ts";
import { OFF } from "../net/listen-address.ts";
import { sendersThatFit } from "../os/open-files.ts";
import { namesOfNode } from "../protocol/nodes.ts";
import type {
  LendableSocket,
  ReceiverMessage,
  RememberedNode,
  ToReceiver,
} from "../shared/messages.ts";
import {
  CHORES_MS,
  FAST_SLOTS,
  SLOW_MS,
  STALL_LOGGED_SECONDS,
  STOP_QUIET_MS,
  STOP_RECEIVE_MS_MAX,
  STOP_STORE_MS_MAX,
} from "../limits.ts";
import type { Loan } from "../shared/loan.ts";
import { Counter, firstFastSlot, Integer, slotsFor } from "../shared/memory.ts";
import { StoringThreads } from "../shared/storing-threads.ts";
import { Monitor } from "../zmq/monitor.ts";
import { Context, SocketOption } from "../zmq/socket.ts";
import { Complaints } from "./complaints.ts";
import { ConnectionReports } from "./connection-reports.ts";
import { Connections } from "./connections.ts";
import { letGo, sayFarewell } from "./farewell.ts";
import { FramedSlots } from "./framed-slot.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { Lending } from "./lending.ts";
import { ReplySocket, routerSocket, unfinishedBytesMax } from "./reply-socket.ts";
import { Requests, type RequestsParts } from "./requests.ts";
import { Silences } from "./silences.ts";
import { Subscriptions } from "./subscriptions.ts";
import { StallWatch } from "./stall-watch.ts";

/**
 * Messages pass through libzmq's memory, and the C library keeps what is freed of it. So it is
 * asked to return that now and then.
 */
const TRIM_MS = 10_000;
const TRIM_BYTES = 32 * 2 ** 20;

/** How often to check what connections hold, and which nodes are silent, in milliseconds. */
const LOOK_MS = 1000;

/** The poller's sources; those of the publishers follow. */
const WAKE = 0;
const SOCKET = 1;
const MONITOR = 2;
const QUESTIONS = 3;

/** What the receiver needs. */
export interface ReceiverParts extends RequestsParts {
  readonly loan: Loan;
  /** The queue signals it when something is finished. */
  readonly wake: EventFd;
  /** The hub's version, for its first line in the event log. */
  readonly version: string;
  /** The nodes of an earlier run. */
  readonly remembered: readonly RememberedNode[];
  /** The next order of the main thread; undefined if there is none. */
  readonly nextOrder: () => ToReceiver | undefined;
  /** Reports recent activity, and what became of an order, to the main thread. */
  readonly tell: (message: ReceiverMessage & { type: "activity" | "forgotten" }) => void;
}

/** The receiver of one hub. It runs in its own thread and waits there. */
export class Receiver {
  private readonly context = new Context();
  private readonly slots: FramedSlots;
  private readonly lending: Lending;
  private readonly socket: ReplySocket;
  /** Set by `bind`. */
  private connections!: Connections;
  private requests!: Requests;
  private silences!: Silences;
  private poller!: DescriptorPoller;
  /** The index of the publishers' sources. */
  private publishersAt = 0;
  private readonly gatekeeper: Gatekeeper;
  private subscriptions: Subscriptions | undefined;
  private readonly counters: Float64Array;
  private readonly complaints: Complaints;
  private readonly reports: ConnectionReports;
  private readonly connectionsMax: number;
  private readonly storing: StoringThreads;
  private readonly stalls: StallWatch;
  private readonly patienceMs: number;
  /** Whether cameras are to be let go, and whether they are. */
  private wantsToLetGo = false;
  private isLettingGo = false;
  /** When the last notice of silence was written. */
  private noticedMs = 0;
  private choresMs = 0;
  private lookedMs = 0;
  /** When memory was last returned, and what had been received by then. */
  private trimmedMs = 0;
  private trimmedBytes = 0;

  /** @throws {Error} if a key of the settings cannot be read, and {ZmqError} */
  constructor(private readonly parts: ReceiverParts) {
    const { settings, shared, loan, report } = parts;
    this.counters = shared.counters;
    this.patienceMs = settings.patience * 60_000;
    this.complaints = new Complaints(report);
    const ports = [settings.publish, settings.publish_topics].filter((each) => each !== OFF).length;
    const fitting = sendersThatFit(settings.subscribe.length, ports);
    const max = Math.min(settings.max_connections, fitting);
    const bound = max === settings.max_connections ? "max_connections" : "the limit of open files";
    this.connectionsMax = max;
    this.reports = new ConnectionReports(
      this.complaints,
      shared.counters,
      `there are ${max} already (${bound})`,
    );
    this.storing = new StoringThreads(shared, settings.writers);
    this.stalls = new StallWatch(this.storing);
    this.lending = new Lending(loan, settings.ack === "stored");
    this.slots = new FramedSlots(shared.slots, true);
    // The fast path receives into its slots first, so they must be ready.
    const firstFast = firstFastSlot(slotsFor(settings));
    for (let index = 0; index < FAST_SLOTS; index++) this.slots.at(firstFast + index);
    this.socket = new ReplySocket(routerSocket(this.context, settings), () => this.lending.isLent);
    this.gatekeeper = new Gatekeeper(
      this.context,
      this.socket.socket,
      settings,
      ({ address }, { reason, isForNow }) =>
        this.reports.refused(reason, { from: address }, isForNow),
    );
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
    // One socket for IPv4 and IPv6, if `bind` means all addresses or an IPv6 one.
    this.socket.socket.set(SocketOption.ipv6, /[*[]/.test(endpoint) ? 1 : 0);
    this.socket.socket.bind(endpoint);
    // Only now: with a monitor, libzmq loses the reason why a bind failed.
    const { settings, shared, wake, report } = this.parts;
    const monitor = new Monitor(this.socket.socket);
    const debug = (message: string): void => {
      if (shared.integers[Integer.debug] !== 0) report("debug", message);
    };
    this.connections = new Connections(monitor, {
      max: this.connectionsMax,
      unfinishedBytesMax: unfinishedBytesMax(settings),
      debug,
      onFailed: (reason, peer) => {
        // Without CURVE, this is usually a port scan. With CURVE, it is a node without the right
        // keys.
        if (settings.curve.server_key !== "")
          this.reports.refused(`${reason} (the setting curve)`, { from: peer });
        else debug(`A connection failed in its handshake: ${reason}: ${peer}`);
      },
      onWrongType: (peer) => this.reports.wrongType(peer),
      onGivenUp: (connection, reason) => {
        // The memory that it used will soon be free.
        if (reason === "unfinished") this.trimmedBytes = Number.NEGATIVE_INFINITY;
        this.reports.givenUp(connection, reason);
      },
    });
    this.requests = new Requests(
      this.socket,
      this.slots,
      this.connections,
      this.complaints,
      this.lending,
      this.parts,
    );
    const { requests } = this;
    requests.activity.restore(this.parts.remembered);
    this.silences = new Silences(
      {
        settings,
        activity: requests.activity,
        report,
        notice: (text) => requests.notice(text),
        waiting: () => requests.waitingNodes(),
      },
      performance.now(),
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
   * Receives and answers until the queue asks it to stop. Then stores and answers what has arrived,
   * and closes.
   *
   * @returns the number of requests without an answer, because the disk did not take them in time
   */
  run(): number {
    const { queue, version } = this.parts;
    this.requests.notice(`Starting imagehub ${version}`);
    while (!queue.stopping) {
      this.heedLettingGo();
      if (this.lending.isReturned) this.reclaim();
      // Replies before requests: so the socket is last asked for a message, and had none.
      this.requests.finishDone();
      const isDrained = !this.receive();
      const mayHavePublished = this.receivePublished();
      const { isReceiving } = this.lending;
      const now = performance.now();
      const choresLeftMs = CHORES_MS - (now - this.choresMs);
      if (choresLeftMs <= 0) this.doChores(now, isDrained);
      // First ask a socket that has come back, or was used for replies, meanwhile.
      const wasUsed = this.letGo() || this.lending.isReceiving !== isReceiving;
      if (isDrained && !mayHavePublished && !wasUsed) this.sleep(now, choresLeftMs);
    }
    return this.stop();
  }

  /**
   * Receives what has arrived, or counts what the fast path has answered. @returns whether there
   * may be more to receive
   */
  private receive(): boolean {
    const { lending, requests } = this;
    lending.offerWaiting(requests.waitingForReply);
    if (lending.isReceiving) return requests.receiveBatch();
    if (lending.isLent) requests.settle();
    return false;
  }

  /** @returns whether publishers may have sent more */
  private receivePublished(): boolean {
    return (
      this.subscriptions !== undefined &&
      this.requests.receivePublished(this.subscriptions.publishers)
    );
  }

  /** Takes the socket back: for good, or just for a heartbeat. */
  private reclaim(): void {
    const now = performance.now();
    this.lending.stopWaiting();
    const leftOver = this.requests.reclaim();
    this.lending.reclaimed(now, leftOver, this.requests.waitingForReply);
  }

  /**
   * Waits until there is something to do. @param choresLeftMs time until the chores are due, if
   * they were not done just now
   */
  private sleep(now: number, choresLeftMs: number): void {
    const { queue } = this.parts;
    queue.turn();
    this.heed();
    // The socket may have to be reclaimed first.
    if (this.wantsToLetGo !== this.isLettingGo) return;
    const quietLeftMs = Math.ceil(this.quietSinceMs + this.patienceMs - now);
    const longestMs = Math.min(quietLeftMs, this.looksAgainMs(now));
    // Until the chores are done, nothing is known about the time after them: a notice may be due by
    // then.
    const timeoutMs = choresLeftMs > 0 ? Math.ceil(choresLeftMs) : longestMs;
    if (queue.fallAsleep() && !queue.isCalling && !this.settleBeforeSleep(timeoutMs))
      this.poll(timeoutMs);
    queue.awake();
  }

  /** Maximum sleep before something must be checked again, in milliseconds. */
  private looksAgainMs(now: number): number {
    const { complaints, lending, requests } = this;
    if (lending.isWaiting || lending.isWatching(now, requests.tally.receivedMs)) return CHORES_MS;
    if (requests.awaitingBucket > 0) return CHORES_MS;
    const isWatching =
      complaints.pending ||
      requests.inHand > 0 ||
      requests.activity.pending ||
      this.isTrimDue ||
      this.silences.isWatching;
    return isWatching || this.connections.count > 0 || this.subscriptions !== undefined
      ? LOOK_MS
      : Number.POSITIVE_INFINITY;
  }

  /**
   * Checks the fast path before a sleep.
   *
   * @returns whether the receiver must not sleep, because the fast path needs it
   */
  private settleBeforeSleep(timeoutMs: number): boolean {
    const { lending } = this;
    if (!lending.isLent) return false;
    const isWatched = timeoutMs <= CHORES_MS;
    return lending.setWatched(isWatched) || (!isWatched && this.requests.settle() > 0);
  }

  private stop(): number {
    const { settings, queue } = this.parts;
    // The socket is not unbound first: libzmq would end the connections made through the endpoint,
    // and drop their replies.
    this.requests.holdReplies();
    // But nobody is accepted any more. A new peer waits in the handshake for the next hub, with its
    // request in its own memory.
    this.poller.want(QUESTIONS, false);
    this.lending.stopWaiting();
    this.requests.reclaim();
    this.unsubscribe();
    const startMs = performance.now();
    this.drain(startMs, STOP_QUIET_MS);
    this.requests.notice("Exiting imagehub");
    this.drain(startMs, 1);
    this.requests.refuseRest();
    sayFarewell(this.requests.releaseHeld(), this.connections, this.socket);
    this.tellActivity(performance.now(), true);
    this.socket[Symbol.dispose]();
    this.connections[Symbol.dispose]();
    this.gatekeeper[Symbol.dispose]();
    this.context[Symbol.dispose]();
    queue.end(settings.writers);
    this.complaints.flush(Number.POSITIVE_INFINITY);
    return this.requests.unanswered;
  }

  /**
   * Receives what publishers have sent, and then stops listening to them: they would never pause.
   */
  private unsubscribe(): void {
    const { subscriptions } = this;
    if (subscriptions === undefined) return;
    const { descriptors } = subscriptions;
    for (const index of descriptors.keys()) this.poller.want(this.publishersAt + index, false);
    for (
      const end = performance.now() + STOP_QUIET_MS;
      performance.now() < end && this.receivePublished();
    );
    // It is closed with the process: its I/O thread may be looking up a name, which can take longer
    // than a stop may.
    this.subscriptions = undefined;
  }

  /**
   * Receives and stores everything that senders have sent. A sender that waits for its reply does
   * not send again. So while the replies are held back, this comes to an end, even with few slots.
   *
   * @param startMs when the stop began
   * @param quietMs time without a request after which it is done
   */
  private drain(startMs: number, quietMs: number): void {
    const { requests } = this;
    const { queue } = this.parts;
    for (let lastMs = performance.now(); ;) {
      const now = performance.now();
      if (now - startMs >= STOP_STORE_MS_MAX) return;
      const receives = now - startMs < STOP_RECEIVE_MS_MAX;
      const { receivedMs } = requests.tally;
      const hasDone = requests.finishDone() + requests.refuseLate(now) > 0;
      const mayHaveMore = receives && requests.receiveBatch();
      if (hasDone || requests.tally.receivedMs !== receivedMs) lastMs = now;
      if (mayHaveMore) continue;
      // A wait may end for other reasons than a request: a new connection, or a signal.
      const leftMs = lastMs + quietMs - now;
      const isStoring = requests.inHand > 0;
      if (leftMs <= 0 && !isStoring) return;
      if (queue.fallAsleep()) this.poll(isStoring ? CHORES_MS : Math.ceil(leftMs), receives);
      queue.awake();
    }
  }

  /** Waits for the network or the queue. Each socket was last asked for a message and had none. */
  private poll(timeoutMs: number, receives = true): void {
    const { poller } = this;
    poller.want(SOCKET, receives && this.lending.isReceiving);
    poller.wait(timeoutMs);
    if (poller.readable(WAKE)) this.parts.wake.clear();
    if (poller.readable(MONITOR)) {
      // So that a connection that has sent something counts as such.
      if (this.lending.isLent) this.requests.settle();
      this.connections.update();
    }
    if (poller.readable(QUESTIONS)) this.gatekeeper.authenticator.update();
  }

  /** Regular chores. */
  private doChores(now: number, isDrained: boolean): void {
    const { settings, report } = this.parts;
    this.choresMs = now;
    this.connections.update();
    // What waits in libzmq may be whole, and of a node that seems to be silent.
    if (isDrained) this.look(now);
    this.lookAtPublishers(now);
    this.gatekeeper.authenticator.update();
    this.parts.queue.turn();
    this.heed();
    this.counters[Counter.connections] = this.connections.count;
    this.requests.refuseLate(now);
    const { awaitingBucket } = this.requests;
    this.counters[Counter.awaitingBucket] = awaitingBucket;
    this.counters[Counter.queued] = this.requests.inHand - awaitingBucket;
    this.watchDisk(now);
    const heldMs = this.stalls.heldMs(this.storing.fastPath, now);
    if (this.lending.review(now, heldMs, this.requests.waitingForReply)) this.reclaim();
    this.tellActivity(now);
    this.complaints.flush(now);
    if (this.isTrimDue && now - this.trimmedMs >= TRIM_MS) {
      this.trimmedMs = now;
      this.trimmedBytes = this.requests.tally.receivedBytes;
      trimMemory();
    }
    if (now - this.quietSinceMs >= this.patienceMs) {
      this.noticedMs = now;
      const text = `No messages received for ${settings.patience} minutes.`;
      this.requests.notice(text);
      report("warn", text.slice(0, -1));
    }
  }

  /** Checks what unfinished messages hold, and which nodes are silent. */
  private look(now: number): void {
    if (now - this.lookedMs < LOOK_MS) return;
    this.lookedMs = now;
    // What the fast path has received is whole.
    if (this.lending.isLent) this.requests.settle();
    this.connections.look();
    this.silences.look(now);
  }

  private tellActivity(now: number, isUrgent = false): void {
    const activity = this.requests.activity.nextMessage(now, isUrgent);
    if (activity !== undefined) this.parts.tell(activity);
  }

  /** Does what other threads have asked for. */
  private heed(): void {
    const { queue, nextOrder } = this.parts;
    if (queue.clearReload()) this.reload();
    if (!queue.clearOrdered()) return;
    for (let order = nextOrder(); order !== undefined; order = nextOrder()) {
      if (order.type === "letGo") this.wantsToLetGo = order.isWanted;
      else if (order.type === "bucket") this.requests.connectBucket(order.port);
      else this.forget(order.node);
    }
  }

  /** Begins or ends letting cameras go. The fast path has no part in that. */
  private heedLettingGo(): void {
    const { lending, requests } = this;
    if (this.wantsToLetGo) {
      lending.sawUnusual(performance.now());
      if (this.isLettingGo) return;
      requests.holdReplies();
      lending.stopWaiting();
      requests.reclaim();
    } else if (this.isLettingGo) requests.sendReplies();
    this.isLettingGo = this.wantsToLetGo;
  }

  /** Lets those cameras go that have an answer now. @returns whether there were any */
  private letGo(): boolean {
    if (!this.isLettingGo) return false;
    const replies = this.requests.releaseHeld();
    letGo(replies, this.connections, this.socket);
    return replies.length > 0;
  }

  /** Forgets a node with its views. */
  private forget(node: string): void {
    const { activity } = this.requests;
    // So that what it has sent before does not make it known again.
    if (this.lending.isLent) this.requests.settle();
    const names = new Set(
      namesOfNode(
        node,
        activity.all.map(({ name }) => name),
      ),
    );
    const rows = activity.all.filter(({ name }) => names.has(name));
    activity.forget(rows);
    this.tellActivity(performance.now(), true);
    this.parts.tell({ type: "forgotten", node, rows: rows.length });
  }

  private lookAtPublishers(now: number): void {
    const { subscriptions } = this;
    if (subscriptions === undefined) return;
    subscriptions.update(now, (publisher, change) => this.reports.publisher(publisher, change));
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
        `Cannot read the clients' keys again, so the old keys stay in force: ${reason}`,
      );
    }
  }

  private get isTrimDue(): boolean {
    return this.requests.tally.receivedBytes - this.trimmedBytes >= TRIM_BYTES;
  }

  /** When the silence that was not yet reported began. */
  private get quietSinceMs(): number {
    return Math.max(this.requests.tally.receivedMs, this.noticedMs);
  }

  /** Logs that the disk stalls, while a writer waits for it. */
  private watchDisk(now: number): void {
    const stalledMs = this.stalls.longestMs(now);
    if (stalledMs >= SLOW_MS) this.lending.sawUnusual(now);
    const seconds = Math.floor(stalledMs / 1000);
    this.storing.stalledSeconds = seconds < STALL_LOGGED_SECONDS ? 0 : seconds;
    if (seconds < STALL_LOGGED_SECONDS) return;
    this.complaints.add("stall", {
      level: "warn",
      message: "The disk stalls: requests wait until it recovers",
      fields: { waiting: this.requests.inHand, seconds },
    });
  }
}
