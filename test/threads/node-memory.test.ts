import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { newRow } from "../../src/receiver/activity.ts";
import type { ForgottenNode, NodeRow } from "../../src/shared/messages.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import type { DataGuard } from "../../src/store/data-guard.ts";
import { nodeFileOf, readNodes, writeNodes } from "../../src/store/node-file.ts";
import { NodeMemory } from "../../src/threads/node-memory.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { tempDir } from "../support/machine/temp.ts";
import { guardAt } from "../support/store/data-guard.ts";

let directory: DataDirectory;
let guard: DataGuard;
forEachTest(tempDir, (temp) => {
  mkdirSync(`${temp.path}/images`);
  directory = new DataDirectory(temp.path);
  guard = guardAt(temp.path);
});

const BARN: NodeRow = { ...newRow("Barn", 0), address: "::1", lastSeenMs: 1000 };

/** A memory, and what it logs. */
function memoryOf(nodes: readonly NodeRow[]): { memory: NodeMemory; said: string[] } {
  const said: string[] = [];
  const log = {
    info: (text: string) => void said.push(`info ${text}`),
    warn: (text: string) => void said.push(`warn ${text}`),
  };
  const overview = { guard, nodes, forgotten: [] };
  return { memory: new NodeMemory({ overview, log }), said };
}

const namesIn = (): string[] | undefined => readNodes(directory)?.nodes.map(({ name }) => name);

test("NodeMemory recalls the nodes of an earlier run, and says so if there are none", () => {
  const { memory, said } = memoryOf([]);
  expect(memory.recall()).toEqual([]);
  expect(said).toEqual(["info No nodes are known from an earlier run"]);
  writeNodes(directory, { nodes: [BARN], forgotten: [] });
  expect(memory.recall().map(({ name }) => name)).toEqual(["Barn"]);
  writeFileSync(nodeFileOf(directory), "{");
  expect(memory.recall()).toEqual([]);
  expect(said.slice(1)).toEqual([
    expect.stringMatching(/^warn The nodes of an earlier run are not known: .* is damaged/),
  ]);
  expect(readFileSync(`${nodeFileOf(directory)}.damaged`, "utf8")).toBe("{");
  expect(readNodes(directory)).toBeUndefined();
});

test("NodeMemory knows after a restart which nodes were forgotten", async () => {
  await memoryOf([BARN]).memory.forgot("Gate");
  const overview = { guard, nodes: [], forgotten: [] as readonly ForgottenNode[] };
  const log = { info: () => undefined, warn: () => undefined };
  expect(new NodeMemory({ overview, log }).recall().length).toBe(1);
  expect(overview.forgotten.map(({ name }) => name)).toEqual(["Gate"]);
});

test("NodeMemory writes news soon, and all else later or at the end", async () => {
  const nodes = [BARN];
  const { memory } = memoryOf(nodes);
  memory.note(true);
  while (namesIn() === undefined) await Bun.sleep(5);
  nodes.push({ ...BARN, place: 1, name: "Gate" });
  memory.note(false);
  memory.note(true);
  await memory.end();
  expect(namesIn()).toEqual(["Barn", "Gate"]);
});

test("NodeMemory has at most one write to follow the one that runs", async () => {
  const nodes = [BARN];
  const { memory } = memoryOf(nodes);
  const first = memory.save();
  const second = memory.save();
  nodes.push({ ...BARN, place: 1, name: "Gate" });
  await Promise.all([first, second]);
  expect(namesIn()).toEqual(["Barn", "Gate"]);
});

test("NodeMemory says once why nothing can be written, and goes on when it can", async () => {
  const nodes = [BARN];
  const { memory, said } = memoryOf(nodes);
  writeFileSync(directory.own, "no folder");
  for (let time = 0; time < 3; time++) await memory.save();
  expect(said).toHaveLength(1);
  expect(said[0]).toStartWith("warn Cannot note which nodes are known: ");
  rmSync(directory.own);
  await memory.end();
  expect(namesIn()).toEqual(["Barn"]);
});
