/**
 * Checks whether the hub's threads respond. The receiver, the fast path and the writers are asked a
 * question, and answer it in their loops.
 *
 * A thread that is storing a slot counts as responding, however long that takes. It waits for the
 * disk. Ending the hub for that would not help, and would leave senders without replies. The log
 * and the hub's health show it instead.
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

  /** Asks all threads, without waiting. @returns the number of the question */
  ask(): number {
    const question = this.queue.ask();
    this.loan.call();
    return question;
  }

  /**
   * The threads that have not answered a question yet, e.g. `["receiver", "writer 1"]`. An answer
   * also counts for all earlier questions.
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
