/**
 * The queue between the receiver and the writers: slots that wait to be stored, and slots that are
 * done.
 *
 * It is a pair of rings in shared memory in place of inproc sockets, because then no message is
 * handed through libzmq a second time, any idle writer takes the next slot (a writer whose disk
 * stalls holds up nothing but its own), and nobody makes a system call while all are busy. A slot
 * number is in one ring at most, so the rings cannot overflow.
 *
 * @module
 */

import { type EventFd, Futex } from "../os/wait.ts";
import { WRITERS_MAX } from "../limits.ts";
import { Integer, type Shared, ThreadInteger, threadIntegersAt } from "./memory.ts";

/** What {@link RequestQueue.waitForWork} gives when there is no slot. */
export const NoWork = {
  /** There is none now. */
  nothing: -1,
  /** The hub stops: there will be no more. */
  end: -2,
} as const;

/** Either end of the queue; each thread has its own over the same memory. */
export class RequestQueue {
  private readonly integers: Int32Array<SharedArrayBuffer>;
  private readonly work: Int32Array<SharedArrayBuffer>;
  private readonly done: Int32Array<SharedArrayBuffer>;
  private readonly tailFutex: Futex;
  private readonly turnedAt: number | undefined;
  /** The receiver's next place in the ring of what is done. */
  private doneHead = 0;

  /**
   * @param wake what the receiver polls
   * @param thread who answers when asked whether it turns: the number of a thread that stores,
   * or `RECEIVER_THREAD`
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

  /** Receiver: tells `writers` writers that there will be no more. */
  end(writers: number): void {
    for (let index = 0; index < writers; index++) this.put(NoWork.end);
  }

  /** Writer: waits for the next slot. @returns it, or `NoWork.end` */
  waitForWork(): number {
    const { integers } = this;
    for (;;) {
      this.turn();
      const tail = Atomics.load(integers, Integer.workTail);
      const slot = this.nextWork();
      if (slot !== NoWork.nothing) return slot;
      // Counted before the kernel looks at the tail a last time, so that put() either sees the
      // writer or has changed the tail.
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
      // Read before it is claimed: from then on put() may use the place again, as soon as the ring
      // has gone round, and slots of other writers can go round while this thread does not get a
      // processor.
      const slot = Atomics.load(work, position(head, work.length));
      if (Atomics.compareExchange(integers, Integer.workHead, head, (head + 1) | 0) === head)
        return slot;
    }
  }

  /**
   * Writer: gives a slot back, with its outcome in it. It is there from one moment to the next, so
   * a thread may end anywhere in here and holds up no other.
   */
  giveBack(slot: number): void {
    const { integers, done } = this;
    for (let isBack = false; !isBack;) {
      const tail = Atomics.load(integers, Integer.doneTail);
      const empty = emptyAt(tail, done.length);
      isBack =
        Atomics.compareExchange(done, position(tail, done.length), empty, slot + 1) === empty;
      // Also where another thread has taken the place, and has not come to this, or never will.
      Atomics.compareExchange(integers, Integer.doneTail, tail, (tail + 1) | 0);
    }
    this.callReceiver();
  }

  /** Receiver: the next slot that is done, or -1. */
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
   * Receiver: about to sleep in its poll; whoever gives a slot back or says stop from now on wakes
   * it. `awake` must follow.
   *
   * @returns false when a slot is done already
   */
  fallAsleep(): boolean {
    Atomics.store(this.integers, Integer.receiverAsleep, 1);
    return Atomics.load(this.done, position(this.doneHead, this.done.length)) <= 0;
  }

  /** Receiver: woke up. */
  awake(): void {
    Atomics.store(this.integers, Integer.receiverAsleep, 0);
  }

  /** Any thread: asks the receiver to stop. */
  stop(): void {
    Atomics.store(this.integers, Integer.stopping, 1);
    this.callReceiver();
  }

  /** Any thread: asks the receiver to read the keys of clients again. */
  reload(): void {
    Atomics.store(this.integers, Integer.reload, 1);
    this.callReceiver();
  }

  /** Receiver: whether that was asked since. */
  clearReload(): boolean {
    return Atomics.exchange(this.integers, Integer.reload, 0) !== 0;
  }

  /**
   * Any thread: asks the receiver and the idle writers to say that they turn; `liveness.ts` looks
   * who did.
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

  /** Receiver and writers, wherever they begin anew: says that this thread turns. */
  turn(): void {
    const { integers, turnedAt } = this;
    if (turnedAt !== undefined) integers[turnedAt] = integers[Integer.asked]!;
  }

  /**
   * Any thread: whether a thread has turned since a question. @param thread as of the constructor
   */
  hasTurned(thread: number, question: number): boolean {
    return ((Atomics.load(this.integers, turnedIntegerOf(thread)) - question) | 0) >= 0;
  }

  /**
   * Receiver: whether another thread wants something that is no slot: to be looked at between
   * `fallAsleep` and a sleep.
   */
  get isCalling(): boolean {
    const { integers } = this;
    return this.stopping || Atomics.load(integers, Integer.reload) !== 0 || this.isAsked;
  }

  /**
   * Whether this thread is to say that it turns. A question that comes behind a writer's last look
   * is answered with the next.
   */
  private get isAsked(): boolean {
    const { integers, turnedAt } = this;
    return turnedAt !== undefined && Atomics.load(integers, Integer.asked) !== integers[turnedAt];
  }

  /** Whether the hub is to stop. */
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
 * What stands in the place of a ticket in the ring of what is done, until a slot does: minus how
 * often the ring has gone round. So a thread that was held up with an old ticket does not find the
 * place empty when it is, for a later one. Above zero it is a slot's number, plus 1.
 */
function emptyAt(ticket: number, length: number): number {
  return -(ticket >>> Math.log2(length));
}

/**
 * Tickets count on through all 32 bits and wrap around; a ring's length is a power of two, so its
 * places go on in turn.
 */
function position(ticket: number, length: number): number {
  return ticket & (length - 1);
}
