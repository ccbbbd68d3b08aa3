/**
 * When the receiver lends its socket to the fast path (`shared/loan.ts`), and when it wants it
 * back.
 *
 * Handing a request to another thread and back costs as much as storing it, so the socket is lent
 * while all is as usual. A write that takes long, a large image or a sender that sends ahead ends
 * that for a second: then the writers share the work, and no request waits for another.
 *
 * @module
 */

import { CHORES_MS, FAST_BATCH, SLOW_MS } from "../limits.ts";
import type { Loan } from "../shared/loan.ts";

/** How long everything must have been as usual before the socket is lent, in milliseconds. */
const LEND_AFTER_MS = 1000;

/**
 * How many requests that are not for the fast path may come between two calls of {@link
 * Lending.review}. More are unusual.
 */
const HANDOVERS_MAX = 20;

/** How long after a request the receiver checks the fast path by itself, in milliseconds. */
const WATCH_MS = 2 * CHORES_MS;

/** The receiver's end of the loan. */
export class Lending {
  private isOnLoan = false;
  /** Since when the socket is waiting to be lent: nothing is received until nothing is in hand. */
  private waitingSinceMs: number | undefined;
  private handovers = 0;
  private unusualMs = Number.NEGATIVE_INFINITY;

  /**
   * @param isAllowed whether requests are answered as soon as they are stored (`ack: stored`). With
   * other levels, a request is answered earlier, or waits for the disk each time
   */
  constructor(
    private readonly loan: Loan,
    private readonly isAllowed: boolean,
  ) {}

  /** Whether the fast path has the socket, or has just given it back. */
  get isLent(): boolean {
    return this.isOnLoan;
  }

  /** Whether the fast path has given the socket back, so it must be reclaimed. */
  get isReturned(): boolean {
    return this.isOnLoan && !this.loan.isOut;
  }

  /** Whether the receiver receives: the socket is not lent, and is not waiting to be. */
  get isReceiving(): boolean {
    return !this.isOnLoan && this.waitingSinceMs === undefined;
  }

  get isWaiting(): boolean {
    return this.waitingSinceMs !== undefined;
  }

  /** Something was not for the fast path: the socket stays here for a while. */
  sawUnusual(nowMs: number): void {
    this.unusualMs = Math.max(this.unusualMs, nowMs);
  }

  /**
   * Lends the socket if all is as usual, as soon as nothing is in hand.
   *
   * @param inHand requests that need the socket for their replies
   */
  offer(nowMs: number, inHand: number): void {
    const isUsual = nowMs - this.unusualMs >= LEND_AFTER_MS;
    if (!isUsual || !this.isAllowed || !this.loan.isReady) return;
    if (inHand > 0) {
      this.waitingSinceMs = nowMs;
      return;
    }
    this.isOnLoan = true;
    this.loan.lend();
  }

  /** Call it after an answer: perhaps nothing is in hand any more. */
  offerWaiting(inHand: number): void {
    if (this.waitingSinceMs === undefined || inHand > 0) return;
    this.waitingSinceMs = undefined;
    this.offer(performance.now(), inHand);
  }

  /** The socket is no longer waiting to be lent. */
  stopWaiting(): void {
    this.waitingSinceMs = undefined;
  }

  /** Ends the loan. From now on, the receiver must answer what the fast path has not. */
  reclaim(): void {
    this.loan.reclaim();
    this.isOnLoan = false;
  }

  /**
   * Lends the socket again at once if it came back only for a heartbeat or the like.
   *
   * @param leftOver requests that the fast path received and left to the receiver
   */
  reclaimed(nowMs: number, leftOver: number, inHand: number): void {
    const isUsual = leftOver > 0 && leftOver < FAST_BATCH && ++this.handovers <= HANDOVERS_MAX;
    if (isUsual) this.offer(nowMs, inHand);
    else this.sawUnusual(nowMs);
  }

  /**
   * Call it with the receiver's chores. The socket waits to be lent until the next ones.
   *
   * @param heldMs how long the fast path has had its request in hand
   * @returns whether the socket must be reclaimed
   */
  review(nowMs: number, heldMs: number, inHand: number): boolean {
    this.handovers = 0;
    if (this.isOnLoan) return heldMs >= SLOW_MS;
    if (this.waitingSinceMs !== undefined) return nowMs - this.waitingSinceMs >= CHORES_MS;
    this.offer(nowMs, inHand);
    return false;
  }

  /**
   * Whether the receiver checks the fast path, so that it cannot keep the socket for long while the
   * disk stalls.
   *
   * @param receivedMs when the last request was received
   */
  isWatching(nowMs: number, receivedMs: number): boolean {
    return this.isOnLoan && (this.loan.inHand >= 0 || nowMs - receivedMs < WATCH_MS);
  }

  /**
   * Before a sleep: tells the fast path whether the receiver checks it. If not, the fast path calls
   * when a request arrives.
   *
   * @returns whether it has a request in hand, or has given the socket back
   */
  setWatched(isWatched: boolean): boolean {
    this.loan.isWatched = isWatched;
    // In this order: the fast path first takes a request in hand, and later answers it.
    return !this.loan.isOut || (!isWatched && this.loan.inHand >= 0);
  }
}
