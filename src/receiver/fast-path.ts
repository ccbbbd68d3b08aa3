/**
 * The fast path: one thread that receives requests, stores them and answers, one after the other,
 * while the receiver lends it the socket (`loan.ts`).
 *
 * It takes only plain requests: events and JPEG files of usual size, one at a time per connection.
 * Anything else sends the socket back to the receiver, together with everything that is not being
 * stored yet. The receiver counts the answers a little later. If the disk stalls, the receiver
 * takes the socket back, and answers what this thread still has in hand.
 *
 * @module
 */

import type { Calendar } from "../protocol/calendar.ts";
import { DescriptorPoller, type EventFd } from "../os/wait.ts";
import { RequestError, type RequestReader, type StoredRequest } from "../protocol/request.ts";
import type { Store } from "../store/store.ts";
import { FAST_BATCH, FAST_SLOTS, SLOW_MS } from "../limits.ts";
import type { RequestQueue } from "../shared/queue.ts";
import { fillSlot, Holder, Outcome } from "../shared/request-slot.ts";
import { isPlain, type Loan } from "../shared/loan.ts";
import type { StoringThread } from "../shared/storing-threads.ts";
import type { FramedSlot, FramedSlots } from "./framed-slot.ts";
import type { ReplySocket } from "./reply-socket.ts";

/**
 * After this many answered requests, the receiver is called to count them, so slots do not run out.
 */
const COUNT_EVERY = FAST_SLOTS - FAST_BATCH;

/** How long to wait for the receiver if slots have run out, in milliseconds. */
const COUNTED_MS = 1;

/** Maximum known nodes and connections. Beyond this, all are forgotten. */
const KNOWN_MAX = 4096;

/** The poller's sources. */
const WAKE = 0;
const SOCKET = 1;

const OK = Buffer.from("OK");

/** What the fast path needs. */
export interface FastPathParts {
  /** This thread's number among those that store. */
  readonly thread: StoringThread;
  /** The number of its first slot. */
  readonly firstSlot: number;
  readonly loan: Loan;
  readonly queue: RequestQueue;
  /** What it polls besides the socket. */
  readonly wake: EventFd;
  readonly socket: ReplySocket;
  /** What it polls for the socket. */
  readonly descriptor: number;
  readonly reader: RequestReader;
  readonly slots: FramedSlots;
  readonly store: Store;
  readonly calendar: Calendar;
}

/** The fast path of one hub. It runs in its own thread and waits there. */
export class FastPath {
  private readonly poller: DescriptorPoller;
  /** The connections on which each node was met, by their descriptors. */
  private readonly known = new Map<string, Set<number>>();
  private knownCount = 0;
  /** The latest received slots, and the descriptors of their connections. */
  private readonly batch: FramedSlot[] = [];
  private readonly descriptors: number[] = [];
  /** When they were received; by `performance.now`, in milliseconds. */
  private receivedMs = 0;
  private nextSlot = 0;
  private answered = 0;

  constructor(private readonly parts: FastPathParts) {
    const { wake, descriptor } = parts;
    this.poller = new DescriptorPoller([wake.fd, descriptor]);
  }

  /** Serves until the loan is closed. @throws {ZmqError} if the socket fails */
  run(): void {
    const { loan, queue } = this.parts;
    queue.turn();
    loan.isReady = true;
    while (!loan.isClosed) {
      queue.turn();
      const isDrained = this.receive();
      if (this.batch.length === 0) this.sleep(isDrained);
      for (const slot of this.batch) this.serve(slot);
    }
  }

  /**
   * Waits until there is something to do. @param isDrained whether the socket was last asked for a
   * message and had none
   */
  private sleep(isDrained: boolean): void {
    const { poller } = this;
    const { wake } = this.parts;
    poller.want(SOCKET, isDrained);
    poller.wait(isDrained || !this.parts.loan.isOut ? -1 : COUNTED_MS);
    if (poller.readable(WAKE)) wake.clear();
  }

