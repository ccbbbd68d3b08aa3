/**
 * The line in the event log that tells what was deleted and why. `imagehub days` reads it back. It
 * has no `|`, so readers of events skip it, as they do other lines of the hub.
 *
 * @module
 */

import { counted, size } from "../log/amounts.ts";
/** Why something is deleted, by the name of its setting. */
export const REASONS = [
  "days",
  "event_days",
  "max_bytes",
  "min_free",
  "cameras.days",
  "cameras.max_bytes",
] as const;

/** One of {@link REASONS}. */
export type Reason = (typeof REASONS)[number];

/** What one run has deleted for one reason. */
export interface PruneRecord {
  readonly reason: Reason;
  /** Images, or event logs. */
  readonly count: number;
  readonly bytes: number;
  /** How many days are concerned, and the first and the last. */
  readonly days: number;
  readonly from: string;
  readonly to: string;
  /**
   * Up to when images of the last day are gone, such as `14:00`; undefined if up to its end. Images
   * that may not be deleted, such as protected ones, stay.
   */
  readonly until?: string | undefined;
  /** The cameras concerned: a name, or how many; undefined for all. */
  readonly cameras?: string | undefined;
}

/** Such as `Pruned 1 day, 3,211 images, 512.0 MB: min_free (2026-11-20)`. */
export function formatRecord(record: PruneRecord): string {
  const { reason, count, bytes, days, from, to, until, cameras } = record;
  const what =
    reason === "event_days"
      ? counted(count, "event log")
      : `${counted(days, "day")}, ${counted(count, "image")}`;
  const place = [
    from === to ? from : `${from} to ${to}`,
    ...(until === undefined ? [] : [`until ${until}`]),
    ...(cameras === undefined ? [] : [`of ${cameras}`]),
  ].join(" ");
  return `Pruned ${what}, ${size(bytes)}: ${reason} (${place})`;
}

/** The line for a deletion whose count is lost. Such as `Pruned by a run that … (2026-11-20)`. */
export function formatInterrupted({
  reason,
  from,
  to,
}: Pick<PruneRecord, "reason" | "from" | "to">): string {
  const place = from === to ? from : `${from} to ${to}`;
  return `Pruned by a run that was interrupted: ${reason} (${place})`;
}

/** The units of {@link size}. */
const UNITS = { bytes: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 } as const;

const FORM =
  /^Pruned (?:([\d,]+) days?, )?([\d,]+) (?:images?|event logs?), ([\d.]+) (bytes|kB|MB|GB|TB): ([\w.]+) \((\d{4}-\d{2}-\d{2})(?: to (\d{4}-\d{2}-\d{2}))?(?: until (\d{2}:00))?(?: of (.+))?\)$/;

const INTERRUPTED =
  /^Pruned by a run that was interrupted: ([\w.]+) \((\d{4}-\d{2}-\d{2})(?: to (\d{4}-\d{2}-\d{2}))?\)$/;

/**
 * Reads the text of a line. Bytes are as exact as the line is; a run that was interrupted has no
 * counts.
 *
 * @returns undefined if it is none
 */
export function parseRecord(text: string): PruneRecord | undefined {
  const [interrupted, cause, first, last] = INTERRUPTED.exec(text) ?? [];
  if (interrupted !== undefined) {
    const reason = reasonOf(cause);
    return reason && { reason, count: 0, bytes: 0, days: 0, from: first!, to: last ?? first! };
  }
  const [whole, days, count, amount, unit, reason, from, to, until, cameras] =
    FORM.exec(text) ?? [];
  const known = reasonOf(reason);
  if (whole === undefined || known === undefined) return undefined;
  return {
    reason: known,
    count: numberIn(count),
    bytes: Math.round(Number(amount) * UNITS[unit as keyof typeof UNITS]),
    days: numberIn(days),
    from: from!,
    to: to ?? from!,
    until,
    cameras,
  };
}

function reasonOf(name: string | undefined): Reason | undefined {
  return REASONS.find((each) => each === name);
}

function numberIn(text = "0"): number {
  return Number(text.replaceAll(",", ""));
}
