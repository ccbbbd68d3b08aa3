/**
 * Each call that the writer makes for one image and one event fails, or is the hub's last. The fast
 * path makes the same calls, and libzmq's calls between them, which must not fail.
 *
 * The calls are read from a trace of the hub, so a new call is covered too.
 *
 * Without the `checked` around `c.fsync` in `os/files.ts`: "synced, fsync 1 error=EIO: OK though
 * fsync failed", and the same for each of the three.
 */

import { readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Sender } from "../../support/peers/sender.ts";
import { tempDir } from "../../support/machine/temp.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { FaultHub, within } from "../hub.ts";
import { filesBelow, judge, problemsOf } from "../judge.ts";
import type { Outcome, Row, Run } from "../row.ts";
import type { Entry } from "../senders.ts";

/** The system calls that make files. */
const CALLS =
  "open,openat,write,pwrite64,fsync,fdatasync,sync_file_range,linkat,link,renameat2,renameat,rename,close,ftruncate,mkdir,mkdirat,unlink,unlinkat";

/** Maximum attempts at a point. */
const ATTEMPTS = 4;

/** The nth call of this kind by the writer. */
interface Point {
  readonly call: string;
  readonly nth: number;
}

/** strace on a thread of a hub, or with `-f` on all threads, until it is stopped. */
class Trace {
  readonly #process: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly #undo: () => void;

  private constructor(
    private readonly file: string,
    thread: number,
    options: readonly string[],
  ) {
    const words = ["strace", "-y", "-o", file, ...options, "-p", String(thread)];
    this.#process = Bun.spawn(words, { stdio: ["ignore", "ignore", "pipe"] });
    this.#undo = atExit(() => this.#process.kill("SIGKILL"));
  }

  /** Returns when it traces all calls. */
  static async attach(file: string, thread: number, options: readonly string[]): Promise<Trace> {
    const trace = new Trace(file, thread, options);
    const attached = async (): Promise<boolean> => {
      const decoder = new TextDecoder();
      let said = "";
      const reader = trace.#process.stderr.getReader();
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        said += decoder.decode(read.value, { stream: true });
        if (said.includes("attached")) return true;
      }
      throw new Error(`strace does not attach: ${said}`);
    };
    if ((await within(attached(), 10_000)) !== true) throw new Error("strace does not attach");
    return trace;
  }

  /** Detaches from the hub. @returns the lines */
  async stop(): Promise<string[]> {
    this.#process.kill("SIGINT");
    await this.#process.exited;
    this.#undo();
    return readFileSync(this.file, "utf8").split("\n");
  }
}

let requests = 0;

/** Sends one image and one event. */
async function sendBoth(sender: Sender): Promise<Entry[]> {
  requests += 1;
  const image = await sender.jpg(`Cam|jpg|${requests}`, { size: 30_000, seed: requests });
  const text = `Cam|Count|${requests}`;
  const event = await sender.event(text);
  const entry = (kind: Entry["kind"], msg: string, { reply, sha256, ms }: typeof image): Entry => ({
    kind,
    msg,
    reply,
    sha256,
    ms,
    at: Date.now() / 1000,
  });
  return [entry("image", `Cam|jpg|${requests}`, image), entry("event", text, event)];
}

