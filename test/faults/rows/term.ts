/**
 * SIGTERM at full load, and restarts under the load of senders that pause.
 *
 * Without `this.drain(startMs)` in `Receiver.stop`: "the hub ended with 1: Stopped, but the disk
 * did not take 13 requests in time".
 */

import { tempDir } from "../../support/machine/temp.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { FaultHub } from "../hub.ts";
import { judge, problemsOf } from "../judge.ts";
import type { Row, Run } from "../row.ts";
import { Senders } from "../senders.ts";

interface Ending {
  readonly ms: number[];
  readonly unanswered: number;
  readonly lost: number;
  readonly of: number;
  readonly problems: string[];
}

/** Stops and starts the hub this often while senders send. */
async function stopTimes(run: Run, times: number, pauseMs: number): Promise<Ending> {
  using data = tempDir();
  const undo = atExit(() => data[Symbol.dispose]());
  const problems: string[] = [];
  const ms: number[] = [];
  await using hub = new FaultHub({ program: run.program, data: data.path });
  await hub.start();
  await using senders = new Senders(hub.address, {
    images: 12,
    events: 4,
    size: 12_000,
    pauseMs,
    timeoutMs: 2500,
  });
  for (let done = 0; done < times; done++) {
    if ((await senders.firstOk(Date.now() / 1000, "image")) === undefined)
      problems.push("no service before a stop");
    await Bun.sleep(100 + Math.random() * 200);
    const startedMs = performance.now();
    const status = await hub.stop();
    ms.push(performance.now() - startedMs);
    if (status !== 0)
      problems.push(`the hub ended with ${status}: ${hub.output.trim().split("\n").at(-1)}`);
    await hub.start();
  }
  await senders.firstOk(Date.now() / 1000, "image");
  const journal = await senders.stop();
  const findings = judge(data.path, journal);
  problems.push(...problemsOf(findings));
  if (findings.untold.length > 0)
    problems.push(`${findings.untold.length} requests were stored, and their senders not told`);
  undo();
  const unanswered = journal.filter((entry) => entry.reply === null).length;
  return { ms, unanswered, lost: findings.lost.length, of: findings.acknowledged, problems };
}

export const term: Row = {
  name: "term",
  cause: "SIGTERM at full load; restart under senders that pause",
  mustHold: "all delivered requests answered and stored, exit 0",
  needs: [],
  run: async (run) => {
    const full = await stopTimes(run, run.short ? 2 : 20, 0);
    run.say(`full load: ${full.unanswered} without an answer, ${full.lost} of ${full.of} lost`);
    const pauseMs = run.short ? 150 : 2;
    const paused = await stopTimes(run, run.short ? 2 : 20, pauseMs);
    const problems = [...full.problems, ...paused.problems];
    if (paused.unanswered > 0)
      problems.push(`${paused.unanswered} requests of senders that pause ${pauseMs} ms hung`);
    // At full load, each sender sends its next request just as its connection ends, to a hub that
    // no longer reads. Their number is not judged, only that none of these requests was accepted.
    const all = [...full.ms, ...paused.ms];
    return {
      figure:
        `${all.length} stops, at most ${Math.max(...all).toFixed(0)} ms; full load: ${full.lost} of ${full.of} lost, ` +
        `${full.unanswered} hanging; pauses of ${pauseMs} ms: ${paused.lost} of ${paused.of} lost, ${paused.unanswered} hanging`,
      problems,
    };
  },
};
