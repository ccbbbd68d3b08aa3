/**
 * A note of the deletion that is under way. If the hub dies meanwhile, the next round finds it, and
 * the event log still tells why images are gone.
 *
 * @module
 */

import { readFileSync, rmSync } from "node:fs";
import { z } from "zod";
import type { DataDirectory } from "../store/data-directory.ts";
import { writeOwn } from "../store/own-folder.ts";
import { REASONS } from "../catalog/record.ts";

const FILE = "pruning.json";

const intentSchema = z.object({
  reason: z.enum(REASONS),
  from: z.string().regex(/^\d{4}-\d{2}-\d{2}$/),
  to: z.string().regex(/^\d{4}-\d{2}-\d{2}$/),
});

/** What is about to be deleted: images of some days, for a reason. */
export type Intent = z.output<typeof intentSchema>;

/** The note of one data directory. It lists what is not told yet. */
export class IntentNote {
  private readonly path: string;

  constructor(private readonly directory: DataDirectory) {
    this.path = `${directory.own}/${FILE}`;
  }

  /** The deletions that were interrupted, or could not be told. */
  read(): Intent[] {
    try {
      const noted = z.array(intentSchema).safeParse(JSON.parse(readFileSync(this.path, "utf8")));
      return noted.data ?? [];
    } catch {
      return [];
    }
  }

  /**
   * Writes the note, so that it is on the disk before anything is deleted. On a full disk there is
   * no note. That must not keep it from being emptied.
   */
  write(intents: readonly Intent[]): void {
    try {
      if (intents.length === 0) return rmSync(this.path, { force: true });
      writeOwn(this.directory, FILE, JSON.stringify(intents), true);
    } catch {
      // See above.
    }
  }
}
