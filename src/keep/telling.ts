/**
 * Tells the event log what a round deletes, also if the round dies or the log takes nothing: a note
 * of it is made before.
 *
 * @module
 */

import {
  camerasInWords,
  formatInterrupted,
  formatRecord,
  type PruneRecord,
  rangesOf,
} from "../catalog/record.ts";
import { messageOf } from "../errors.ts";
import { Part } from "../store/data-directory.ts";
import { type Intent, IntentNote } from "./intent.ts";
import type { Pruned } from "./prune.ts";
import type { RoundParts } from "./round.ts";

/** The telling of one round. */
export class Telling implements Disposable {
  /** What the round has deleted. */
  readonly pruned: PruneRecord[] = [];
  private readonly note: IntentNote;
  /** Deletions that no line tells of yet. */
  private untold: Intent[];

  constructor(
    private readonly parts: Pick<RoundParts, "directory" | "check" | "isRehearsal" | "appendEvent">,
    private readonly onFailure: (message: string) => void,
  ) {
    this.note = new IntentNote(parts.directory, () => parts.check(Part.images));
    this.untold = parts.isRehearsal ? [] : this.note.read();
  }

  /** Something is about to be deleted. */
  begin(intent: Intent): void {
    if (this.parts.isRehearsal) return;
    this.untold.push(intent);
    this.note.write(this.untold);
  }

  /** Tells what was deleted. If the event log takes nothing, the note stays for a later round. */
  finish(record: PruneRecord | undefined): void {
    if (record !== undefined) this.pruned.push(record);
    if (this.parts.isRehearsal) return;
    if (record !== undefined && !this.append(formatRecord(record))) return;
    this.untold.pop();
    this.note.write(this.untold);
  }

  /** Tells of deletions that were begun before and are not told. */
  tellEarlier(): void {
    if (this.untold.length === 0) return;
    this.untold = this.untold.filter((intent) => !this.append(formatInterrupted(intent)));
    this.note.write(this.untold);
  }

  [Symbol.dispose](): void {
    this.note[Symbol.dispose]();
  }

  /** @returns whether the event log has the line. Deleting goes on without it */
  private append(text: string): boolean {
    try {
      this.parts.appendEvent(text);
      return true;
    } catch (error) {
      this.onFailure(`Cannot tell the event log what was deleted: ${messageOf(error)}`);
      return false;
    }
  }
}

/** What a deletion has removed, as its line tells it; undefined if that is nothing. */
export function recordOf({ reason, images, bytes, days }: Pruned): PruneRecord | undefined {
  if (days.length === 0) return undefined;
  const cameras = [...new Set(days.flatMap((day) => day.cameras ?? []))].toSorted();
  return {
    reason,
    count: images,
    bytes,
    days: days.length,
    ranges: rangesOf(days.map(({ date }) => date)),
    until: days.at(-1)?.until,
    ...(cameras.length > 0 && { cameras: camerasInWords(cameras) }),
  };
}
