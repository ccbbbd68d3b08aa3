/** A hub that is followed, with its token, until it is gone. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lacks } from "../../scripts/lib/available.ts";
import { LiveHub } from "../../src/fleet/live-hub.ts";
import { BARN } from "../e2e/stored.ts";
import { startHub } from "../support/hub/hub.ts";
import { answered, httpOf, WITH_HTTP } from "../support/hub/http.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Sender } from "../support/peers/sender.ts";

setDefaultTimeout(60_000);

describe.skipIf(lacks("python"))("a hub that is followed", () => {
  test("tells what it stores, to whom has its token, until it is gone", async () => {
    using home = tempDir();
    const [right, wrong] = ["right", "wrong"].map((name) => {
      const file = join(home.path, name);
      writeFileSync(file, `${name}-token-of-this-hub\n`, { mode: 0o600 });
      return file;
    }) as [string, string];
    await using hub = await startHub({
      env: WITH_HTTP,
      settings: { hub: { http: { token_file: right } } },
    });
    const told: string[] = [];
    const follow = (file: string | undefined): LiveHub =>
      new LiveHub(
        { name: "north", url: httpOf(hub), token_file: file },
        {
          image: ({ camera }) => told.push(`image of ${camera}`),
          event: ({ text }) => told.push(text),
          node: ({ node, silent }) => told.push(`${node} ${silent}`),
          missed: () => told.push("missed"),
          changed: (problem) => told.push(problem ?? "live"),
        },
      );
    const until = async (text: string): Promise<unknown> =>
      await answered(
        async () => told.join("\n"),
        (all) => all.includes(text),
      );
    for (const [file, problem] of [
      [undefined, "it wants another token"],
      [wrong, "it wants another token"],
      [join(home.path, "none"), "no such file"],
    ] as const) {
      const refused = follow(file);
      refused.start();
      await until(problem);
      expect(refused.isLive).toBe(false);
      refused.stop();
      told.length = 0;
    }
    const live = follow(right);
    live.start();
    await until("live");
    expect(told).toEqual(["live", "missed"]);
    await using sender = new Sender(hub.port);
    await sender.event("Gate|door|open");
    await until("Gate|door|open");
    await sender.jpg("Barn|jpg|", { file: BARN });
    await until("image of Barn");
    const [{ folder, name } = { folder: "", name: "" }] = hub.images();
    expect(Buffer.from((await live.image(folder, name))!)).toEqual(readFileSync(BARN));
    expect(await live.image(folder, `x${name}`)).toBeUndefined();
    await hub.kill();
    await until("the connection was closed");
    expect(live.isLive).toBe(false);
    expect(await live.image(folder, name)).toBeUndefined();
    live.stop();
  });
});

describe("what a hub tells", () => {
  test("is taken in as far as it can be true", async () => {
    const date = "2021-09-23";
    const name = `Barn-${date}T10.00.00.000000.jpg`;
    const messages: [string, unknown][] = [
      ["start", {}],
      ["image", null],
      ["image", { date, name: 5 }],
      ["image", { date: "2021-09-24", name }],
      // The name says both.
      ["image", { date, name, camera: "Gate", time: "23:59:59.999999" }],
      ["event", { date, time: 5, text: "Gate|door|open" }],
      ["event", { date, time: "10:00:00,000", text: "x".repeat(5000) }],
      ["event", { date, time: "10:00:00,000", text: "Gate|door|open", node: null, number: "x" }],
      ["camera", { node: "Barn", silent: "yes" }],
      ["camera", { node: "Barn", silent: true }],
      ["other", 1],
    ];
    let streams = 0;
    using fake = serve(({ url }) => {
      if (!url.includes("/live")) return new Response(endless());
      streams++;
      const lines = messages.map(
        ([event, data]) => `event: ${event}\ndata: ${JSON.stringify(data)}`,
      );
      return new Response(`${lines.join("\n\n")}\n\n`);
    });
    const { hub, told } = followAt(fake.url);
    await answered(
      async () => streams,
      (count) => count === 3,
    );
    // A hub that breaks off each time is not tried as fast as one that was there for long.
    await Bun.sleep(800);
    expect(streams).toBeLessThan(5);
    hub.stop();
    expect(told.slice(0, 5)).toEqual([
      undefined,
      { date, name, camera: "Barn", time: "10:00:00.000000" },
      {
        date,
        time: "10:00:00,000",
        text: "Gate|door|open",
        node: "Gate",
        type: "door",
        value: "open",
      },
      { node: "Barn", silent: true },
      "it has ended the connection",
    ]);
    // No image is so large.
    expect(await hub.image(date, name)).toBeUndefined();
    expect(process.memoryUsage.rss()).toBeLessThan(2 ** 30);
  });

  test.each([
    [401, "it wants another token"],
    [429, "it has seen too many wrong tokens"],
    [404, "what answers there is no hub (404)"],
  ])("is nothing if it answers %d", async (status, problem) => {
    using fake = serve(() => new Response("", { status }));
    const { hub, told } = followAt(fake.url);
    await answered(
      async () => told.join("\n"),
      (all) => all.includes(problem),
    );
    hub.stop();
  });

  test("is nothing without the certificate of its authority, which it says", async () => {
    const { hub, told } = followAt("https://127.0.0.1:1", "/nowhere/ca.pem");
    await answered(
      async () => told.join("\n"),
      (all) => all.includes("/nowhere/ca.pem"),
    );
    hub.stop();
  });
});

/** Follows what answers at an address. @returns what it tells */
function followAt(url: string, ca?: string): { hub: LiveHub; told: unknown[] } {
  const told: unknown[] = [];
  const take = (what: unknown): unknown => told.push(what);
  const hub = new LiveHub(
    { name: "north", url, ca },
    { image: take, event: take, node: take, missed: () => {}, changed: take },
  );
  hub.start();
  return { hub, told };
}

function serve(answer: (request: Request) => Response): Disposable & { readonly url: string } {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  const url = `http://127.0.0.1:${server.port}`;
  return { url, [Symbol.dispose]: () => void server.stop(true) };
}

function endless(): ReadableStream<Uint8Array> {
  const part = new Uint8Array(2 ** 20);
  return new ReadableStream({ pull: (stream) => stream.enqueue(part) });
}
