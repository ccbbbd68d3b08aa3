/**
 * A broken version: it checks settings like the real one, but ends at once when it should run.
 *
 * @module
 */

if (process.argv[2] === "run") {
  console.error("Cannot run: this version is broken on purpose");
  process.exit(1);
}
await import("../../../src/main.ts");
