/**
 * A data directory for parts of the hub that run without one.
 *
 * @module
 */

import { DataDirectory } from "../../../src/store/data-directory.ts";
import { DataGuard } from "../../../src/store/data-guard.ts";
import { createShared, type Shared } from "../../../src/shared/memory.ts";

/** The guard of the directory at a path, as the hub has it that was started there. */
export function guardAt(path: string, shared: Shared = createShared(1)): DataGuard {
  const guard = new DataGuard(new DataDirectory(path), shared);
  guard.adopt();
  return guard;
}
