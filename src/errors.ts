/**
 * The errors that a caller tells apart, and the exit status each ends the program with.
 *
 * @module
 */

/**
 * Exit statuses of the program. The values above 63 are those of sysexits.h, which systemd prints
 * by name. The README lists them.
 */
export const EXIT = {
  /** All went well; a stop by SIGTERM or Ctrl-C that answered all it had taken. */
  ok: 0,
  /** Something failed that has no status of its own; `status`: the hub is not healthy. */
  failure: 1,
  /** The command line is wrong (EX_USAGE). */
  usage: 64,
  /** The address is in use, not of this machine, or not allowed (EX_UNAVAILABLE). */
  bind: 69,
  /** The data directory cannot be made or written (EX_CANTCREAT). */
  data: 73,
  /** `send`, `status`: no hub answered in time (EX_TEMPFAIL). */
  unanswered: 75,
  /** `send`: the hub answered, and not with OK; `status`: not with its status (EX_PROTOCOL). */
  refused: 76,
  /** `service`: only root may do that (EX_NOPERM). */
  permission: 77,
  /** The settings are wrong (EX_CONFIG). */
  config: 78,
} as const;

/** One of the values of {@link EXIT}. */
export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** Ends the program with a message for a person, without a stack trace. */
export class FatalError extends Error {
  override readonly name = "FatalError";
  /** What the process exits with. */
  readonly status: ExitStatus;

  constructor(status: ExitStatus, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/**
 * What is wrong, in words: of an error its message, and of anything else that was thrown its text.
 */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