/** The points in a trace of one thread that concern the data directory. */
function pointsOf(lines: readonly string[], data: string): Point[] {
  const counts = new Map<string, number>();
  const points: Point[] = [];
  for (const line of lines) {
    const call = /^(?<call>\w+)\(/.exec(line)?.groups?.["call"];
    if (call === undefined) continue;
    const nth = (counts.get(call) ?? 0) + 1;
    counts.set(call, nth);
    if (line.includes(data)) points.push({ call, nth });
  }
  return points;
}

class Bench implements AsyncDisposable {
  readonly #owned = tempDir();
  readonly #undo = atExit(() => this.#owned[Symbol.dispose]());
  readonly data = join(this.#owned.path, "data");
  readonly hub: FaultHub;
  readonly journal: Entry[] = [];
  readonly problems: string[] = [];
  #sender: Sender | undefined;

  constructor(
    run: Run,
    private readonly ack: string,
  ) {
    this.hub = new FaultHub({
      program: run.program,
      data: this.data,
      settings: { ack, writers: 1 },
    });
  }

  get sender(): Sender {
    this.#sender ??= new Sender(this.hub.port, { timeoutMs: 3000, routingId: "Cam" });
    return this.#sender;
  }

  /** Starts it and waits for its first line in the event log, so that traces do not contain it. */
  async start(): Promise<void> {
    await this.hub.start();
    const log = join(this.data, "logs/imagehub.log");
    for (let tries = 0; tries < 500 && !(await Bun.file(log).exists()); tries++)
      await Bun.sleep(10);
    await Bun.sleep(20);
  }

  /** The thread id of the writer: the thread that links images. */
  async writer(): Promise<number> {
    const file = join(this.#owned.path, "all.txt");
    const trace = await Trace.attach(file, this.hub.pid, ["-f", "-e", "trace=linkat"]);
    this.journal.push(...(await sendBoth(this.sender)));
    const lines = await trace.stop();
    const writer = lines.find((line) => line.includes("linkat("));
    if (writer === undefined) throw new Error("No thread of the hub links images");
    return Number(writer.split(" ")[0]);
  }

  /**
   * Judges the files and removes them, so that the next image needs a new folder, and the next
   * event a new log.
   */
  clear(): void {
    this.judge();
    this.journal.length = 0;
    for (const path of filesBelow(this.data)) if (!path.endsWith(".lock")) rmSync(path);
    for (const folder of readdirSync(join(this.data, "images")))
      rmdirSync(join(this.data, "images", folder));
  }

  /** The points of one image and one event. */
  async points(writer: number): Promise<Point[]> {
    const trace = await Trace.attach(join(this.#owned.path, "points.txt"), writer, [
      "-e",
      `trace=${CALLS}`,
    ]);
    this.journal.push(...(await sendBoth(this.sender)));
    return pointsOf(await trace.stop(), this.data);
  }

  /** Sends with a fault at one point. @returns whether the fault happened */
  async suffer(writer: number, { call, nth }: Point, fault: string): Promise<boolean> {
    const file = join(this.#owned.path, "fault.txt");
    const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:${fault}:when=${nth}`];
    const trace = await Trace.attach(file, writer, inject);
    const entries = await sendBoth(this.sender);
    this.journal.push(...entries);
    const lines = await trace.stop();
    const hit = lines.findIndex((line) => line.includes("(INJECTED)"));
    const what = `${this.ack}, ${call} ${nth} ${fault}: `;
    if (fault.startsWith("error")) {
      if (entries.some((entry) => entry.reply === null)) this.problems.push(`${what}no answer`);
      // A file that could not be closed, but was written and synced, may exist.
      if (hit >= 0 && call === "fsync" && entries.every((entry) => entry.reply === "OK"))
        this.problems.push(`${what}OK though fsync failed`);
      const after = await sendBoth(this.sender);
      this.journal.push(...after);
      if (after.some((entry) => entry.reply !== "OK"))
        this.problems.push(
          `${what}no service after it: ${after.map((entry) => entry.reply).join(", ")}`,
        );
    }
    return hit >= 0 || lines.some((line) => line.includes("killed by"));
  }

  judge(): void {
    const findings = judge(this.data, this.journal);
    this.problems.push(...problemsOf(findings, `${this.ack}: `));
    if (findings.leftovers.length > 0)
      this.problems.push(`${this.ack}: ${findings.leftovers.length} leftovers after a start`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sender?.[Symbol.asyncDispose]();
    await this.hub[Symbol.asyncDispose]();
    this.#undo();
  }
}

/** Every point with each error, in the same hub. `isNew`: each time in a new folder. */
async function failing(
  run: Run,
  ack: string,
  isNew: boolean,
): Promise<Outcome & { covered: number; of: number; points: Point[] }> {
  await using bench = new Bench(run, ack);
  await bench.start();
  const writer = await bench.writer();
  if (isNew) bench.clear();
  let points = await bench.points(writer);
  let [covered, of] = [0, 0];
  for (const error of run.short ? ["EIO"] : ["EIO", "ENOSPC"]) {
    for (const index of points.keys()) {
      of += 1;
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        if (isNew) bench.clear();
        if (await bench.suffer(writer, points[index]!, `error=${error}`)) {
          covered += 1;
          break;
        }
        // The runtime sometimes opens files of its own (/proc/self/statm), and then later calls
        // have other numbers.
        if (isNew) bench.clear();
        const again = await bench.points(writer);
        if (again.length === points.length) points = again;
      }
    }
  }
  if ((await bench.hub.stop()) !== 0) bench.problems.push("the hub did not end with 0");
  await bench.start();
  bench.judge();
  return { figure: "", problems: bench.problems, covered, of, points };
}

/** Death at some of the points. */
async function dying(
  run: Run,
  ack: string,
  points: readonly Point[],
  isNew: boolean,
): Promise<Outcome & { covered: number }> {
  await using bench = new Bench(run, ack);
  let covered = 0;
  for (const point of points) {
    if (!bench.hub.runs) await bench.start();
    const writer = await bench.writer();
    if (isNew) bench.clear();
    if (await bench.suffer(writer, point, "signal=KILL")) covered += 1;
    await within(bench.hub.ended(), 2000);
    await bench.start();
    bench.judge();
  }
  return { figure: "", problems: bench.problems, covered };
}

export const errors: Row = {
  name: "errors",
  cause: "death or error at the Nth open, write, fsync, link, close of one image and one event",
  mustHold: "no false OK, no partial file, leftovers cleared at start",
  needs: ["strace"],
  run: async (run) => {
    const problems: string[] = [];
    let [covered, of] = [0, 0];
    const all = [
      ["synced", false],
      ["synced", true],
      ["stored", false],
      ["stored", true],
    ] as const;
    for (const [ack, isNew] of run.short ? all.slice(0, 1) : all) {
      const failed = await failing(run, ack, isNew);
      const deaths = failed.points.filter((_, index) => !run.short || index % 5 === 1);
      const died = await dying(run, ack, deaths, isNew);
      covered += failed.covered + died.covered;
      of += failed.of + deaths.length;
      problems.push(...failed.problems, ...died.problems);
      run.say(
        `${ack}: ${failed.points.map(({ call }) => call).join(" ")}: ${covered} of ${of} points covered`,
      );
    }
    if (covered < of) problems.push(`only ${covered} of ${of} points were met`);
    return { figure: `${covered} of ${of} points covered`, problems };
  },
};
