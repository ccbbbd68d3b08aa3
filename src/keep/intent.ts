/**
 * A note of the deletion that is under way. If the hub dies meanwhile, the next round finds it, and
 * the event log still tells why images are gone.
 *
 * @module
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { DataDirectory } from "../store/data-directory.ts";
import { REASONS } from "../catalog/record.ts";

const intentSchema = z.object({
  reason: z.enum(REASONS),
  from: z.string().regex(/^\d{4}-\d{2}-\d{2}$/),
  to: z.string().regex(/^\d{4}-\d{2}-\d{2}$/),
});

/** What is about to be deleted: images of some days, for a reason. */
export type Intent = z.output<typeof intentSchema>;

/** The note of one data directory. */
export class IntentNote {
  private readonly path: string;

  constructor(private readonly directory: DataDirectory) {
    this.path = `${directory.own}/pruning.json`;
  }

  /** The deletion that was interrupted, if one was. */
  read(): Intent | undefined {
    try {
      return intentSchema.safeParse(JSON.parse(readFileSync(this.path, "utf8"))).data;
    } catch {
      return undefined;
    }
  }

  /** On a full disk there is no note. That must not keep it from being emptied. */
  write(intent: Intent): void {
    try {
      mkdirSync(this.directory.own, { recursive: true });
      writeFileSync(this.path, JSON.stringify(intent));
    } catch {
      // See above.
    }
  }

  clear(): void {
    rmSync(this.path, { force: true });
  }
}
