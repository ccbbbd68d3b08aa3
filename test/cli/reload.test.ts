import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { EXIT } from "../../src/errors.ts";
import { runCli } from "../support/hub/cli.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, until } from "../support/hub/output.ts";

setDefaultTimeout(120_000);

/** A line of the hub's log without its time. */
const withoutTime = (line: string): string => line.replace(/^\S+ \S+ /, "");

/** Starts a hub and waits for its last line at start. */
async function startedHub(settings: Readonly<Record<string, unknown>>): Promise<Hub> {
  const hub = await startHub({ settings: { hub: settings } });
  await until(hub, () => hub.output().includes("To send a first image"));
  return hub;
}

/** Writes settings to the hub's file, sends SIGHUP, and waits for the line with the outcome. */
async function reload(hub: Hub, settings: string): Promise<string[]> {
  const known = hub.output().length;
  writeFileSync(join(hub.dir, "imagehub.yaml"), settings);
  process.kill(hub.pid, "SIGHUP");
  await until(hub, () => /Read the settings again|stay in force/.test(hub.output().slice(known)));
  // The lines are written at once and in order.
  await Bun.sleep(50);
  return hub.output().slice(known).trimEnd().split("\n").map(withoutTime);
}

describe("SIGHUP to imagehub", () => {
  test("names the settings that need a restart, and only those", async () => {
    await using hub = await startedHub({ patience: 5 });
    const file = join(hub.dir, "imagehub.yaml");
    expect(await reload(hub, "hub: {patience: 5.0}")).toEqual([
      `info  Read the settings again: ${file}`,
    ]);
    const changed = { hub: { patience: 7, allow: ["10.0.0.7"], curve: {}, writers: 2 } };
    expect(await reload(hub, stringify(changed))).toEqual([
      `info  Read the settings again: ${file}`,
      "warn  Changed settings that need a restart: patience, allow",
    ]);
    expect(await reload(hub, "hub: {patience: 5}\ncamwatcher: {}")).toEqual([
      `info  Read the settings again: ${file}`,
      `warn  ${file}:2: camwatcher: is ignored; the hub reads only what is under hub:`,
    ]);
  });

  test("changes the level of the log, in all threads", async () => {
    await using hub = await startedHub({ log_level: "info" });
    const file = join(hub.dir, "imagehub.yaml");
    const connect = async (): Promise<void> => {
      const event = ["send", "--event", "a|b", "--to", `127.0.0.1:${hub.port}`];
      expect((await runCli(event, { home: hub.dir })).status).toBe(EXIT.ok);
    };
    await connect();
    // It may come up to a second later, and then between the lines that are looked at below.
    await until(hub, () => linesWith(hub, "First message from a").length === 1);
    expect(linesWith(hub, "debug")).toEqual([]);
    expect(await reload(hub, "hub: {log_level: debug}")).toEqual([
      `info  Read the settings again: ${file} log_level=debug`,
    ]);
    await connect();
    await until(hub, () => linesWith(hub, "debug Disconnected: 127.0.0.1").length === 1);
    expect(linesWith(hub, "debug Connected: 127.0.0.1")).toHaveLength(1);
    expect(await reload(hub, "hub: {log_level: warn}")).toEqual([
      `info  Read the settings again: ${file} log_level=warn`,
    ]);
    await connect();
    expect(linesWith(hub, "debug Connected: 127.0.0.1")).toHaveLength(1);
  });

  test("leaves all in force when the settings are wrong, and says what is wrong", async () => {
    await using hub = await startedHub({ log_level: "info" });
    const file = join(hub.dir, "imagehub.yaml");
    expect(await reload(hub, "hub:\n  prot: 1\n  log_level: debug\n")).toEqual([
      `error ${file}:2: hub.prot is not a setting; did you mean hub.port?`,
      "error The new settings are wrong, so the old ones stay in force. Correct them, then reload again",
    ]);
    expect(await reload(hub, "hub: {port: 1}")).toEqual([`info  Read the settings again: ${file}`]);
    expect(await hub.stop()).toBe(EXIT.ok);
  });
});
