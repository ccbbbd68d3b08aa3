/**
 * A data directory for parts of the hub that run without one.
 *
 * @module
 */

import { DataDirectory } from "../../../src/store/data-directory.ts";
import { createShared, type Shared } from "../../../src/shared/memory.ts";

/** The directory at a path, as the hub has it that was started there. */
export function dataDirectoryAt(path: string, shared: Shared = createShared(1)): DataDirectory {
  const data = new DataDirectory(path, shared);
  data.adopt();
  return data;
}
