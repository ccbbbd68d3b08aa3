/**
 * Records what a hub was sent and answered, and checks that its files match.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Hub } from "../support/hub/hub.ts";
import { GOOD_NODE, type GoodSenderResult } from "./good-sender.ts";
import { FUZZ_NODE, type Request } from "./messages.ts";
import { mustBeSafeName } from "./names.ts";
import { count, must, mustBeOneLine } from "./target.ts";

/** `-2018-12-30T23.13.31.620992.jpg` */
const IMAGE_NAME =
  /^(?<name>.+)-(?<date>\d{4}-\d\d-\d\d)T\d\d\.\d\d\.\d\d\.\d{6}\.(?<kind>jpg|png)$/u;
const LOG_LINE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ~ (?<text>.*)$/u;

const JPEG_START = Buffer.from("ffd8", "hex");
const JPEG_END = Buffer.from("ffd9", "hex");
/** The PNG signature, and the chunk IEND with its checksum. */
const PNG_START = Buffer.from("89504e470d0a1a0a", "hex");
const PNG_END = Buffer.from("49454e44ae426082", "hex");

function sha256(bytes: Uint8Array): string {
  return Bun.SHA256.hash(bytes, "hex");
}

/** What was sent and answered, for the final check of the files. */
export class Journal {
  readonly outcomes = new Map<string, number>();
  /**
   * Images answered `OK`, by name and hash. Those that the hub encodes, by name and kind of file.
   */
  readonly images = new Map<string, number>();
  readonly encoded = new Map<string, number>();
  readonly events = new Map<string, number>();
  /** Hashes of everything that a file may contain. */
  readonly sent = new Set<string>();
  messages = 0;
  replies = 0;
  connections = 0;

  willSend({ frames, image }: Request): void {
    this.messages += 1;
    if (image !== undefined && image.encodedAs === undefined) this.sent.add(sha256(frames.at(-1)!));
  }

  wasAnswered({ frames, image, event, reply }: Request): void {
    this.replies += 1;
    count(this.outcomes, reply === "OK" ? "answered OK" : "answered ERROR");
    if (event !== undefined) count(this.events, event);
    if (image === undefined) return;
    if (image.encodedAs !== undefined) count(this.encoded, `${image.name} ${image.encodedAs}`);
    else count(this.images, `${image.name} ${sha256(frames.at(-1)!)}`);
  }
}

function percentile(sorted: readonly number[], share: number): string {
  return (
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  ).toFixed(1);
}

/** Counts what is missing. */
function missing(
  wanted: ReadonlyMap<string, number>,
  found: ReadonlyMap<string, number>,
): string[] {
  return [...wanted]
    .filter(([what, times]) => (found.get(what) ?? 0) < times)
    .map(([what]) => what);
}

/** The files below `images/` at the end. */
interface Stored {
  /** By name and hash. */
  readonly images: ReadonlyMap<string, number>;
  /** By name and kind: files with the right start and end that were not sent like this. */
  readonly encoded: ReadonlyMap<string, number>;
  /** Hashes of the good sender's images. */
  readonly good: ReadonlySet<string>;
  readonly files: number;
}

/** Whether a file begins and ends like one of its kind. */
function isWhole(bytes: Buffer, kind: string | undefined): boolean {
  const [start, end] = kind === "png" ? [PNG_START, PNG_END] : [JPEG_START, JPEG_END];
  return bytes.subarray(0, start.length).equals(start) && bytes.subarray(-end.length).equals(end);
}

