/**
 * Temporary directories for a single test.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A directory that is removed at the end of its scope. */
export interface TempDir extends Disposable {
  readonly path: string;
}

/** Makes an empty directory in the system's directory for temporary files. */
export function tempDir(): TempDir {
  const path = mkdtempSync(join(tmpdir(), "imagehub-test-"));
  return {
    path,
    [Symbol.dispose]: () => {
      rmSync(path, { recursive: true, force: true });
    },
  };
}
