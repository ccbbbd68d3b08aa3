/**
 * Wakes those who wait for something to change.
 *
 * @module
 */

/** Those who wait look for themselves what has changed. */
export class Bell {
  private next = Promise.withResolvers<void>();

  /** Wakes all who wait. */
  ring(): void {
    const { resolve } = this.next;
    this.next = Promise.withResolvers<void>();
    resolve();
  }

  /** Resolves when it rings next. */
  get rung(): Promise<void> {
    return this.next.promise;
  }

  /** Resolves when it rings next, or after so many milliseconds. */
  async within(ms: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, Math.max(0, ms));
    try {
      await Promise.race([this.rung, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
