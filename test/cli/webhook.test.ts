import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { EXIT } from "../../src/errors.ts";
import { runCli } from "../support/hub/cli.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Receiver } from "../support/peers/webhook-receiver.ts";

setDefaultTimeout(120_000);

test("imagehub webhook test sends a message to each webhook, and shows what it answers", async () => {
  using home = tempDir();
  await using good = await Receiver.start((response) => response.end("ok\n"));
  await using bad = await Receiver.start((response, { url }) =>
    response.writeHead(400).end(`no_text at ${url}`),
  );
  const send = async (...args: string[]) =>
    await runCli(["webhook", "test", ...args], { home: home.path });
  const webhooks = [
    { url: good.url(), on: "silent", template: "t", match: "Gate" },
    { url: bad.url(), on: "event" },
    { url_file: "nowhere", on: "start" },
  ];
  writeFileSync(join(home.path, "imagehub.yaml"), stringify({ hub: { webhooks } }));
  writeFileSync(join(home.path, "t"), "{type}: {message}");
  const [first, second, third] = [
    `webhook 1 (127.0.0.1:${good.port}): answered 200 OK: ok\n`,
    `webhook 2 (127.0.0.1:${bad.port}): answered 400 Bad Request: no_text at ……\n`,
    `webhook 3: Cannot read ${join(home.path, "nowhere")}: no such file or directory\n`,
  ];
  expect(await send()).toEqual({
    status: EXIT.failure,
    stdout: first + second + third,
    stderr: "",
  });
  expect(good.requests[0]!.body.toString()).toMatch(/^test: This is a test of imagehub on \S+$/u);
  expect(bad.facts).toMatchObject([{ type: "test" }]);
  expect(await send("1")).toEqual({ status: EXIT.ok, stdout: first, stderr: "" });
  expect([good, bad].map(({ requests }) => requests.length)).toEqual([2, 1]);
  expect(await send("4")).toEqual({
    status: EXIT.usage,
    stdout: "",
    stderr: "There is no webhook 4: hub.webhooks has entries 1 to 3\n",
  });
});

test("imagehub webhook test says if there are none", async () => {
  using home = tempDir();
  expect(await runCli(["webhook", "test"], { home: home.path })).toEqual({
    status: EXIT.config,
    stdout: "",
    stderr: "hub.webhooks has no entries\n",
  });
});
