/**
 * Directories and ports that belong to one test.
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

/**
 * A TCP port of 127.0.0.1 that was free a moment ago. The system hands such ports out in turn, so that it does not give
 * the same one again at once.
 */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const { port } = listener;
  listener.stop(true);
  return port;
}
