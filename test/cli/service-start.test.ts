import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { problemOf } from "../../src/cli/service-start.ts";
import { statusAt } from "../support/hub/status.ts";
import { defaultSettings, type Settings } from "../../src/config/schema.ts";

const DATA = "/srv/imagehub";

/**
 * A server in place of a hub. It gives the answers one after the other, and then repeats the last
 * one.
 */
function answering(...answers: readonly (() => Response)[]): { settings: Settings } & Disposable {
  const left = [...answers];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => (left.length > 1 ? left.shift() : left[0])?.() ?? new Response(""),
  });
  const listen = `127.0.0.1:${server.port}`;
  const defaults = defaultSettings();
  return {
    settings: { ...defaults, http: { ...defaults.http, listen } },
    [Symbol.dispose]: () => void server.stop(true),
  };
}

/** The answer of a hub. */
function hub(change: { healthy?: boolean; data?: string }): () => Response {
  const status = statusAt("2026-11-22T15:00:30.000Z");
  const { healthy = true, data = DATA } = change;
  return () =>
    Response.json({ ...status, healthy, settings: { ...status.settings, data_directory: data } });
}

const notFound = (): Response => new Response("", { status: 404 });

describe("problemOf", () => {
  test("asks again until the hub is healthy", async () => {
    using server = answering(notFound, hub({ healthy: false }), hub({}));
    expect(await problemOf(server.settings, DATA, 10_000)).toBeUndefined();
  });

  test("says so when what answers is no hub", async () => {
    using server = answering(notFound);
    const { listen } = server.settings.http;
    expect(await problemOf(server.settings, DATA, 0)).toBe(
      "The hub listens for images, but does not report its health.\n" +
        `What answers at http://${listen} is not an imagehub, or is too old: status 404: ` +
        `process ${process.pid} (${readFileSync("/proc/self/comm", "utf8").trim()}) uses that address; if that is not the hub, ` +
        "set another http.listen",
    );
  });

  test("says why the hub is not healthy, and when it is another hub", async () => {
    using ill = answering(hub({ healthy: false }));
    expect(await problemOf(ill.settings, DATA, 0)).toBe(
      "The hub listens, but is not healthy: The disk is full",
    );
    using other = answering(hub({ data: "/srv/other" }));
    expect(await problemOf(other.settings, DATA, 0)).toStartWith(
      `Another hub answers at ${other.settings.http.listen}, with its data in /srv/other:`,
    );
  });
});
