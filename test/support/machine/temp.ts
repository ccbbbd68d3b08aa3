/**
 * Directories that belong to one test.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A directory that is gone when its scope is left. */
export interface TempDir extends Disposable {
  readonly path: string;
}

/** Makes an empty directory under the system's one for temporary files. */
export function tempDir(): TempDir {
  const path = mkdtempSync(join(tmpdir(), "imagehub-test-"));
  return {
    path,
    [Symbol.dispose]: () => {
      rmSync(path, { recursive: true, force: true });
    },
  };
}
