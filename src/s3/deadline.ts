/**
 * The time that a call may take.
 *
 * @module
 */

/** What every call takes. */
export interface CallOptions {
  /** Ends it early. */
  readonly signal?: AbortSignal | undefined;
  /** How long it may take as a whole, in milliseconds. Default {@link CALL_MS_MAX}. */
  readonly msMax?: number | undefined;
}

/** How long a call may take that has no other limit, in milliseconds. */
const CALL_MS_MAX = 30_000;

/** Ends a call by its {@link Deadline.signal}, when the time is over or the caller wants it. */
export class Deadline implements Disposable {
  readonly msMax: number;
  private readonly ending = new AbortController();
  private readonly timer: ReturnType<typeof setTimeout>;
  private readonly outer: AbortSignal | undefined;
  private late = false;

  constructor({ signal, msMax = CALL_MS_MAX }: CallOptions) {
    this.msMax = msMax;
    this.outer = signal;
    this.timer = setTimeout(() => {
      this.late = true;
      this.end();
    }, msMax);
    if (signal?.aborted === true) this.end();
    signal?.addEventListener("abort", this.end);
  }

  get signal(): AbortSignal {
    return this.ending.signal;
  }

  /** Whether the time is over. */
  get isLate(): boolean {
    return this.late;
  }

  /** Ends what still runs. */
  readonly end = (): void => this.ending.abort();

  [Symbol.dispose](): void {
    clearTimeout(this.timer);
    this.outer?.removeEventListener("abort", this.end);
  }
}
