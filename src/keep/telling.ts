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
import type { Pruned, PrunedDay } from "./prune.ts";
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
  finish(records: readonly PruneRecord[]): void {
    this.pruned.push(...records);
    if (this.parts.isRehearsal) return;
    const areTold = records.map((record) => this.append(formatRecord(record)));
    if (areTold.includes(false)) return;
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

/**
 * What a deletion has removed, as lines tell it: one for each group of cameras. What a line says is
 * true of each of its days, so only its last one may have lost a part of its hours.
 */
export function recordsOf({ reason, days }: Pick<Pruned, "reason" | "days">): PruneRecord[] {
  const groups: PrunedDay[][] = [];
  const open = new Map<string | undefined, PrunedDay[]>();
  for (const day of days) {
    const cameras = day.cameras && camerasInWords(day.cameras);
    let group = open.get(cameras);
    if (group === undefined) {
      group = [];
      groups.push(group);
      open.set(cameras, group);
    }
    group.push(day);
    if (day.until !== undefined) open.delete(cameras);
  }
  return groups.map((group) => ({
    reason,
    count: group.reduce((sum, { images }) => sum + images, 0),
    bytes: group.reduce((sum, { bytes }) => sum + bytes, 0),
    days: group.length,
    ranges: rangesOf(group.map(({ date }) => date)),
    until: group.at(-1)?.until,
    cameras: group[0]?.cameras && camerasInWords(group[0].cameras),
  }));
}
