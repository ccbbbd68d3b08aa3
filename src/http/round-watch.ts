/**
 * Watches the rounds of a thread from the main thread.
 *
 * @module
 */

/** How long a round may say nothing until its disk counts as one that does not respond. */
const SILENT_MS_MAX = 60_000;

/** The round that runs, if one does. */
export class RoundWatch {
  /** When it was last heard; by `performance.now`, in milliseconds. */
  private heardMs: number | undefined;

  /** A round begins, or is alive. */
  heard(): void {
    this.heardMs = performance.now();
  }

  /** The round is over. */
  end(): void {
    this.heardMs = undefined;
  }

  /** Whether a round runs. */
  get isBusy(): boolean {
    return this.heardMs !== undefined;
  }

  /** Whether a round runs and has said nothing for too long. */
  get isSilent(): boolean {
    return this.heardMs !== undefined && performance.now() - this.heardMs > SILENT_MS_MAX;
  }
}
