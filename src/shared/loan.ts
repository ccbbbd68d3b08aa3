/**
 * The loan of the socket: while nothing is out of the ordinary, the receiver lends it to the fast
 * path, a thread that receives, stores and answers by itself, without a hand-over for each request.
 *
 * The fast path holds the lock while it uses the socket, and the receiver passes through it when it
 * takes the socket back: that is the memory barrier that libzmq wants when a socket goes from one
 * thread to another. The fast path does not hold it while it writes, so the receiver can take the
 * socket back whatever the disk does. All of it is in memory that both share.
 *
 * @module
 */

import type { EventFd } from "../os/wait.ts";
import type { Request, StoredRequest } from "../protocol/request.ts";
import { SharedLock } from "./lock.ts";
import { Integer, type Shared } from "./memory.ts";
import { StoringThread } from "./storing-threads.ts";

/**
 * Longest frame 2 that the fast path writes, in bytes: larger ones are worth a hand-over, as more
 * than one can be written at once.
 */
const FAST_BYTES_MAX = 256 * 1024;

/** Whether the fast path takes this request. @param bytes of frame 2 */
export function isPlain(request: Request, bytes: number): request is StoredRequest {
  if (bytes > FAST_BYTES_MAX) return false;
  return request.kind === "event" || (request.kind === "image" && request.raw === undefined);
}

/** Either end of the loan; each thread has its own object. */
export class Loan {
  private readonly integers: Int32Array<SharedArrayBuffer>;
  private readonly lock: SharedLock;
  private readonly borrower: StoringThread;

  /**
   * @param borrower the fast path's number among the threads that store
   * @param wake what the fast path polls
   */
  constructor(
    shared: Shared,
    borrower: number,
    private readonly wake: EventFd,
  ) {
    this.integers = shared.integers;
    this.lock = new SharedLock(shared.integers, Integer.loanLock);
    this.borrower = new StoringThread(shared, borrower);
  }

  /**
   * Whether there is a fast path that waits for the socket. The fast path sets it, and the main
   * thread when that has ended.
   */
  get isReady(): boolean {
    return Atomics.load(this.integers, Integer.loanReady) !== 0;
  }
  set isReady(value: boolean) {
    Atomics.store(this.integers, Integer.loanReady, value ? 1 : 0);
  }

  /**
   * Whether the fast path has the socket. Either end can end that, by {@link Loan.reclaim} or
   * {@link Loan.giveBack}.
   */
  get isOut(): boolean {
    return Atomics.load(this.integers, Integer.loanOut) !== 0;
  }

  /** The slot that the fast path is storing; -1: none. */
  get inHand(): number {
    return this.borrower.inHand;
  }

  /** Receiver: lends the socket. It must not use it until it has taken it back. */
  lend(): void {
    this.isWatched = true;
    Atomics.store(this.integers, Integer.loanOut, 1);
    // One that has ended in this moment does not take it, and the main thread has taken it back
    // before.
    if (!this.isReady) Atomics.store(this.integers, Integer.loanOut, 0);
    this.wake.signal();
  }

  /** Receiver, or the main thread for a fast path that has ended: takes the socket back. */
  reclaim(): void {
    Atomics.store(this.integers, Integer.loanOut, 0);
    // The fast path may be receiving or answering just now, which is soon over.
    this.lock.hold(() => undefined);
  }

  /**
   * Receiver: whether it looks after the fast path every few milliseconds. If not, the fast path
   * calls it when a request comes.
   */
  set isWatched(value: boolean) {
    Atomics.store(this.integers, Integer.loanWatched, value ? 1 : 0);
  }

  /** Fast path: see the setter. */
  get isWatched(): boolean {
    return Atomics.load(this.integers, Integer.loanWatched) !== 0;
  }

  /**
   * Fast path: begins to use the socket; `end` must follow. @returns false where it is not lent,
   * and nothing was begun
   */
  begin(): boolean {
    if (!this.isOut) return false;
    this.lock.acquire();
    if (this.isOut) return true;
    this.lock.release();
    return false;
  }

  /** Fast path: does not use the socket for now. */
  end(): void {
    this.lock.release();
  }

  /**
   * Fast path, between `begin` and `end`: gives the socket back, with what it has received and not
   * begun to store.
   */
  giveBack(): void {
    Atomics.store(this.integers, Integer.loanOut, 0);
  }

  /** Main thread: wakes the fast path, so that it goes round its loop. */
  call(): void {
    this.wake.signal();
  }

  /** Main thread: ends the fast path. */
  close(): void {
    Atomics.store(this.integers, Integer.loanEnd, 1);
    this.wake.signal();
  }

  /** Fast path: whether it is to end. */
  get isClosed(): boolean {
    return Atomics.load(this.integers, Integer.loanEnd) !== 0;
  }
}
