/**
 * All fuzzers, by name.
 *
 * @module
 */

import { framesTarget } from "./frames.ts";
import { namesTarget } from "./names.ts";
import type { FuzzTarget } from "./target.ts";
import { textsTarget } from "./texts.ts";
import { yamlTarget } from "./yaml.ts";

/** In the order of running. Those named after an architecture need its executable in `dist`. */
export const TARGETS: readonly FuzzTarget[] = [
  textsTarget,
  namesTarget,
  yamlTarget,
  framesTarget("source"),
  framesTarget("x64"),
  framesTarget("arm64"),
];
