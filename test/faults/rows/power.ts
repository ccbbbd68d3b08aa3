/**
 * The disk loses its power under load. Its content is judged before a hub touches it, and after one
 * has started on it.
 *
 * Without `fsync(fd)` in `WholeFileWriter.fill`, nearly all images come back with 0 bytes: "99
 * acknowledged and lost", "99 partial files". Without `fsyncDirectory(folder)` in
 * `ImageStore.write`, the last image is gone: "1 acknowledged and lost", and more with more cuts.
 * Without the flusher: "stored: lost what had been acknowledged 6.0 s before the cut". Without
 * `fsync(fd)` in `EventLog.appendLine`: "52 acknowledged and lost" of the events, and the log has a
 * line of NULs.
 */

import { zoneBeforeMidnight } from "../../../scripts/lib/zone.ts";
import { LoopDisk } from "../disk.ts";
import { FaultHub } from "../hub.ts";
import { judge, problemsOf } from "../judge.ts";
import type { Row, Run } from "../row.ts";
import { type Entry, Senders } from "../senders.ts";

/**
 * Maximum age of what a power cut loses with `stored`, in seconds: `sync_interval`, plus a flush
 * under load.
 */
const STORED_LOSS_S_MAX = 4;

interface Cut {
  readonly acknowledged: number;
  readonly lost: number;
  readonly partial: number;
  /** Age of the oldest lost request at the cut, in seconds since it was acknowledged. */
  readonly oldestS: number;
  readonly problems: string[];
}

async function cut(run: Run, ack: string, atMidnight: boolean): Promise<Cut> {
  using disk = new LoopDisk();
  const beforeS = 2;
  const midnightMs = (Math.floor(Date.now() / 1000) + beforeS) * 1000;
  const env = atMidnight ? { TZ: zoneBeforeMidnight(beforeS).zone } : {};
  const data = `${disk.path}/data`;
  await using hub = new FaultHub({
    program: run.program,
    data,
    settings: { ack, bind: "127.0.0.1" },
    env,
  });
  await hub.start();
  await using senders = new Senders(hub.address, {
    images: 10,
    events: 3,
    size: 12_000,
    timeoutMs: 1500,
  });
  await senders.firstOk(0, "image");
  // With `stored`, later than the oldest request that may be lost.
  const longer = ack === "synced" ? 400 : (STORED_LOSS_S_MAX + 2) * 1000;
  await Bun.sleep(
    atMidnight
      ? Math.max(0, midnightMs + Math.random() * 60 - Date.now())
      : (ack === "synced" ? Math.random() : 1) * longer + 100,
  );
  const cutS = Date.now() / 1000;
  disk.cutPower();
  await hub.kill();
  // Without power, nobody answers. Here the hub continues for a moment. ext4 lets an fsync return 0
  // that is in progress while its journal is shut down (seen for 4 events in 140 cuts, each
  // answered within 2 ms of it). So answers from then on do not count.
  const journal: Entry[] = [];
  for (const entry of await senders.stop())
    journal.push(entry.at > cutS ? { ...entry, reply: null } : entry);
  disk.powerOn();
  const before = judge(data, journal);
  const problems = problemsOf(before, "after the cut: ");
  // A hub that starts on it works, and leaves nothing behind.
  await hub.start();
  const status = await hub.stop();
  if (status !== 0) problems.push(`the hub that started on it ended with ${status}`);
  const after = judge(data, journal);
  if (after.leftovers.length > 0)
    problems.push(`${after.leftovers.length} leftovers after a start`);
  if (after.badLines.length > before.badLines.length)
    problems.push(...problemsOf(after, "after a start: "));
  const oldestS = Math.max(0, ...before.lost.map((entry) => cutS - entry.at));
  return {
    acknowledged: before.acknowledged,
    lost: before.lost.length,
    partial: before.partial.length,
    oldestS,
    problems,
  };
}

function sum(cuts: readonly Cut[], what: "acknowledged" | "lost" | "partial"): number {
  return cuts.reduce((total, one) => total + one[what], 0);
}

export const power: Row = {
  name: "power",
  cause: "power cut under load, also just after a new date folder",
  mustHold: "0 lost, 0 partial files (synced); no more than sync_interval and a flush (stored)",
  needs: ["loop"],
  run: async (run) => {
    const times = run.short ? 2 : 20;
    const synced: Cut[] = [];
    for (let done = 0; done < times; done++) {
      synced.push(await cut(run, "synced", done % 2 === 1));
      run.say(
        `synced: ${done + 1} cuts, ${sum(synced, "lost")} of ${sum(synced, "acknowledged")} lost`,
      );
    }
    const stored: Cut[] = [];
    for (let done = 0; done < (run.short ? 1 : 5); done++)
      stored.push(await cut(run, "stored", false));
    const oldest = Math.max(...stored.map((one) => one.oldestS));
    const problems = synced.flatMap((one) => one.problems);
    if (oldest > STORED_LOSS_S_MAX)
      problems.push(
        `stored: lost what had been acknowledged ${oldest.toFixed(1)} s before the cut`,
      );
    return {
      figure:
        `synced: ${sum(synced, "lost")} of ${sum(synced, "acknowledged")} lost, ${sum(synced, "partial")} partial files in ${times} cuts; ` +
        `stored: the last ${oldest.toFixed(1)} s, ${sum(stored, "lost")} of ${sum(stored, "acknowledged")}`,
      problems,
    };
  },
};