  /**
   * Receives everything there is. `batch` is the part to store here. @returns whether the socket is
   * lent and has no more
   */
  private receive(): boolean {
    const { loan, queue, socket } = this.parts;
    this.batch.length = 0;
    this.descriptors.length = 0;
    if (!loan.begin()) return false;
    try {
      for (let isUsual = true; isUsual && this.batch.length < FAST_BATCH;) {
        const slot = this.freeSlot();
        if (slot === undefined) {
          queue.callReceiver();
          return false;
        }
        if (!socket.receive(slot)) return true;
        socket.load(slot);
        isUsual = this.accept(slot);
      }
      loan.giveBack();
    } finally {
      loan.end();
    }
    this.batch.length = 0;
    queue.callReceiver();
    return false;
  }

  /** Fills the slot of a received request. @returns false if it is not plain */
  private accept(slot: FramedSlot): boolean {
    if (this.batch.length === 0) this.receivedMs = performance.now();
    const { size, data } = slot.payload;
    slot.setPayload(data, size);
    slot.micros = this.parts.calendar.now();
    const request = this.plain(slot, size);
    if (request !== undefined) {
      fillSlot(slot, request);
      slot.isNewcomer = this.meet(request.node, slot.fd);
      this.batch.push(slot);
      this.descriptors.push(slot.fd);
    }
    slot.holder = Holder.received;
    this.nextSlot = (slot.index - this.parts.firstSlot + 1) % FAST_SLOTS;
    return request !== undefined;
  }

  /** Stores and answers a slot, unless the receiver has taken it. */
  private serve(slot: FramedSlot): void {
    const { store, loan, queue, thread } = this.parts;
    if (!slot.claim(Holder.received, Holder.fastPath)) return;
    thread.begin(slot.index);
    if (!loan.isWatched) queue.callReceiver();
    // Finished at once, because plain requests need no encoding.
    void thread.store(store, slot);
    this.answer(slot);
  }

  /**
   * Answers a stored request. If it could not be stored, or the receiver has taken it meanwhile, it
   * goes to the receiver.
   */
  private answer(slot: FramedSlot): void {
    const { loan, queue, thread } = this.parts;
    const isMine = loan.begin();
    const isAnswered =
      isMine && (slot.outcome === Outcome.stored || slot.outcome === Outcome.overCap);
    try {
      if (isAnswered) this.reply(slot);
      thread.letGo();
      // Requests that have arrived since this batch wait too long.
      if (isMine && (!isAnswered || slot.answerMs > SLOW_MS)) loan.giveBack();
    } finally {
      if (isMine) loan.end();
    }
    if (!isAnswered) queue.giveBack(slot.index);
    else if (!loan.isOut || ++this.answered % COUNT_EVERY === 0) queue.callReceiver();
  }

  private reply(slot: FramedSlot): void {
    const { socket } = this.parts;
    if (slot.isNewcomer) slot.address = slot.peerAddress;
    socket.reply(slot, OK);
    socket.release(slot);
    slot.answerMs = performance.now() - this.receivedMs;
    slot.holder = Holder.answered;
  }

  /** The next slot that is free, if any. */
  private freeSlot(): FramedSlot | undefined {
    const { slots, firstSlot } = this.parts;
    for (let tried = 0; tried < FAST_SLOTS; tried++) {
      const slot = slots.at(firstSlot + ((this.nextSlot + tried) % FAST_SLOTS));
      if (slot.holder === Holder.nobody) return slot;
    }
    return undefined;
  }

  /** The received request, if it is plain and its sender waits for no other reply. */
  private plain(slot: FramedSlot, bytes: number): StoredRequest | undefined {
    const { socket, reader } = this.parts;
    if (socket.malformed !== undefined || !slot.isDirect || slot.isNamed) return undefined;
    // A sender that sends ahead could fill libzmq's queue while something is stored here. The
    // receiver reads all of it.
    if (this.descriptors.includes(slot.fd)) return undefined;
    try {
      const request = reader.read(socket.header, socket.headerLength, slot.payload);
      return isPlain(request, bytes) ? request : undefined;
    } catch (error) {
      if (error instanceof RequestError) return undefined;
      throw error;
    }
  }

  /** Notes that a node uses a connection. @returns whether that is new */
  private meet(node: string, fd: number): boolean {
    if (this.known.get(node)?.has(fd) === true) return false;
    if (this.knownCount === KNOWN_MAX) {
      this.known.clear();
      this.knownCount = 0;
    }
    this.knownCount++;
    const fds = this.known.get(node);
    if (fds === undefined) this.known.set(node, new Set([fd]));
    else fds.add(fd);
    return true;
  }
}
