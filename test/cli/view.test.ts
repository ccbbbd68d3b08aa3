/** How a view starts, and what it says if it cannot. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { EXIT } from "../../src/errors.ts";
import { runCli } from "../support/hub/cli.ts";
import { View } from "../support/hub/view.ts";
import { answered, get } from "../support/hub/http.ts";
import { tempDir } from "../support/machine/temp.ts";
import { MemoryStore } from "../support/peers/memory-store.ts";
import { listenTcp } from "../support/peers/tcp-server.ts";

setDefaultTimeout(60_000);

test("a view can be ended while the store does not answer", async () => {
  await using silent = await listenTcp(() => undefined);
  using store = new MemoryStore();
  const endpoint = new URL(`http://127.0.0.1:${silent.port}`);
  await using view = View.begin({ ...store.target, endpoint });
  await answered(
    async () => view.output(),
    (text) => text.includes("is starting a view"),
  );
  const beganMs = performance.now();
  expect(await view.stop()).toBe(EXIT.ok);
  expect(performance.now() - beganMs).toBeLessThan(5000);
  expect(view.output()).not.toContain("Open");
});

test.each([
  ["a clock that is not set yet", "RequestTimeTooSkewed", "The clocks of this machine"],
  ["a store that is busy", "SlowDown", "cannot do it now"],
])("a view starts in spite of %s, and shows the hubs later", async (_, code, said) => {
  using store = new MemoryStore();
  store.hub("north");
  store.refusals.set("LIST ", { status: 403, code });
  await using view = await View.start(store.target);
  const list = `${view.url}/api/v1/days`;
  expect(await get(list)).toMatchObject([503, expect.stringContaining(said)]);
  store.refusals.clear();
  await answered(
    async () => (await get(list))[1],
    (text) => text.includes('"north"'),
  );
});

test("a view of a hub whose files cannot be read does not start, and check says the same", async () => {
  using store = new MemoryStore();
  const url = "http://127.0.0.1:9";
  const hubs = [
    { name: "north", url, token_file: "/nowhere/north.token" },
    { name: "south", url, ca: "/nowhere/south.crt" },
  ];
  await using view = await View.start(store.target, { settings: { view: { hubs } } });
  expect(await view.stop()).toBe(EXIT.config);
  const said = [
    "hub.view.hubs.0: Cannot read /nowhere/north.token: no such file or directory",
    "hub.view.hubs.1: Cannot read /nowhere/south.crt: no such file or directory",
  ];
  for (const line of said) expect(view.output()).toContain(line);
  using home = tempDir();
  writeFileSync(join(home.path, "imagehub.yaml"), stringify({ hub: { view: { hubs } } }));
  const check = await runCli(["check", "--quiet"], { home: home.path });
  expect(check).toMatchObject({ status: EXIT.config, stderr: `${said.join("\n")}\n` });
});

test("a view whose port is in use says by whom", async () => {
  using store = new MemoryStore();
  const { port } = store.target.endpoint;
  const settings = { http: { listen: `127.0.0.1:${port}` } };
  await using view = await View.start(store.target, { settings });
  expect(await view.stop()).toBe(EXIT.bind);
  expect(view.output()).toContain(
    `Cannot listen on http://127.0.0.1:${port}: port ${port} is in use by process ${process.pid}`,
  );
});
