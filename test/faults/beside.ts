/**
 * Compares how normal senders are served alone, and beside hostile peers.
 *
 * @module
 */

import { tempDir } from "../support/machine/temp.ts";
import { atExit } from "../../scripts/lib/at-exit.ts";
import { FaultHub } from "./hub.ts";
import { judge, problemsOf } from "./judge.ts";
import type { Outcome, Run } from "./row.ts";
import { type Entry, percentile, Senders } from "./senders.ts";

/** imagenode gives up after one second without a reply. */
export const SERVED_MS_MAX = 1000;

/** Cameras that connect when the others are there. */
const NEWCOMERS = 3;

/** The peers beside the normal senders. */
export interface Beside {
  /** Number of normal senders of images. A tenth as many send events. */
  readonly senders: number;
  /** Words before the hub's program. */
  readonly before?: readonly string[];
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the hub may refuse requests while the others are there, as long as it answers. */
  readonly mayRefuse?: boolean;
  /** Maximum descriptors of the hub at the end, while the others are still there. */
  readonly descriptorsMax?: number;
  /** Maximum memory of the hub, in MB. */
  readonly memoryMbMax?: number;
  /** File names that the others may leave. */
  readonly foreign?: RegExp;
  /** Starts the others. */
  readonly others: (port: number) => Promise<AsyncDisposable[]>;
}

/** Runs a hub with normal senders alone, and then with the others. */
export async function besides(run: Run, beside: Beside): Promise<Outcome> {
  using data = tempDir();
  const undo = atExit(() => data[Symbol.dispose]());
  const {
    senders: count,
    before = [],
    settings = {},
    env = {},
    others,
    foreign,
    mayRefuse = false,
    descriptorsMax = Number.POSITIVE_INFINITY,
    memoryMbMax = Number.POSITIVE_INFINITY,
  } = beside;
  await using hub = new FaultHub({ program: run.program, data: data.path, before, settings, env });
  await hub.start();
  const phaseMs = run.short ? 1500 : 15_000;
  const problems: string[] = [];
  const load = { images: count, events: Math.ceil(count / 10), size: 20_000, pauseMs: count * 10 };
  await using senders = new Senders(hub.address, load);
  await senders.firstOk(0, "image");
  await Bun.sleep(500);
  const quietS = Date.now() / 1000;
  await Bun.sleep(phaseMs);
  const besideS = Date.now() / 1000;
  const started = await others(hub.port);
  await using newcomers = new Senders(hub.address, { ...load, images: NEWCOMERS, events: 0 });
  if ((await newcomers.firstOk(besideS)) === undefined)
    problems.push("a camera that comes is not served while the others are there");
  await Bun.sleep(phaseMs);
  const usage = hub.usage();
  if (usage.fds > descriptorsMax) problems.push(`the hub has ${usage.fds} descriptors open`);
  if (usage.peakMb > memoryMbMax) problems.push(`the hub has taken ${usage.peakMb} MB`);
  await Promise.all(started.map(async (other) => await other[Symbol.asyncDispose]()));
  const goneS = Date.now() / 1000;
  const back = await senders.firstOk(goneS);
  if (back === undefined) problems.push("no service after they went");
  const journal = [...(await senders.stop()), ...(await newcomers.stop())];
  problems.push(...problemsOf(judge(data.path, journal, foreign)));
  const between = (fromS: number, toS: number): Entry[] =>
    journal.filter((entry) => entry.at > fromS && entry.at <= toS);
  const [alone, together] = [between(quietS, besideS), between(besideS, goneS)];
  const served = (entry: Entry): boolean =>
    entry.reply === "OK" || (mayRefuse && entry.reply !== null);
  const bad = journal.filter((entry) => !served(entry)).length;
  if (bad > 0) problems.push(`${bad} requests of normal senders were not served`);
  const refused = journal.filter((entry) => entry.reply?.startsWith("ERROR")).length;
  const [quiet, p99] = [percentile(alone), percentile(together)];
  if (!mayRefuse && together.length < alone.length / 4)
    problems.push(`only ${together.length} requests, ${alone.length} in quiet`);
  if (!mayRefuse && p99 > SERVED_MS_MAX) problems.push(`p99 ${p99} ms`);
  if ((await hub.stop()) !== 0) problems.push("the hub did not end with 0");
  undo();
  return {
    figure:
      `p99 ${p99} ms against ${quiet} ms in quiet, ${bad} not answered, ${refused} refused; the hub at most ${usage.peakMb} MB, ` +
      `${usage.fds} descriptors`,
    problems,
  };
}
