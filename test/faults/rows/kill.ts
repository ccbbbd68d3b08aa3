/**
 * The hub is killed under load, again and again, and started again.
 *
 * If OK is sent when the request is put into the queue (in `Requests`, as `ack: received` does):
 * "1536 acknowledged and lost" of 2086 in five kills.
 */

import { judge, problemsOf } from "../judge.ts";
import { FaultHub } from "../hub.ts";
import type { Outcome, Row, Run } from "../row.ts";
import { type Entry, Senders } from "../senders.ts";
import { tempDir } from "../../support/machine/temp.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";

/** Files that are checked at once. Others are finished. */
const JUDGED_EVERY = 20;

async function killTimes(
  run: Run,
  ack: string,
  times: number,
): Promise<Outcome & { lost: number; of: number }> {
  const problems: string[] = [];
  const againMs: number[] = [];
  let [lost, of, leftovers] = [0, 0, 0];
  for (let done = 0; done < times;) {
    using data = tempDir();
    const undo = atExit(() => data[Symbol.dispose]());
    await using hub = new FaultHub({ program: run.program, data: data.path, settings: { ack } });
    await hub.start();
    // A request that the dead hub had taken is never answered. A short timeout keeps up the load.
    await using senders = new Senders(hub.address, {
      images: 10,
      events: 3,
      size: 12_000,
      timeoutMs: 300,
    });
    for (let round = 0; round < JUDGED_EVERY && done < times; round++, done++) {
      const at = Date.now() / 1000;
      if ((await senders.firstOk(at, "image")) === undefined)
        problems.push("no service before a kill");
      await Bun.sleep(Math.random() * 150);
      await hub.kill();
      const restartedMs = await hub.start();
      const again = await senders.firstOk(restartedMs / 1000, "image");
      if (again === undefined) problems.push("no service after a kill");
      else againMs.push(again * 1000 - restartedMs);
    }
    const journal: Entry[] = await senders.stop();
    const findings = judge(data.path, journal);
    lost += findings.lost.length;
    of += findings.acknowledged;
    leftovers += findings.leftovers.length;
    problems.push(...problemsOf(findings, `${ack}: `));
    if (findings.leftovers.length > 0)
      problems.push(`${ack}: ${findings.leftovers.length} leftovers after a start`);
    run.say(`${ack}: ${done} kills, ${lost} of ${of} acknowledged lost`);
    undo();
  }
  const mean = againMs.reduce((sum, ms) => sum + ms, 0) / againMs.length;
  const figure = `${ack}: ${lost} of ${of} lost in ${times} kills, serves again after ${mean.toFixed(0)} ms (at most ${Math.max(...againMs).toFixed(0)}), ${leftovers} leftovers`;
  return { figure, problems, lost, of };
}

export const kill: Row = {
  name: "kill",
  cause: "kill -9 under load",
  mustHold: "0 acknowledged lost (stored, synced)",
  needs: [],
  run: async (run) => {
    const times = run.short ? 5 : 100;
    const stored = await killTimes(run, "stored", times);
    const synced = await killTimes(run, "synced", times);
    return {
      figure: `${stored.figure}; ${synced.figure}`,
      problems: [...stored.problems, ...synced.problems],
    };
  },
};
