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
  nodeFileOf,
  nodeText,
  readNodes,
  saveNodes,
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

test("the file of nodes has what was written, by either way", async () => {
  expect(readNodes(directory)).toBeUndefined();
  writeNodes(directory, [BARN]);
  expect(readNodes(directory)).toEqual([BARN]);
  expect(await saveNodes(guardAt(directory.path), nodeText([BARN, GATE]))).toBe(true);
  expect(readNodes(directory)).toEqual([BARN, GATE]);
  expect(readFileSync(nodeFileOf(directory), "utf8")).toBe(
    `{"version":1,"nodes":[
{"name":"Barn","address":"192.168.86.41","last_seen":"2026-11-22T15:04:05.123Z","last_heartbeat":null,"silent_since":null,"told":false},
{"name":"Gate \\"1\\" Ü","address":"192.168.86.41","last_seen":"2026-11-22T15:04:05.123Z","last_heartbeat":"2026-11-22T15:04:05.122Z","silent_since":"2026-11-22T15:04:05.124Z","told":true}
]}
`,
  );
  expect(readdirSync(directory.own)).toEqual(["nodes.json"]);
  writeNodes(directory, []);
  expect(readNodes(directory)).toEqual([]);
});

test("the file of nodes can hold all that the hub knows, but no name as long as a text", () => {
  const nodes = Array.from({ length: NODES_MAX }, (_, index) => ({
    ...BARN,
    name: `${index}${"\u{1F404}".repeat(126)}`,
  }));
  const tooLong = { ...BARN, name: "x".repeat(257) };
  writeNodes(directory, [tooLong, ...nodes]);
  expect(readNodes(directory)).toEqual(nodes);
});

describe("a file of nodes that is damaged is refused", () => {
  const whole = nodeText([BARN]);
  test.each([
    ["cut", whole.slice(0, -20)],
    ["empty", ""],
    ["of another version", whole.replace('"version":1', '"version":2')],
    ["without a field", whole.replace('"told":false', '"is":false')],
    ["with a time that is none", whole.replace("2026-11-22", "2026-13-22")],
    ["with too many nodes", nodeText(Array.from({ length: NODES_MAX + 1 }, () => BARN))],
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
  expect(await saveNodes(guard, nodeText([BARN]))).toBe(false);
  mkdirSync(directory.images, { recursive: true });
  expect(await saveNodes(guard, nodeText([BARN]))).toBe(false);
  expect(readdirSync(directory.path)).toEqual(["images"]);
  // The empty mount point of its disk.
  const empty = new DataDirectory(`${directory.path}-empty`);
  mkdirSync(empty.path);
  const saved = saveNodes(guardAt(empty.path), nodeText([BARN]));
  expect(await saved.catch(messageOf)).toStartWith("ENOENT");
  expect(readdirSync(empty.path)).toEqual([]);
});

test.skipIf(process.geteuid?.() !== 0)(
  "saveNodes gives the file to the owner of the data directory",
  async () => {
    chownSync(directory.path, 65_534, 60);
    await saveNodes(guardAt(directory.path), nodeText([BARN]));
    for (const path of [directory.own, nodeFileOf(directory)])
      expect(statSync(path)).toMatchObject({ uid: 65_534, gid: 60 });
  },
);
