/**
 * Finds libzmq when the hub runs from source: in the `zeromq` package, whose prebuilt addons export
 * libzmq's whole C API. In the executables, `addon.linux-arm64.ts` or `addon.linux-x64.ts` replaces
 * this file (the conditions of `#libzmq` in package.json). They contain the addon.
 *
 * @module
 */

import { dirname, join } from "node:path";

/** A shared library that exports libzmq's C API, as a path for `dlopen`. */
export function libzmqPath(): string {
  const folder = dirname(require.resolve("zeromq/package.json"));
  return join(
    folder,
    "build",
    process.platform,
    process.arch,
    "node",
    "glibc-127-Release",
    "addon.node",
  );
}
