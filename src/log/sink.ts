/**
 * The output of the log: a stream that is written without waiting, and whose reader may vanish.
 *
 * @module
 */

/** process.stdout and process.stderr, or any other stream. */
export type LogStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly fd?: number };

/** Maximum characters that wait for a slow reader. Further lines are dropped and counted. */
const WAITING_CHARS_MAX = 1024 * 1024;

/** Writes lines to a stream without waiting, and survives the loss of its reader. */
export class Sink {
  readonly #stream: LogStream;
  readonly #waiters = new Set<() => void>();
  #waitingChars = 0;
  #dropped = 0;
  #isBroken = false;

  constructor(stream: LogStream) {
    this.#stream = stream;
    // Without a listener the error would end the process.
    stream.on("error", (error) => {
      // A reader that is gone does not come back, but a full disk may get room again.
      this.#isBroken ||= "code" in error && error.code === "EPIPE";
    });
  }

  /** Number of dropped lines since the last call; 0 until there is room again. */
  clearDropped(): number {
    const dropped = this.#isFull ? 0 : this.#dropped;
    this.#dropped -= dropped;
    return dropped;
  }

  write(line: string): void {
    if (this.#isBroken) return;
    if (this.#isFull) {
      this.#dropped++;
      return;
    }
    const text = `${line}\n`;
    this.#waitingChars += text.length;
    try {
      this.#stream.write(text, () => this.#written(text.length));
    } catch {
      this.#isBroken = true;
      this.#written(text.length);
    }
  }

  async flush(waitMsMax: number): Promise<void> {
    if (this.#waitingChars === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.add(resolve);
    const timer = setTimeout(resolve, waitMsMax);
    await promise;
    clearTimeout(timer);
    this.#waiters.delete(resolve);
  }

  get #isFull(): boolean {
    return this.#waitingChars > WAITING_CHARS_MAX;
  }

  #written(chars: number): void {
    this.#waitingChars -= chars;
    if (this.#waitingChars > 0) return;
    for (const wake of this.#waiters) wake();
  }
}

/** One sink per stream, shared by all logs that write to it: it has one listener and one limit. */
const sinks = new WeakMap<LogStream, Sink>();

/** The sink of a stream. */
export function sinkOf(stream: LogStream): Sink {
  const sink = sinks.get(stream) ?? new Sink(stream);
  sinks.set(stream, sink);
  return sink;
}
