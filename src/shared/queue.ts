/**
 * The queue between the receiver and the writers: slots that wait to be stored, and finished slots.
 *
 * It is a pair of rings in shared memory, not inproc sockets. So no message passes through libzmq a
 * second time. Any idle writer takes the next slot: a writer whose disk stalls delays only its own
 * slot. While all are busy, nobody makes a system call. A slot number is in at most one ring, so
 * the rings cannot overflow.
 *
 * @module
 */

import { type EventFd, Futex } from "../os/wait.ts";
import { WRITERS_MAX } from "../limits.ts";
import { Integer, type Shared, ThreadInteger, threadIntegersAt } from "./memory.ts";

/** What {@link RequestQueue.waitForWork} returns if there is no slot. */
export const NoWork = {
  /** There is none now. */
  nothing: -1,
  /** The hub is stopping: there will be no more. */
  end: -2,
} as const;

/** One end of the queue. Each thread has its own over the same memory. */
export class RequestQueue {
  private readonly integers: Int32Array<SharedArrayBuffer>;
  private readonly work: Int32Array<SharedArrayBuffer>;
  private readonly done: Int32Array<SharedArrayBuffer>;
  private readonly tailFutex: Futex;
  private readonly turnedAt: number | undefined;
  /** The receiver's next place in the ring of finished slots. */
  private doneHead = 0;

  /**
   * @param wake polled by the receiver
   * @param thread that answers questions: the number of a thread that stores, or `RECEIVER_THREAD`
   */
  constructor(
    shared: Shared,
    private readonly wake: EventFd,
    thread?: number,
  ) {
    this.integers = shared.integers;
    this.work = shared.work;
    this.done = shared.done;
    this.tailFutex = new Futex(shared.integers, Integer.workTail);
    this.turnedAt = thread === undefined ? undefined : turnedIntegerOf(thread);
  }

  /** Receiver: hands a slot to the writers. */
  put(slot: number): void {
    const { integers, work } = this;
    const tail = integers[Integer.workTail]!;
    work[position(tail, work.length)] = slot;
    Atomics.store(integers, Integer.workTail, (tail + 1) | 0);
    if (Atomics.load(integers, Integer.idleWriters) > 0) this.tailFutex.wake(1);
  }

  /** Receiver: tells `writers` writers that there will be no more slots. */
  end(writers: number): void {
    for (let index = 0; index < writers; index++) this.put(NoWork.end);
  }

  /** Writer: waits for the next slot. @returns the slot, or `NoWork.end` */
  waitForWork(): number {
    const { integers } = this;
    for (;;) {
      this.turn();
      const tail = Atomics.load(integers, Integer.workTail);
      const slot = this.nextWork();
      if (slot !== NoWork.nothing) return slot;
      // Count before the kernel checks the tail a last time: then put() either sees the writer or
      // has changed the tail.
      Atomics.add(integers, Integer.idleWriters, 1);
      if (!this.isAsked) this.tailFutex.wait(tail);
      Atomics.sub(integers, Integer.idleWriters, 1);
    }
  }

  /** Writer: the next slot, or one of {@link NoWork}, without waiting. */
  nextWork(): number {
    const { integers, work } = this;
    for (;;) {
      const head = Atomics.load(integers, Integer.workHead);
      if (head === Atomics.load(integers, Integer.workTail)) return NoWork.nothing;
      // Read before claiming: after that, put() may reuse the place once the ring has gone round.
      // Slots of other writers can go round while this thread gets no processor.
      const slot = Atomics.load(work, position(head, work.length));
      if (Atomics.compareExchange(integers, Integer.workHead, head, (head + 1) | 0) === head)
        return slot;
    }
  }

  /**
   * Writer: gives back a slot with its outcome. This is a single step, so a thread may end anywhere
   * here and block no other.
   */
  giveBack(slot: number): void {
    const { integers, done } = this;
    for (let isBack = false; !isBack;) {
      const tail = Atomics.load(integers, Integer.doneTail);
      const empty = emptyAt(tail, done.length);
      isBack =
        Atomics.compareExchange(done, position(tail, done.length), empty, slot + 1) === empty;
      // Also if another thread has taken the place but has not continued, or never will.
      Atomics.compareExchange(integers, Integer.doneTail, tail, (tail + 1) | 0);
    }
    this.callReceiver();
  }

  /** Receiver: the next finished slot, or -1. */
  nextDone(): number {
    const { done } = this;
    const place = position(this.doneHead, done.length);
    const slot = Atomics.load(done, place) - 1;
    if (slot < 0) return -1;
    Atomics.store(done, place, emptyAt(this.doneHead + done.length, done.length));
    this.doneHead = (this.doneHead + 1) | 0;
    return slot;
  }

