/**
 * The errors that callers tell apart, and the exit status of each.
 *
 * @module
 */

/**
 * Exit statuses of the program. The values above 63 are those of sysexits.h, which systemd prints
 * by name. `docs/OPERATION.md` lists them.
 */
export const EXIT = {
  /** All went well; after SIGTERM or Ctrl-C: everything received was answered. */
  ok: 0,
  /** A failure without a status of its own; `status`: the hub is not healthy. */
  failure: 1,
  /** The command line is wrong (EX_USAGE). */
  usage: 64,
  /** The address is in use, not of this machine, or not allowed (EX_UNAVAILABLE). */
  bind: 69,
  /** The data directory cannot be made or written (EX_CANTCREAT). */
  data: 73,
  /** `send`, `status`: no hub answered in time (EX_TEMPFAIL). */
  unanswered: 75,
  /**
   * `send`: the hub did not answer OK; `status`: it did not answer with its status (EX_PROTOCOL).
   */
  refused: 76,
  /** `service`: only root may do this (EX_NOPERM). */
  permission: 77,
  /** The settings are wrong (EX_CONFIG). */
  config: 78,
} as const;

/** One of the values of {@link EXIT}. */
export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** Ends the program with a message for a person, without a stack trace. */
export class FatalError extends Error {
  override readonly name = "FatalError";
  /** The exit status of the process. */
  readonly status: ExitStatus;

  constructor(status: ExitStatus, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** The message of an error; anything else that was thrown, as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
