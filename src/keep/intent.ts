/**
 * A note of the deletion that is under way. If the hub dies meanwhile, the next round finds it, and
 * the event log still tells why images are gone.
 *
 * @module
 */

import { z } from "zod";
import type { Folder } from "../os/folder.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { openOwn, writeIn } from "../store/own-folder.ts";
import { REASONS } from "../catalog/record.ts";

const FILE = "pruning.json";

const intentSchema = z.object({
  reason: z.enum(REASONS),
  from: z.string().regex(/^\d{4}-\d{2}-\d{2}$/),
  to: z.string().regex(/^\d{4}-\d{2}-\d{2}$/),
});

/** What is about to be deleted: images of some days, for a reason. */
export type Intent = z.output<typeof intentSchema>;

/**
 * The note of one data directory. It lists what is not told yet. Its folder is held open, so the
 * note stays in the directory that it tells of, whatever is at the path by then.
 */
export class IntentNote implements Disposable {
  private own: Folder | undefined;

  /** @param check whether the data directory is still the right one; throws if not */
  constructor(
    private readonly directory: DataDirectory,
    private readonly check: () => void,
  ) {}

  /** The deletions that were interrupted, or could not be told. */
  read(): Intent[] {
    try {
      const text = new TextDecoder().decode(this.folder().read(FILE));
      return z.array(intentSchema).safeParse(JSON.parse(text)).data ?? [];
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
      const own = this.folder();
      if (intents.length === 0) own.unlink(FILE);
      else writeIn(own, this.directory, FILE, JSON.stringify(intents), true);
    } catch {
      // See above.
    }
  }

  /** @throws {DataDirectoryGone}, {SystemError} and {Error} of node:fs */
  private folder(): Folder {
    if (this.own !== undefined) return this.own;
    const own = openOwn(this.directory);
    try {
      // What was opened before is in the right place.
      this.check();
    } catch (error) {
      own[Symbol.dispose]();
      throw error;
    }
    return (this.own = own);
  }

  [Symbol.dispose](): void {
    this.own?.[Symbol.dispose]();
    this.own = undefined;
  }
}
