/**
 * A tiny run of `npm run bench`: checks that it runs and counts correctly. Its figures say nothing
 * about speed.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { CHECKOUT, lacks, PYTHON } from "../../scripts/lib/available.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { tempDir } from "../support/machine/temp.ts";

// Only so that nothing hangs for ever.
setDefaultTimeout(300_000);

const jsonSchema = z.object({
  machine: z.string(),
  workloads: z.array(
    z.object({
      workload: z.string(),
      candidate: z.string(),
      variant: z.string(),
      lost: z.number().nullable(),
      rounds: z.array(
        z.looseObject({
          answered: z.number(),
          refused: z.number(),
          unanswered: z.number(),
          stored: z.number().nullable(),
          quartersMb: z.array(z.number()).optional(),
          startMs: z.number().optional(),
        }),
      ),
    }),
  ),
  goals: z.array(
    z.object({ what: z.string(), goal: z.string(), figure: z.string(), met: z.boolean() }),
  ),
});

/** A hub that answers everything but stores only every second image. */
const FORGETFUL = `
import os, signal, sys, time, zmq

def end(*_):
    time.sleep(0.5)
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
socket = zmq.Context().socket(zmq.REP)
socket.bind(sys.argv[1])
os.makedirs(sys.argv[2] + "/images/today", exist_ok=True)
count = 0
while True:
    text, payload = socket.recv_multipart()
    if b"|jpg|" in text:
        count += 1
        if count % 2:
            with open(f"{sys.argv[2]}/images/today/{count}.jpg", "wb") as file:
                file.write(payload)
    socket.send(b"OK")
`;

/** Runs the benchmark in folders of the test. */
function bench(folder: string, ...options: readonly string[]) {
  const words = [
    "--short",
    "--tmpfs",
    join(folder, "memory"),
    "--disk",
    join(folder, "disk"),
    ...options,
  ];
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [process.execPath, join(CHECKOUT, "scripts/bench.ts"), ...words],
    { stdin: "ignore", cwd: folder, timeout: 240_000 },
  );
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

function workloads(...names: readonly string[]): string[] {
  return names.flatMap((name) => ["--workload", name]);
}

/** What is left in its work folders. */
function leftovers(folder: string): string[] {
  return ["memory", "disk"].flatMap((each) =>
    existsSync(join(folder, each)) ? readdirSync(join(folder, each)) : [],
  );
}

