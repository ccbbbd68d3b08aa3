import { describe, expect, test } from "bun:test";
import {
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { messageOf } from "../../src/errors.ts";
import { NODES_MAX } from "../../src/limits.ts";
import type { RememberedNode } from "../../src/shared/messages.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import {
  type KnownNodes,
  nodeFileOf,
  nodeText,
  readNodes,
  saveNodes,
  withForgotten,
  writeNodes,
} from "../../src/store/node-file.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { tempDir } from "../support/machine/temp.ts";
import { guardAt } from "../support/store/data-guard.ts";

let directory: DataDirectory;
forEachTest(tempDir, (temp) => {
  mkdirSync(`${temp.path}/data/images`, { recursive: true });
  directory = new DataDirectory(`${temp.path}/data`);
});

const BARN: RememberedNode = {
  name: "Barn",
  address: "192.168.86.41",
  lastSeenMs: Date.parse("2026-11-22T15:04:05.123Z"),
  lastHeartbeatMs: 0,
  silentSinceMs: 0,
  isTold: false,
};
const GATE: RememberedNode = {
  ...BARN,
  name: 'Gate "1" Ü',
  lastHeartbeatMs: BARN.lastSeenMs - 1,
  silentSinceMs: BARN.lastSeenMs + 1,
  isTold: true,
};

function known(...nodes: readonly RememberedNode[]): KnownNodes {
  return { nodes, forgotten: [] };
}

test("the file of nodes has what was written, by either way", async () => {
  expect(readNodes(directory)).toBeUndefined();
  writeNodes(directory, known(BARN));
  expect(readNodes(directory)).toEqual(known(BARN));
  expect(await saveNodes(guardAt(directory.path), nodeText(known(BARN, GATE)))).toBe(true);
  expect(readNodes(directory)).toEqual(known(BARN, GATE));
  expect(readFileSync(nodeFileOf(directory), "utf8")).toBe(
    `{"version":1,"nodes":[
{"name":"Barn","address":"192.168.86.41","last_seen":"2026-11-22T15:04:05.123Z","last_heartbeat":null,"silent_since":null,"told":false},
{"name":"Gate \\"1\\" Ü","address":"192.168.86.41","last_seen":"2026-11-22T15:04:05.123Z","last_heartbeat":"2026-11-22T15:04:05.122Z","silent_since":"2026-11-22T15:04:05.124Z","told":true}
]}
`,
  );
  expect(readdirSync(directory.own)).toEqual(["nodes.json"]);
  writeNodes(directory, known());
  expect(readNodes(directory)).toEqual(known());
});

test("the file of nodes can hold all that the hub knows, but no name as long as a text", () => {
  const nodes = Array.from({ length: NODES_MAX }, (_, index) => ({
    ...BARN,
    name: `${index}${"\u{1F404}".repeat(126)}`,
  }));
  const tooLong = { ...BARN, name: "x".repeat(257) };
  const forgotten = nodes.map(({ name }) => ({ name: `${name.slice(0, -1)}!`, atMs: 1 }));
  writeNodes(directory, { nodes: [tooLong, ...nodes], forgotten });
  expect(readNodes(directory)).toEqual({ nodes, forgotten });
});

test("the file of nodes has those that were forgotten, but for those that are back", () => {
  const [barn, gate] = [BARN, GATE].map(({ name }) => ({ name, atMs: BARN.lastSeenMs }));
  writeNodes(directory, { nodes: [BARN], forgotten: [barn!, gate!] });
  expect(readNodes(directory)).toEqual({ nodes: [BARN], forgotten: [gate!] });
  expect(readFileSync(nodeFileOf(directory), "utf8")).toEndWith(
    '{"name":"Gate \\"1\\" Ü","time":"2026-11-22T15:04:05.123Z"}\n]}\n',
  );
});

test("withForgotten keeps each name once, for a year, and not more than can be known", () => {
  const YEAR_MS = 365 * 86_400_000;
  let forgotten = withForgotten([], "Barn", 0);
  forgotten = withForgotten(forgotten, "Gate", 1);
  forgotten = withForgotten(forgotten, "Barn", 2);
  expect(forgotten).toEqual([
    { name: "Gate", atMs: 1 },
    { name: "Barn", atMs: 2 },
  ]);
  expect(withForgotten(forgotten, "Fox", YEAR_MS + 1).map(({ name }) => name)).toEqual([
    "Barn",
    "Fox",
  ]);
  for (let each = 0; each < NODES_MAX; each++) forgotten = withForgotten(forgotten, `${each}`, 3);
  expect([forgotten.length, forgotten[0]?.name]).toEqual([NODES_MAX, "0"]);
});

describe("a file of nodes that is damaged is refused", () => {
  const whole = nodeText(known(BARN));
  test.each([
    ["cut", whole.slice(0, -20)],
    ["empty", ""],
    ["of another version", whole.replace('"version":1', '"version":2')],
    ["without a field", whole.replace('"told":false', '"is":false')],
    ["with a time that is none", whole.replace("2026-11-22", "2026-13-22")],
    ["with too many nodes", nodeText(known(...Array.from({ length: NODES_MAX + 1 }, () => BARN)))],
    ["zeros", "\0".repeat(1000)],
  ])("%s", (_, text) => {
    mkdirSync(directory.own);
    writeFileSync(nodeFileOf(directory), text);
    expect(() => readNodes(directory)).toThrow(
      `${nodeFileOf(directory)} is damaged, or of another version of the hub`,
    );
  });

  test("or too large", () => {
    mkdirSync(directory.own);
    writeFileSync(nodeFileOf(directory), Buffer.alloc(4 * 1024 * 1024 + 1));
    expect(() => readNodes(directory)).toThrow("is larger than 4194304 bytes");
  });
});

test("saveNodes writes nothing where the data directory is gone, or is another one", async () => {
  const guard = guardAt(directory.path);
  renameSync(directory.path, `${directory.path}-away`);
  expect(await saveNodes(guard, nodeText(known(BARN)))).toBe(false);
  mkdirSync(directory.images, { recursive: true });
  expect(await saveNodes(guard, nodeText(known(BARN)))).toBe(false);
  expect(readdirSync(directory.path)).toEqual(["images"]);
  // The empty mount point of its disk.
  const empty = new DataDirectory(`${directory.path}-empty`);
  mkdirSync(empty.path);
  const saved = saveNodes(guardAt(empty.path), nodeText(known(BARN)));
  expect(await saved.catch(messageOf)).toStartWith("ENOENT");
  expect(readdirSync(empty.path)).toEqual([]);
});

test.skipIf(process.geteuid?.() !== 0)(
  "saveNodes gives the file to the owner of the data directory",
  async () => {
    chownSync(directory.path, 65_534, 60);
    await saveNodes(guardAt(directory.path), nodeText(known(BARN)));
    for (const path of [directory.own, nodeFileOf(directory)])
      expect(statSync(path)).toMatchObject({ uid: 65_534, gid: 60 });
  },
);
