import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { defaultSettings } from "../../src/config/schema.ts";
import { Metrics } from "../../src/http/metrics.ts";
import { Overview } from "../../src/http/overview.ts";
import { newRow } from "../../src/receiver/activity.ts";
import { observe } from "../../src/shared/histogram.ts";
import { Counter, createShared, histogramAt } from "../../src/shared/memory.ts";
import { lacks, PARTS, PROGRAMS, PYTHON } from "../../scripts/lib/available.ts";
import { startHub } from "../support/hub/hub.ts";
import { answered, get, httpOf, WITH_HTTP } from "../support/hub/http.ts";
import { Sender } from "../support/peers/sender.ts";
import { statusAt } from "../support/hub/status.ts";
import { tempDir } from "../support/machine/temp.ts";
import { guardAt } from "../support/store/data-guard.ts";
import { Turning } from "../support/hub/turning.ts";

setDefaultTimeout(120_000);

/** What the metrics are to be; after a change that is meant, what this test prints. */
const GOLDEN = readFileSync(join(import.meta.dir, "golden/metrics.txt"), "utf8");

const familySchema = z.object({
  name: z.string(),
  type: z.string(),
  help: z.string(),
  samples: z.array(
    z.object({ name: z.string(), labels: z.record(z.string(), z.string()), value: z.number() }),
  ),
});

type Family = z.output<typeof familySchema>;

/** Reads metrics as Prometheus does. @throws {Error} where it could not */
function parse(text: string): Family[] {
  const script = join(import.meta.dir, "../support/hub/prometheus_parser.py");
  const { success, stdout, stderr } = Bun.spawnSync([PYTHON, script], { stdin: Buffer.from(text) });
  if (!success) throw new Error(`Prometheus' parser refuses it: ${stderr.toString()}`);
  return z.array(familySchema).parse(JSON.parse(stdout.toString()));
}

