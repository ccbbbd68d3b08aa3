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
import { RECEIVER_THREAD, type Shared } from "./memory.ts";
import { type StoringThread, StoringThreads } from "./storing-threads.ts";

/** Asks the threads of one hub. */
export class Liveness {
  private readonly storing: StoringThreads;

  constructor(
    shared: Shared,
    private readonly queue: RequestQueue,
    writers: number,
    private readonly loan: Loan,
  ) {
    this.storing = new StoringThreads(shared, writers);
  }

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
    const { writers, fastPath } = this.storing;
    const isSilent = (thread: StoringThread): boolean =>
      !this.queue.hasTurned(thread.number, question) && thread.inHand < 0;
    return [
      ...(this.queue.hasTurned(RECEIVER_THREAD, question) ? [] : ["receiver"]),
      ...writers.filter(isSilent).map(({ number }) => `writer ${number}`),
      ...(this.loan.isReady && isSilent(fastPath) ? ["fast path"] : []),
    ];
  }
}
