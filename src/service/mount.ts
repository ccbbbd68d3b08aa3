/**
 * Where the file system is mounted that a path is on.
 *
 * @module
 */

import { statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * @param path absolute; its end may not be there yet
 * @returns undefined where that is the root
 */
export function mountPointOf(path: string): string | undefined {
  let point = path;
  while (deviceOf(point) === undefined && point !== "/") point = dirname(point);
  const device = deviceOf(point);
  while (point !== "/" && deviceOf(dirname(point)) === device) point = dirname(point);
  return point === "/" ? undefined : point;
}

function deviceOf(path: string): number | undefined {
  try {
    return statSync(path).dev;
  } catch {
    return undefined;
  }
}
