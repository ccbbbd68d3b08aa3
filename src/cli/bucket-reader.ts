/**
 * What the commands have in common that read a hub's folder in the bucket.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { EXIT, FatalError } from "../errors.ts";
import { escape } from "../log/fields.ts";
import { Inventory } from "../replicate/inventory.ts";
import { Reader } from "../replicate/reader.ts";
import type { Target } from "../s3/target.ts";
import type { Interruption } from "./archive-work.ts";
import type { Progress } from "./progress.ts";

/** What is needed to read a folder. */
export interface ReaderParts {
  readonly target: Target;
  readonly replicate: Settings["replicate"];
  /** Of the folder. */
  readonly name: string;
  readonly interruption: Interruption;
  readonly progress: Progress;
}

/** Reads a folder until Ctrl-C, and tells on stderr why it waits. */
export function readerFor({
  target,
  replicate,
  name,
  interruption,
  progress,
}: ReaderParts): Reader {
  return new Reader(target, replicate, name, {
    signal: interruption.signal,
    onTrouble: (message) => {
      progress.end();
      process.stderr.write(`${escape(message)}; trying again\n`);
    },
  });
}

/** Lists a folder. Rejects with a `StoreError`, or a {@link FatalError} if nothing is in it. */
export async function inventoryOf(reader: Reader): Promise<Inventory> {
  const inventory = await Inventory.of(reader);
  if (inventory.dates.length > 0) return inventory;
  const { prefixes } = await reader.list({ prefix: "", delimiter: "/" });
  const others = prefixes.length === 0 ? "" : `; it has ${prefixes.join(", ")}`;
  const { bucket } = reader.bucket.target;
  throw new FatalError(
    EXIT.failure,
    escape(`The bucket ${bucket} has no days in ${reader.keys.of("")}${others}`),
  );
}
