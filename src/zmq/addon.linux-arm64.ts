/**
 * libzmq inside the executable for linux-arm64. `addon.ts` says how this file replaces it.
 *
 * @module
 */

import addon from "zeromq/build/linux/arm64/node/glibc-127-Release/addon.node" with { type: "file" };
import { inMemory } from "./embedded.ts";

/** A shared library that exports libzmq's C API, as a path for `dlopen`. */
export function libzmqPath(): string {
  return inMemory(addon);
}
