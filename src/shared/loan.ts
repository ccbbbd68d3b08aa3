/**
 * The loan of the socket: in normal operation, the receiver lends it to the fast path, a thread
 * that receives, stores and answers by itself, without handing over each request.
 *
 * The fast path holds the lock while it uses the socket. The receiver passes through the lock when
 * it takes the socket back. This is the memory barrier that libzmq requires when a socket moves to
 * another thread. The fast path does not hold the lock while it writes, so the receiver can take
 * the socket back whatever the disk does. Everything is in memory that both share.
 *
 * @module
 */

import type { EventFd } from "../os/wait.ts";
import type { Request, StoredRequest } from "../protocol/request.ts";
import { SharedLock } from "./lock.ts";
import { Integer, type Shared } from "./memory.ts";
import { StoringThread } from "./storing-threads.ts";

/**
 * Longest frame 2 that the fast path writes, in bytes. Larger ones are worth a hand-over, because
 * several can be written at once.
 */
const FAST_BYTES_MAX = 256 * 1024;

/** Whether the fast path takes a request of this size. @param bytes of frame 2 */
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
   * Whether there is a fast path that waits for the socket. Set by the fast path, and by the main
   * thread if the fast path has ended.
   */
  get isReady(): boolean {
    return Atomics.load(this.integers, Integer.loanReady) !== 0;
  }
  set isReady(value: boolean) {
    Atomics.store(this.integers, Integer.loanReady, value ? 1 : 0);
  }

  /**
   * Whether the fast path has the socket. Either end can end the loan, by {@link Loan.reclaim} or
   * {@link Loan.giveBack}.
   */
  get isOut(): boolean {
    return Atomics.load(this.integers, Integer.loanOut) !== 0;
  }

  /** The slot that the fast path is storing; -1 if none. */
  get inHand(): number {
    return this.borrower.inHand;
  }

  /** Receiver: lends the socket. It must not use the socket until it has taken it back. */
  lend(): void {
    this.isWatched = true;
    Atomics.store(this.integers, Integer.loanOut, 1);
    // If the fast path ends at this moment, it does not take the socket. The main thread has
    // already taken it back.
    if (!this.isReady) Atomics.store(this.integers, Integer.loanOut, 0);
    this.wake.signal();
  }

  /** Receiver, or the main thread for a fast path that has ended: takes the socket back. */
  reclaim(): void {
    Atomics.store(this.integers, Integer.loanOut, 0);
    // The fast path may be receiving or answering right now. That is soon over.
    this.lock.hold(() => undefined);
  }

  /**
   * Receiver: whether it checks the fast path every few milliseconds. If not, the fast path calls
   * it when a request arrives.
   */
  set isWatched(value: boolean) {
    Atomics.store(this.integers, Integer.loanWatched, value ? 1 : 0);
  }

  /** Fast path: see the setter. */
  get isWatched(): boolean {
    return Atomics.load(this.integers, Integer.loanWatched) !== 0;
  }

  /**
   * Fast path: begins to use the socket; `end` must follow. @returns false if the socket is not
   * lent; then nothing was begun
   */
  begin(): boolean {
    if (!this.isOut) return false;
    this.lock.acquire();
    if (this.isOut) return true;
    this.lock.release();
    return false;
  }

  /** Fast path: stops using the socket for now. */
  end(): void {
    this.lock.release();
  }

  /**
   * Fast path, between `begin` and `end`: gives back the socket, and everything it has received but
   * not begun to store.
   */
  giveBack(): void {
    Atomics.store(this.integers, Integer.loanOut, 0);
  }

  /** Main thread: wakes the fast path, so that its loop turns. */
  call(): void {
    this.wake.signal();
  }

  /** Main thread: ends the fast path. */
  close(): void {
    Atomics.store(this.integers, Integer.loanEnd, 1);
    this.wake.signal();
  }

  /** Fast path: whether it must end. */
  get isClosed(): boolean {
    return Atomics.load(this.integers, Integer.loanEnd) !== 0;
  }
}
