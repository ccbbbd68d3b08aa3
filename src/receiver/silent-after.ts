/**
 * After how long a node counts as silent.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { patternOf } from "../keep/rules.ts";
import { imageName } from "../protocol/names.ts";

/** @returns for the name of a node: `silent_after` of its entry in `cameras`, in minutes, if any */
export function silentAfterIn(cameras: Settings["cameras"]): (node: string) => number | undefined {
  const entries = cameras.map(({ match, silent_after: minutes }) => ({
    pattern: patternOf(match),
    minutes,
  }));
  return (node) => {
    // Patterns are for names of files, as those of keep.cameras.
    const file = imageName(node);
    return entries.find(({ pattern }) => pattern.test(file))?.minutes;
  };
}