describe.skipIf(lacks("bench"))("bench", () => {
  test("counts what the hub and the yardsticks have stored, and leaves nothing behind", () => {
    using dir = tempDir();
    const [json, svg] = [join(dir.path, "bench.json"), join(dir.path, "bench.svg")];
    const candidates = ["source", "yardstick", "workers"].flatMap((name) => ["--candidate", name]);
    // prettier-ignore
    const names = workloads("images-4", "raw", "events", "memory", "connected-1000", "full-folder", "ack-synced", "start");
    const { exitCode, stdout, stderr } = bench(
      dir.path,
      ...names,
      ...candidates,
      "--json",
      json,
      "--svg",
      svg,
    );
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });

    const result = jsonSchema.parse(JSON.parse(readFileSync(json, "utf8")));
    // Two candidates; two of the eight workloads have two variants. The five workloads at full
    // speed, except raw, have a third candidate.
    expect(result.workloads.length).toBe(27);
    for (const { workload, candidate, variant, lost, rounds } of result.workloads) {
      const [round] = rounds;
      const name = [workload, candidate, variant].join(" ");
      expect(round!.answered, name).toBeGreaterThan(0);
      expect({ name, ...round }).toMatchObject({
        name,
        refused: 0,
        unanswered: 0,
        stored: round!.answered,
      });
      expect({ name, lost }).toEqual({ name, lost: 0 });
    }
    const roundOf = (name: string) =>
      result.workloads.find(
        ({ workload, candidate }) => workload === name && candidate === "source",
      )!.rounds[0]!;
    expect(roundOf("memory").answered).toBe(400);
    expect(roundOf("memory").quartersMb!.length).toBe(4);
    expect(roundOf("start").answered).toBe(1);
    expect(roundOf("start").startMs).toBeGreaterThan(0);

    expect(result.goals.length).toBe(7);
    for (const { what } of result.goals) expect(stdout).toContain(what);
    const drawing = readFileSync(svg, "utf8");
    expect(drawing).toMatch(/^<svg [^]*<\/svg>\n$/);
    expect(drawing).toContain("<title>source, 4: ");
    expect(drawing).not.toContain("NaN");
    expect(drawing.match(/<(?:text|title|style)\b/g)!.length).toBe(
      drawing.match(/<\/(?:text|title|style)>/g)!.length,
    );
    expect(leftovers(dir.path)).toEqual([]);
  });

  test.skipIf(lacks("python"))("says what a peer has lost that answers and does not store", () => {
    using dir = tempDir();
    const [json, script, data] = ["bench.json", "forgetful.py", "data"].map((name) =>
      join(dir.path, name),
    );
    writeFileSync(script!, FORGETFUL);
    const endpoint = `tcp://127.0.0.1:${freePort()}`;
    // A shell that stays, and ends before its child does.
    const command = `${PYTHON} ${script} ${endpoint} ${data}; true`;
    const peer = ["--peer", command, "--peer-endpoint", endpoint, "--rounds", "2"];
    const names = workloads("images-4", "events", "paced-360");
    const options = [
      ...names,
      "--candidate",
      "yardstick",
      ...peer,
      "--peer-data",
      data!,
      "--json",
      json!,
    ];
    const { exitCode, stdout, stderr } = bench(dir.path, ...options);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const result = jsonSchema.parse(JSON.parse(readFileSync(json!, "utf8")));
    const peers = result.workloads.filter(({ candidate }) => candidate === "peer");
    expect(peers.map(({ workload }) => workload)).toEqual(["images-4", "events", "paced-360"]);
    for (const { workload, lost, rounds } of peers) {
      const answered = rounds.reduce((total, round) => total + round.answered, 0);
      expect(answered, workload).toBeGreaterThan(10);
      // Images: every second one, counted from each of its two starts. Events: all.
      const half = workload === "events" ? answered : answered / 2;
      expect(Math.abs(lost! - half), `${workload}: ${lost} of ${answered}`).toBeLessThanOrEqual(
        rounds.length,
      );
    }
    expect(stdout).toMatch(/images-4, round 1, peer: .*, lost [1-9]/);
  });

  test("refuses a peer's folder with something in it, and leaves it alone", () => {
    using dir = tempDir();
    const data = join(dir.path, "data");
    mkdirSync(data);
    writeFileSync(join(data, "precious.jpg"), "");
    const endpoint = `tcp://127.0.0.1:${freePort()}`;
    const peer = ["--peer", "sleep 60", "--peer-endpoint", endpoint, "--peer-data", data];
    const { exitCode, stderr } = bench(
      dir.path,
      ...workloads("images-1"),
      ...peer,
      "--candidate",
      "yardstick",
    );
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`Cannot use ${data} as --peer-data: it must be empty`);
    expect(readdirSync(data)).toEqual(["precious.jpg"]);
  });
});

test.each([
  [["--workload", "images-3"], '--workload is "images-3", must be one of images-1, images-4,'],
  [["--seconds", "0"], '--seconds is "0", must be a number from 0.05 to 600'],
  [["--rounds", "1.5"], '--rounds is "1.5", must be a whole number from 1 to 1000'],
  [["--peer", "hub"], "--peer needs --peer-endpoint with an address of this machine"],
  [
    ["--peer", "hub", "--peer-endpoint", "tcp://192.0.2.1:5555"],
    "--peer needs --peer-endpoint with an address of this machine",
  ],
  [["--peer-data", "x"], "--peer-endpoint and --peer-data need --peer"],
])("bench refuses %j", (options, message) => {
  using dir = tempDir();
  const { exitCode, stderr } = bench(dir.path, ...options);
  expect(exitCode).toBe(64);
  expect(stderr).toContain(message);
});
