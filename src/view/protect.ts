/**
 * Protects images from the page, as `imagehub protect` does.
 *
 * @module
 */

import { Protection } from "../keep/protect.ts";
import { selectionsOf } from "../keep/selection.ts";
import { parseImageFileName } from "../protocol/names.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { WorkLock } from "../store/work-lock.ts";
import { Refused } from "./query.ts";

/** What became of it. */
export interface Protected {
  readonly changed: number;
  readonly problems: readonly string[];
}

/**
 * Protects images, or does so no more.
 *
 * @throws {Refused}
 * @throws {SystemError} and {Error} of node:fs
 */
export function protect(
  directory: DataDirectory,
  images: readonly (readonly [date: string, name: string])[],
  isProtect: boolean,
): Protected {
  const wrong = images.find(([date, name]) => parseImageFileName(name, date) === undefined);
  if (wrong !== undefined)
    throw new Refused(400, `${wrong[1]} is not the name of an image of ${wrong[0]}`);
  const selections = selectionsOf(images.map(([, name]) => name));
  if (typeof selections === "string") throw new Refused(400, `${selections} is no image`);
  using lock = WorkLock.tryToTake(directory, "protect");
  if (lock === undefined) throw new Refused(503, "Somebody else protects images at the moment");
  const protection = new Protection(directory);
  const result = isProtect ? protection.protect(selections) : protection.unprotect(selections);
  return { changed: result.done.images, problems: result.problems };
}
