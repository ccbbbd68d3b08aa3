/**
 * Whether the threads of the hub turn: the receiver, the fast path and the writers are asked, and
 * answer by going round their loops.
 *
 * A thread that has a slot in hand to store counts as turning, however long it takes. What holds it
 * up is the disk, and to end the hub for that would heal nothing and leave the senders without a
 * reply; the log and the health of the hub show it instead.
 *
 * @module
 */

import type { Loan } from "./loan.ts";
import type { RequestQueue } from "./queue.ts";
import { Integer, RECEIVER_THREAD, type Shared } from "./memory.ts";

/** Asks the threads of one hub. */
export class Liveness {
  constructor(
    private readonly shared: Shared,
    private readonly queue: RequestQueue,
    private readonly writers: number,
    private readonly loan: Loan,
  ) {}

  /** Asks all threads; none is waited for. @returns the number of the question */
  ask(): number {
    const question = this.queue.ask();
    this.loan.call();
    return question;
  }

  /**
   * Which threads have not answered a question yet, e.g. `["receiver", "writer 1"]`. An answer
   * counts for all before it.
   */
  silent(question: number): string[] {
    const { integers } = this.shared;
    const isSilent = (thread: number): boolean =>
      ((Atomics.load(integers, Integer.turned + thread) - question) | 0) < 0;
    const isSilentWriter = (writer: number): boolean =>
      isSilent(writer) && Atomics.load(integers, Integer.inHand + writer) === 0;
    const writers = Array.from({ length: this.writers }, (_, writer) => writer).filter(
      isSilentWriter,
    );
    // It has the number behind theirs, where there is one.
    const hasFastPath = Atomics.load(integers, Integer.loanReady) !== 0;
    return [
      ...(isSilent(RECEIVER_THREAD) ? ["receiver"] : []),
      ...writers.map((writer) => `writer ${writer}`),
      ...(hasFastPath && isSilentWriter(this.writers) ? ["fast path"] : []),
    ];
  }
}
