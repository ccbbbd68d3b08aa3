/**
 * A broken version: it checks settings as the real one does, and ends as soon as it is to run.
 *
 * @module
 */

if (process.argv[2] === "run") {
  console.error("Cannot run: this version is broken on purpose");
  process.exit(1);
}
await import("../../../src/main.ts");
