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
      [join(home.path, "none"), "ENOENT"],
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