/** The text with an `N` for each number that is another each time. */
function masked(text: string): string {
  return text
    .replaceAll(/^((?:process|imagehub_filesystem)_\w+) \S+$/gm, "$1 N")
    .replaceAll(
      /^(imagehub_build_info\{version=")[^"]*(",commit="source",bun=")[^"]*"/gm,
      '$1N$2N"',
    );
}

const sample = (
  families: Family[],
  name: string,
  labels: Record<string, string> = {},
): number | undefined =>
  families
    .flatMap(({ samples }) => samples)
    .find((each) => each.name === name && Bun.deepEquals(each.labels, labels))?.value;

let turning: Turning | undefined;

afterEach(() => {
  turning?.[Symbol.dispose]();
  turning = undefined;
});

/** An overview of a hub with something of everything. */
function overviewIn(directory: string): Overview {
  const shared = createShared(4);
  for (const [index, name] of Object.keys(Counter).entries()) {
    shared.counters[Counter[name as keyof typeof Counter]] = 100 + index;
  }
  shared.counters[Counter.eventsFailed] = 1;
  for (const ms of [0.2, 3, 3, 20_000]) observe(histogramAt(shared), ms);
  for (const writer of [0, 1]) observe(histogramAt(shared, writer), 1);
  mkdirSync(join(directory, "images"));
  turning = new Turning(shared);
  guardAt(directory, shared);
  const overview = new Overview(
    { ...defaultSettings(), data_directory: directory },
    shared,
    turning.liveness,
  );
  overview.update({
    type: "activity",
    nodes: [
      {
        ...newRow('Say "cheese"\\', 0),
        lastSeenMs: 1_795_300_000_500,
        silentSinceMs: 1_795_300_900_500,
      },
      {
        ...newRow("", 1),
        lastSeenMs: 1_795_300_000_000,
        lastHeartbeatMs: 1_795_300_000_000,
      },
    ],
    count: 2,
    isNews: true,
    outcomes: {},
  });
  overview.kept.add({
    type: "report",
    days: 3,
    firstDay: "2026-11-20",
    images: 30,
    bytes: 1500,
    protectedImages: 1,
    cameras: [
      { name: "Barn-Door", images: 10, bytes: 1000 },
      { name: 'Say-"cheese"', images: 20, bytes: 500 },
    ],
    bytesPerDay: 100,
    outlook: "filling",
    fullInDays: 2,
    pruned: [{ reason: "min_free", count: 3, bytes: 300 }],
    minFree: 0,
    isHelpless: false,
    isFutile: false,
    problems: ["A rule is off"],
  });
  overview.outlets = statusAt("2026-11-22T15:00:30.000Z").outlets;
  overview.replication.state = statusAt("2026-11-22T15:00:30.000Z").replication ?? undefined;
  return overview;
}

test("Metrics writes them as in golden/metrics.txt", async () => {
  using temp = tempDir();
  const metrics = new Metrics(overviewIn(temp.path));
  expect(metrics.type).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(masked(await metrics.text())).toBe(GOLDEN);
  // Nothing is counted twice when it is read again.
  expect(masked(await metrics.text())).toBe(GOLDEN);
});

test("Metrics says since when the archive is up to date, once that is known", async () => {
  using temp = tempDir();
  const overview = overviewIn(temp.path);
  const metrics = new Metrics(overview);
  const lastSuccess = /^imagehub_archive_last_success_timestamp_seconds \d/m;
  expect(await metrics.text()).not.toMatch(lastSuccess);
  overview.archive.lastGoodMs = 1_795_300_000_000;
  expect(await metrics.text()).toMatch(lastSuccess);
});

test.skipIf(lacks("prometheus"))("Metrics writes what Prometheus reads", async () => {
  using temp = tempDir();
  const families = parse(await new Metrics(overviewIn(temp.path)).text());
  expect(families.length).toBe(GOLDEN.match(/^# TYPE /gm)!.length);
  expect(families.every(({ help, type }) => help !== "" && type !== "unknown")).toBe(true);
  const seen = "imagehub_node_last_message_timestamp_seconds";
  expect(sample(families, seen, { node: 'Say "cheese"\\' })).toBe(1_795_300_000.5);
  expect(sample(families, "imagehub_answer_duration_seconds_bucket", { le: "+Inf" })).toBe(4);
  expect(sample(families, "imagehub_answer_duration_seconds_sum")).toBeCloseTo(20.0062, 9);
});

test("Metrics never counts images that failed back, when it is read in between", async () => {
  using temp = tempDir();
  const overview = overviewIn(temp.path);
  const { counters } = overview.shared;
  const metrics = new Metrics(overview);
  const failed = async (): Promise<string | undefined> =>
    /kind="image",outcome="failed"\} (\d+)/.exec(await metrics.text())?.[1];
  counters[Counter.failed] = 5;
  expect(await failed()).toBe("4");
  counters[Counter.eventsFailed]!++;
  expect(await failed()).toBe("4");
  counters[Counter.failed]!++;
  expect(await failed()).toBe("4");
});

describe.each(PROGRAMS.filter((program) => program !== "arm64"))(
  "/metrics of a hub (%s)",
  (program) => {
    test.skipIf(lacks("python", "prometheus", ...PARTS[program]))(
      "counts what has come",
      async () => {
        await using hub = await startHub({ program, env: WITH_HTTP });
        await using sender = new Sender(hub.port);
        for (let count = 0; count < 3; count++) await sender.jpg("Barn|jpg|", { size: 20_000 });
        await sender.event("Barn|Restart|rpi");
        await sender.heartbeat("Barn");
        await sender.frames(["no json", "x"]);
        const url = `${httpOf(hub)}/metrics`;
        const node = { node: "Barn" };
        const heartbeat = "imagehub_node_last_heartbeat_timestamp_seconds";
        const families = await answered(
          async () => parse((await get(url))[1]),
          (read) =>
            sample(read, heartbeat, node) !== undefined &&
            sample(read, "imagehub_connections") === 1,
        );
        expect(families.map(({ name }) => name)).toEqual(
          parse(GOLDEN.replaceAll(/ N$/gm, " 1")).map(({ name }) => name),
        );
        const messages = (kind: string, outcome: string): number | undefined =>
          sample(families, "imagehub_messages_total", { kind, outcome });
        expect(messages("image", "stored")).toBe(3);
        expect(messages("event", "stored")).toBe(1);
        expect(messages("heartbeat", "answered")).toBe(1);
        expect(messages("invalid", "refused")).toBe(1);
        expect(messages("image", "failed")).toBe(0);
        expect(sample(families, "imagehub_image_bytes_total")).toBe(60_000);
        expect(sample(families, "imagehub_images_today")).toBe(3);
        expect(sample(families, "imagehub_healthy")).toBe(1);
        expect(sample(families, "imagehub_queue_requests")).toBe(0);
        expect(sample(families, "imagehub_answer_duration_seconds_count")).toBe(4);
        // The hub's own first line in the event log is written, too, and nobody waits for it.
        expect(sample(families, "imagehub_write_duration_seconds_count")).toBe(5);
        const seen = sample(families, "imagehub_node_last_message_timestamp_seconds", node)!;
        expect(Math.abs(seen - Date.now() / 1000)).toBeLessThan(600);
      },
    );
  },
);
