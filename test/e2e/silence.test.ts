/**
 * Nodes that fall silent, come back, are remembered over a restart and are forgotten, end to end.
 *
 * @module
 */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { lacks, PARTS, PROGRAMS, runsNatively } from "../../scripts/lib/available.ts";
import { type CliResult, runCli } from "../support/hub/cli.ts";
import { answered, get, httpOf, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { SetClock } from "../support/machine/set-clock.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Sender } from "../support/peers/sender.ts";
import { settings, texts } from "./cameras.ts";

setDefaultTimeout(120_000);

const nodeFile = (hub: Hub): string => join(hub.dataDir, ".imagehub/nodes.json");

function noted(hub: Hub): string {
  return existsSync(nodeFile(hub)) ? readFileSync(nodeFile(hub), "utf8") : "";
}

/** The file has the gate as a node that was forgotten, and as no other. */
function expectForgotten(hub: Hub): void {
  const { nodes, forgotten } = JSON.parse(noted(hub)) as Record<string, { name: string }[]>;
  expect(nodes?.filter(({ name }) => name.startsWith("Gate"))).toEqual([]);
  expect(forgotten?.map(({ name }) => name)).toEqual(["Gate"]);
}

/** The lines of the event log about silence. */
const told = (hub: Hub): string[] =>
  texts(hub).filter((text) => / has been silent for | is back after /.test(text));

describe.each(PROGRAMS.filter(runsNatively))("a hub (%s)", (program) => {
  const without = lacks("python", ...PARTS[program]);

  test.skipIf(without)("tells once that a node is silent, and that it is back", async () => {
    await using hub = await startHub({
      program,
      env: WITH_HTTP,
      ...settings({
        cameras: [
          { match: "Gate", silent_after: 0.02 },
          { match: "Barn*", silent_after: 0.05 },
        ],
      }),
    });
    await using sender = new Sender(hub.port);
    await sender.heartbeat("Gate");
    await sender.jpg("Gate Left|jpg|", { size: 20_000 });
    await sender.event("Yard|Temp|76 F");
    // Sends all the time, also on the fast path.
    let longestPauseMs = 0;
    const beganMs = performance.now();
    let lastMs = beganMs;
    await answered(
      async () => {
        await sender.jpg("Barn|jpg|", { size: 20_000 });
        longestPauseMs = Math.max(longestPauseMs, performance.now() - lastMs);
        lastMs = performance.now();
        return await statusOf(hub);
      },
      ({ nodes }) => nodes.some(({ silent }) => silent) && lastMs - beganMs > 5000,
    );
    const { nodes } = await statusOf(hub);
    const gate = { node: "Gate", silent: true, silent_after: 0.02 };
    expect(nodes.filter(({ node }) => node !== "Barn")).toMatchObject([
      { ...gate, view: "" },
      { ...gate, view: "Left" },
      { node: "Yard", silent: false, silent_after: null, silent_since: null },
    ]);
    const seen = Date.parse(nodes.find(({ view }) => view === "Left")!.last_seen);
    expect(Date.parse(nodes.find(({ node }) => node === "Gate")!.silent_since!)).toBeGreaterThan(
      seen,
    );
    expect((await get(`${httpOf(hub)}/metrics`))[1]).toContain(
      'imagehub_node_silent{node="Gate"} 1',
    );
    // A machine that stood still for so long may have seen more.
    if (longestPauseMs < 2000) {
      expect(told(hub)).toEqual(["Gate has been silent for 1 s."]);
      expect(nodes.find(({ node }) => node === "Barn")).toMatchObject({ silent: false });
    }
    await until(hub, () => linesWith(hub, "Gate has been silent for 1 s").length === 1);
    // A view of it is enough.
    await sender.jpg("Gate Left|jpg|", { size: 20_000 });
    await until(hub, () => told(hub).some((text) => text.startsWith("Gate is back after ")));
    await until(hub, () => linesWith(hub, "Gate is back after ").length === 1);
    const back = told(hub).find((text) => text.startsWith("Gate is back"));
    expect(Number(/^Gate is back after (\d+) s\.$/.exec(back!)?.[1])).toBeGreaterThan(1);
    expect(await hub.stop()).toBe(0);
  });

  test.skipIf(without)("notices after a restart that a node does not come back", async () => {
    const options = {
      program,
      env: WITH_HTTP,
      ...settings({
        cameras: [
          { match: "Gate", silent_after: 0.02 },
          { match: "Barn", silent_after: 0.1 },
        ],
      }),
    };
    await using hub = await startHub(options);
    await using sender = new Sender(hub.port);
    await sender.heartbeat("Gate");
    while (!noted(hub).includes('"told":true') || !noted(hub).includes('"Barn"'))
      await sender.heartbeat("Barn");
    await hub.kill();
    expect(told(hub)).toEqual(["Gate has been silent for 1 s."]);

    const again = { ...options, dir: hub.dir, timezone: hub.timezone };
    await using second = await startHub(again);
    const { nodes } = await answered(
      async () => await statusOf(second),
      (status) => status.nodes.length === 2,
    );
    const node = { images_today: 0, events_today: 0 };
    expect(nodes).toMatchObject([
      { ...node, node: "Barn", silent: false },
      { ...node, node: "Gate", silent: true },
    ]);
    await until(second, () => told(second).length >= 2);
    expect(told(second).slice(1)).toEqual(["Barn has been silent for 6 s."]);
    expect(await second.stop()).toBe(0);
    // The stop has written it at once.
    expect(noted(hub).match(/"told":true/g)).toHaveLength(2);

    await using third = await startHub(again);
    await using late = new Sender(third.port);
    await late.heartbeat("Barn");
    await until(third, () => told(third).length >= 4);
    const [, , back, silent] = told(third);
    expect(back).toMatch(/^Barn is back after \d+ s\.$/);
    expect(silent).toBe("Barn has been silent for 6 s.");
    await until(third, () => linesWith(third, "First message from Barn").length === 1);
  });

  test.skipIf(without)("forgets a node, and meets it again as a new one", async () => {
    await using hub = await startHub({
      program,
      env: WITH_HTTP,
      ...settings({ cameras: [{ match: "Gate", silent_after: 0.02 }] }),
    });
    await using sender = new Sender(hub.port);
    await sender.heartbeat("Barn");
    await sender.heartbeat("Gate");
    await sender.jpg("Gate Left|jpg|", { size: 20_000 });
    await until(hub, () => noted(hub).includes("Left") && told(hub).length > 0);
    expect(await forget(["Gat", "--url", httpOf(hub)])).toEqual({
      status: EXIT.failure,
      stdout: "",
      stderr: 'The hub knows no node "Gat"; did you mean "Gate"?\n',
    });
    expect(await forget(["Gate", "--url", httpOf(hub)])).toEqual({
      status: EXIT.ok,
      stdout: "Forgot Gate with 1 view\n",
      stderr: "",
    });
    expect((await statusOf(hub)).nodes.map(({ node }) => node)).toEqual(["Barn"]);
    expect((await get(`${httpOf(hub)}/metrics`))[1]).not.toContain('node="Gate');
    expectForgotten(hub);
    expect(hub.images()).toHaveLength(1);
    await sender.heartbeat("Gate");
    await until(hub, () => linesWith(hub, "First message from Gate address").length === 2);
    await until(hub, () => told(hub).length === 2);
    expect(new Set(told(hub))).toEqual(new Set(["Gate has been silent for 1 s."]));
    expect(await hub.stop()).toBe(0);
  });
});

test.skipIf(lacks("python", "bench"))(
  "a clock that is set by a year makes no node silent, and hides no silence",
  async () => {
    using clock = new SetClock(0);
    await using hub = await startHub({
      env: clock.env,
      ...settings({ cameras: [{ match: "*", silent_after: 0.1 }] }),
    });
    await using sender = new Sender(hub.port);
    // The event log begins anew with each day.
    const said = (): string[] => hub.output().match(/Gate (?:has|is) .*/g) ?? [];
    let longestPauseMs = 0;
    let lastMs = performance.now();
    for (const years of [1, -1, 0]) {
      clock.set(years * 365 * 86_400);
      for (let time = 0; time < 15; time++, await Bun.sleep(100)) {
        await sender.heartbeat("Gate");
        longestPauseMs = Math.max(longestPauseMs, performance.now() - lastMs);
        lastMs = performance.now();
      }
    }
    // A machine that stood still for so long may have seen more.
    if (longestPauseMs < 5000) expect(said()).toEqual([]);
    const before = said().length;
    clock.set(-365 * 86_400);
    await until(hub, () => said().length > before);
    clock.set(0);
    await sender.heartbeat("Gate");
    await until(hub, () => said().length > before + 1);
    expect(said().slice(before, before + 2)).toEqual([
      "Gate has been silent for 6 s",
      expect.stringMatching(/^Gate is back after \d+ s$/),
    ]);
  },
);

const home = tempDir();
afterAll(() => home[Symbol.dispose]());

async function forget(args: readonly string[], env = {}): Promise<CliResult> {
  return await runCli(["forget", ...args], { home: home.path, env });
}

const OFF = { IMAGEHUB_HTTP_LISTEN: "off" };

describe.skipIf(lacks("python"))("imagehub forget", () => {
  test("edits the file if no hub runs, and does not while one does", async () => {
    await using hub = await startHub(settings({}));
    await using sender = new Sender(hub.port);
    await sender.heartbeat("Barn");
    await sender.heartbeat("Gate");
    await until(hub, () => noted(hub).includes("Barn"));
    const busy = await forget(["Gate", "--path", hub.dir], OFF);
    expect(busy).toMatchObject({ status: EXIT.config, stdout: "" });
    expect(busy.stderr).toStartWith("hub.http.listen is off (");
    expect(busy.stderr).toContain(`\nThe data directory ${hub.dataDir} is in use by imagehub, `);
    await hub.stop();

    const unknown = await forget(["Bran", "--path", hub.dir], OFF);
    expect(unknown.stderr).toBe('The hub knows no node "Bran"; did you mean "Barn"?\n');
    const done = await forget(["Gate", "--path", hub.dir], OFF);
    expect(done).toEqual({ status: EXIT.ok, stdout: "Forgot Gate\n", stderr: "" });
    expect(noted(hub)).toContain("Barn");
    expectForgotten(hub);

    writeFileSync(nodeFile(hub), "{");
    const damaged = await forget(["Barn", "--path", hub.dir], OFF);
    expect(damaged).toMatchObject({ status: EXIT.data, stdout: "" });
    expect(damaged.stderr).toContain(" is damaged, or of another version of the hub\n");
    await using next = await startHub({ ...settings({}), dir: hub.dir });
    expect(linesWith(next, "The nodes of an earlier run are not known: ")).toHaveLength(1);
  });

  test("says so if there is neither a hub nor a file", async () => {
    using temp = tempDir();
    const none = await forget(["Barn", "--data", temp.path], OFF);
    expect(none).toMatchObject({ status: EXIT.config, stdout: "" });
    expect(none.stderr).toEndWith(`\nNor is there a file ${temp.path}/.imagehub/nodes.json\n`);
    const port = freePort();
    const data = join(temp.path, "none");
    const nobody = await forget(["Barn", "--data", data], {
      IMAGEHUB_HTTP_LISTEN: `127.0.0.1:${port}`,
    });
    expect(nobody).toMatchObject({ status: EXIT.unanswered, stdout: "" });
    expect(nobody.stderr).toStartWith(`No hub answers at http://127.0.0.1:${port}: `);
    expect(nobody.stderr).toEndWith(`\nNor is there a file ${data}/.imagehub/nodes.json\n`);
    expect(existsSync(data)).toBe(false);
  });
});

test("POST api/v1/forget refuses what makes no sense, and pages of other sites", async () => {
  await using hub = await startHub({ env: WITH_HTTP });
  const url = `${httpOf(hub)}/api/v1/forget`;
  const post = async (body: string, headers = {}) =>
    await get(url, { method: "POST", body, headers });
  expect(await post('{"node": "Barn"}')).toEqual([
    404,
    'The hub knows no node "Barn"; imagehub status lists the nodes\n',
  ]);
  for (const body of ["", "Barn", "{}", "null", '{"node": 1}'])
    expect(await post(body)).toEqual([400, 'The body must be JSON such as {"node": "Barn"}\n']);
  expect((await get(url))[0]).toBe(405);
  expect((await post('{"node": "Barn"}', { "Sec-Fetch-Site": "cross-site" }))[0]).toBe(403);
  expect((await post('{"node": "Barn"}', { Origin: "http://evil.example" }))[0]).toBe(403);
});
