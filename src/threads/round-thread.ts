/**
 * A thread that does something in rounds, such as deleting or archiving. One round runs at a time.
 *
 * @module
 */

import type { RoundWatch } from "../http/round-watch.ts";
import type { Reminder } from "../log/reminder.ts";

/** What such a thread needs. */
export interface RoundThreadParts<Answer> {
  readonly name: string;
  readonly entry: URL;
  readonly log: Pick<Reminder, "warn">;
  /** Is told of each round. */
  readonly watch: RoundWatch;
  readonly onMessage: (message: Answer) => void;
  /** The thread has ended. The next round starts another one. */
  readonly onDeath: () => void;
  /** A round is over, or its thread is. */
  readonly onEnd: () => void;
}

/**
 * The thread, seen from the main thread. It starts with the first round, and stays until the
 * process ends: in Bun 1.4.5, a worker that ends itself under load sometimes hangs in its end, and
 * tells nobody.
 */
export class RoundThread<Order, Answer> {
  private worker: Worker | undefined;

  constructor(private readonly parts: RoundThreadParts<Answer>) {}

  /** Begins a round. None may run. */
  begin(order: Order): void {
    this.parts.watch.heard();
    this.worker ??= this.makeWorker();
    this.worker.postMessage(order);
  }

  /** Tells the round that runs something. */
  tell(order: Order): void {
    this.worker?.postMessage(order);
  }

  /** The round has said that it is over. */
  end(): void {
    this.parts.watch.end();
    this.parts.onEnd();
  }

  private makeWorker(): Worker {
    const { name, entry, log, watch, onMessage } = this.parts;
    const worker = new Worker(entry, { smol: true, name });
    worker.onmessage = ({ data: message }: MessageEvent<Answer>) => {
      watch.heard();
      onMessage(message);
    };
    worker.onerror = ({ message }) => log.warn(`The ${name} has failed: ${message.trim()}`);
    worker.addEventListener("close", () => {
      this.worker = undefined;
      this.parts.onDeath();
      this.end();
    });
    return worker;
  }
}