/** Checks every file. @param root as far up as a name could lead */
function readStored(hub: Hub, root: string, sent: ReadonlySet<string>): Stored {
  const images = new Map<string, number>();
  const encoded = new Map<string, number>();
  const good = new Set<string>();
  let files = 0;
  const here = relative(root, hub.dataDir);
  const today = hub.today();
  const own = String.raw`logs/imagehub\.log|\.imagehub\.lock|\.imagehub/(?:prune\.lock|days\.json|nodes\.json(?:\.new)?)`;
  const known = new RegExp(`^(?:${here}/(?:${own})|[^\\n]*/imagehub\\.yaml)$`);
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const folder = relative(root, entry.parentPath);
    const path = join(folder, entry.name);
    if (folder !== `${here}/images/${today}`) {
      must(
        known.test(path) && entry.isFile(),
        `A file where none belongs: ${JSON.stringify(path)}`,
      );
      continue;
    }
    files += 1;
    const { name, date, kind } = IMAGE_NAME.exec(entry.name)?.groups ?? {};
    must(name !== undefined && date === today, `A file with an odd name: ${JSON.stringify(path)}`);
    mustBeSafeName(name);
    const bytes = readFileSync(join(root, path));
    const hash = sha256(bytes);
    count(images, `${name} ${hash}`);
    if (name === GOOD_NODE) good.add(hash);
    if (sent.has(hash)) continue;
    must(
      name !== FUZZ_NODE,
      `A file that was not sent so, of ${bytes.byteLength} bytes: ${JSON.stringify(path)}`,
    );
    if (isWhole(bytes, kind)) count(encoded, `${name} ${kind}`);
  }
  return { images, encoded, good, files };
}

function checkLog(hub: Hub, events: ReadonlyMap<string, number>): number {
  const logged = new Map<string, number>();
  const lines = hub.log();
  for (const line of lines) {
    mustBeOneLine(line, "A line of the event log");
    const text = LOG_LINE.exec(line)?.groups?.["text"];
    must(text !== undefined, `A line of the event log has another form: ${JSON.stringify(line)}`);
    count(logged, text);
  }
  const lost = missing(events, logged);
  must(
    lost.length === 0,
    `${lost.length} events answered OK are not in the log: ${JSON.stringify(lost[0])}`,
  );
  return lines.length;
}

function peakMemory(hub: Hub): string {
  const status = readFileSync(`/proc/${hub.pid}/status`, "utf8");
  return `${Math.round(Number(/VmHWM:\s*(\d+)/.exec(status)?.[1]) / 1024)} MiB`;
}

/** Stops the hub and checks everything that it left. @returns figures */
export async function settle(
  hub: Hub,
  root: string,
  journal: Journal,
  good: GoodSenderResult,
): Promise<Record<string, string>> {
  must(good.faults.length === 0, `The good sender: ${good.faults.slice(0, 3).join("; ")}`);
  must(good.stored.length > 0, "The good sender sent nothing");
  const memory = peakMemory(hub);
  const stopMs = performance.now();
  const status = await hub.stop();
  const stoppedMs = performance.now() - stopMs;
  must(status === 0, `The hub ended with status ${status}`);

  const stored = readStored(hub, root, journal.sent);
  const lostGood = good.stored.filter((hash) => !stored.good.has(hash));
  must(
    lostGood.length === 0,
    `${lostGood.length} images of the good sender, answered OK, are not there as they were sent`,
  );
  const sentGood = new Set(good.stored);
  const partial = [...stored.good].filter((hash) => !sentGood.has(hash));
  must(
    partial.length === 0,
    `${partial.length} images of the good sender are not as they were sent`,
  );
  const lost = missing(journal.images, stored.images);
  must(
    lost.length === 0,
    `${lost.length} images answered OK are not there as they were sent: ${lost[0]}`,
  );
  const lostRaw = missing(journal.encoded, stored.encoded);
  must(
    lostRaw.length === 0,
    `${lostRaw.length} arrays answered OK are not there as JPEGs or PNGs: ${JSON.stringify(lostRaw[0])}`,
  );
  const lines = checkLog(hub, journal.events);

  const latencies = good.latenciesMs.toSorted((a, b) => a - b);
  return {
    messages: `${journal.messages} sent, ${journal.replies} answered`,
    connections: String(journal.connections),
    "good sender": `${good.stored.length} OK of ${good.latenciesMs.length}, p50 ${percentile(latencies, 0.5)}, max ${percentile(latencies, 1)} ms`,
    "good sender's p99": `${percentile(latencies, 0.99)} ms`,
    images: `${stored.files} stored`,
    "event log": `${lines} lines`,
    "hub's peak memory": memory,
    stop: `exit 0 after ${stoppedMs.toFixed(0)} ms`,
  };
}