  /**
   * Receiver: is about to sleep in its poll. From now on, anyone who gives back a slot or asks for
   * a stop wakes it. `awake` must follow.
   *
   * @returns false if a slot is finished already
   */
  fallAsleep(): boolean {
    Atomics.store(this.integers, Integer.receiverAsleep, 1);
    return Atomics.load(this.done, position(this.doneHead, this.done.length)) <= 0;
  }

  /** Receiver: has woken up. */
  awake(): void {
    Atomics.store(this.integers, Integer.receiverAsleep, 0);
  }

  /** Any thread: asks the receiver to stop. */
  stop(): void {
    Atomics.store(this.integers, Integer.stopping, 1);
    this.callReceiver();
  }

  /** Any thread: asks the receiver to read the clients' keys again. */
  reload(): void {
    Atomics.store(this.integers, Integer.reload, 1);
    this.callReceiver();
  }

  /** Receiver: whether that was asked since the last call. */
  clearReload(): boolean {
    return Atomics.exchange(this.integers, Integer.reload, 0) !== 0;
  }

  /** Any thread: asks the receiver to look for orders in its port. */
  order(): void {
    Atomics.store(this.integers, Integer.ordered, 1);
    this.callReceiver();
  }

  /** Receiver: whether that was asked since the last call. */
  clearOrdered(): boolean {
    return Atomics.exchange(this.integers, Integer.ordered, 0) !== 0;
  }

  /** Replicator: asks the receiver to look into the port that they share. */
  tellOfBucket(): void {
    Atomics.store(this.integers, Integer.bucketNews, 1);
    this.callReceiver();
  }

  /** Receiver: whether that was asked since the last call. */
  clearBucketNews(): boolean {
    return Atomics.exchange(this.integers, Integer.bucketNews, 0) !== 0;
  }

  /**
   * Any thread: asks the receiver and the idle writers to respond; `liveness.ts` checks who did.
   *
   * @returns the number of the question
   */
  ask(): number {
    const { integers } = this;
    const question = (Atomics.add(integers, Integer.asked, 1) + 1) | 0;
    this.callReceiver();
    if (Atomics.load(integers, Integer.idleWriters) > 0) this.tailFutex.wake(WRITERS_MAX);
    return question;
  }

  /** Receiver and writers, at the start of each turn: answers the question. */
  turn(): void {
    const { integers, turnedAt } = this;
    if (turnedAt !== undefined) integers[turnedAt] = integers[Integer.asked]!;
  }

  /** Any thread: whether a thread has answered a question. @param thread as in the constructor */
  hasTurned(thread: number, question: number): boolean {
    return ((Atomics.load(this.integers, turnedIntegerOf(thread)) - question) | 0) >= 0;
  }

  /**
   * Receiver: whether another thread wants something else. To be checked between `fallAsleep` and a
   * sleep.
   */
  get isCalling(): boolean {
    const { integers } = this;
    return (
      this.stopping ||
      Atomics.load(integers, Integer.reload) !== 0 ||
      Atomics.load(integers, Integer.ordered) !== 0 ||
      Atomics.load(integers, Integer.bucketNews) !== 0 ||
      this.isAsked
    );
  }

  /**
   * Whether this thread must answer a question. If one arrives after a writer's last check, it is
   * answered with the next.
   */
  private get isAsked(): boolean {
    const { integers, turnedAt } = this;
    return turnedAt !== undefined && Atomics.load(integers, Integer.asked) !== integers[turnedAt];
  }

  /** Whether the hub must stop. */
  get stopping(): boolean {
    return Atomics.load(this.integers, Integer.stopping) !== 0;
  }

  /** Any thread: wakes the receiver if it sleeps. */
  callReceiver(): void {
    if (Atomics.exchange(this.integers, Integer.receiverAsleep, 0) !== 0) this.wake.signal();
  }
}

function turnedIntegerOf(thread: number): number {
  return threadIntegersAt(thread) + ThreadInteger.turned;
}

/**
 * The value of an empty place in the ring of finished slots: minus the number of rounds so far. So
 * a thread that was delayed with an old ticket does not mistake the empty place of a later ticket
 * for its own. A positive value is a slot's number plus 1.
 */
function emptyAt(ticket: number, length: number): number {
  return -(ticket >>> Math.log2(length));
}

/**
 * Tickets use all 32 bits and wrap around. A ring's length is a power of two, so its places
 * continue in order.
 */
function position(ticket: number, length: number): number {
  return ticket & (length - 1);
}
