/**
 * A broken version: it starts and reports to systemd that it is ready, but does not listen where
 * the settings say.
 *
 * @module
 */

if (process.argv[2] === "run") {
  process.env["IMAGEHUB_PORT"] = "5999";
  process.env["IMAGEHUB_HTTP_LISTEN"] = "127.0.0.1:8999";
}
await import("../../../src/main.ts");
