/**
 * The disk stalls: whoever writes waits, and nobody else does.
 *
 * Taken out: with `Store.handle` called by the receiver itself in place of `queue.put`, no
 * heartbeat is answered while the disk stalls: "heartbeats without an answer".
 */

import { freePort } from "../../../scripts/lib/free-port.ts";
import { LoopDisk } from "../disk.ts";
import { FaultHub } from "../hub.ts";
import { judge, problemsOf } from "../judge.ts";
import type { Outcome, Row } from "../row.ts";
import { type Entry, percentile, Senders } from "../senders.ts";

/** What the hub says while it waits. */
const SAYS = /(?:waits?|waiting) for the disk|disk (?:stalls|is stalled|does not answer)|stall/i;

/** What a stop takes at most while the disk does not go on, in milliseconds. */
const STOP_MS_MAX = 10_000;

/** How fast what needs no disk is answered all the same, in milliseconds. */
const P99_MS_MAX = 250;

export const stall: Row = {
  name: "stall",
  cause: "a disk that stalls, then goes on; SIGTERM in the meantime",
  mustHold: "what needs no disk is answered; images wait and none is lost",
  needs: ["loop"],
  run: async (run) => {
    using disk = new LoopDisk();
    const problems: string[] = [];
    const data = `${disk.path}/data`;
    await using hub = new FaultHub({ program: run.program, data });
    await hub.start();
    await using images = new Senders(hub.address, {
      images: 8,
      events: 2,
      size: 12_000,
      timeoutMs: 25_000,
    });
    await using others = new Senders(hub.address, {
      heartbeats: 3,
      tests: 2,
      pauseMs: 10,
      timeoutMs: 2000,
    });
    await images.firstOk(0, "image");
    await Bun.sleep(500);

    const stalledMs = run.short ? 3000 : 15_000;
    disk.freeze();
    const frozenS = Date.now() / 1000;
    await Bun.sleep(stalledMs);
    const during = images.journal().filter((entry) => entry.at > frozenS + 0.5);
    if (during.length > 0)
      problems.push(`${during.length} requests were answered while the disk stood still`);
    const answered = others.journal().filter((entry) => entry.at > frozenS + 0.5);
    const p99 = percentile(answered);
    if (answered.length === 0) problems.push("nothing was answered while the disk stood still");
    if (p99 > P99_MS_MAX) problems.push(`heartbeats and test images: p99 ${p99} ms`);
    const unanswered = answered.filter((entry) => entry.reply !== "OK").length;
    if (unanswered > 0) problems.push(`${unanswered} heartbeats and test images without an OK`);
    const says = SAYS.test(hub.output);
    if (!says) problems.push("the log does not say that the hub waits for the disk");
    disk.thaw();
    const thawedS = Date.now() / 1000;
    const again = await images.firstOk(thawedS, "image");
    if (again === undefined) problems.push("no service after the stall");
    await Bun.sleep(300);

    // A stall that a stop falls into and that ends within the stop's bound.
    disk.freeze();
    await Bun.sleep(500);
    const stoppedMs = performance.now();
    // They send nothing behind the reply that they wait for: what a sender sends in the moment of
    // the end hangs.
    const stopped = images.stop();
    hub.terminate();
    await Bun.sleep(1500);
    if (!hub.runs) problems.push("the hub ended before the disk went on");
    disk.thaw();
    const status = await hub.ended();
    const stopMs = performance.now() - stoppedMs;
    if (status !== 0) problems.push(`SIGTERM in a stall: exit status ${status}`);
    const journal = await stopped;
    const findings = judge(data, journal);
    problems.push(...problemsOf(findings));
    const hanging = journal.filter((entry) => entry.reply === null).length;
    if (hanging > 0) problems.push(`${hanging} requests got no answer`);
    const frozen = await stopWhileFrozen(hub, disk, journal);
    problems.push(...frozen.problems);
    return {
      figure:
        `stall of ${stalledMs / 1000} s: others' p99 ${p99} ms, ${findings.lost.length} of ${findings.acknowledged} lost, ` +
        `serves ${(((again ?? Number.NaN) - thawedS) * 1000).toFixed(0)} ms after it, ${says ? "said so" : "did not say so"}; ` +
        `SIGTERM in a stall: ${stopMs.toFixed(0)} ms, status ${status}, ${hanging} without an answer; ${frozen.figure}`,
      problems,
    };
  },
};

/**
 * A stall that outlasts a stop: all have an answer and the ports are free in time, and the process
 * ends when the disk lets it.
 *
 * @param earlier what else is in the data directory
 */
async function stopWhileFrozen(
  hub: FaultHub,
  disk: LoopDisk,
  earlier: readonly Entry[],
): Promise<Outcome> {
  const problems: string[] = [];
  const http = freePort();
  hub.change({ env: { IMAGEHUB_HTTP_LISTEN: `127.0.0.1:${http}` } });
  await hub.start();
  const startedS = Date.now() / 1000;
  await using images = new Senders(hub.address, {
    images: 8,
    events: 2,
    size: 12_000,
    timeoutMs: 25_000,
  });
  await images.firstOk(startedS, "image");
  disk.freeze();
  await Bun.sleep(500);
  const stoppedMs = performance.now();
  const sinceStop = (): number => performance.now() - stoppedMs;
  const stopped = images.stop().then((journal) => ({ journal, ms: sinceStop() }));
  hub.terminate();
  let freeMs = Number.POSITIVE_INFINITY;
  for (; freeMs === Number.POSITIVE_INFINITY && sinceStop() < STOP_MS_MAX; await Bun.sleep(20))
    if (isFree(hub.port) && isFree(http)) freeMs = sinceStop();
  if (freeMs > STOP_MS_MAX)
    problems.push("the ports were not free in time while the disk stood still");
  await Bun.sleep(STOP_MS_MAX - sinceStop());
  disk.thaw();
  const status = await hub.ended();
  if (status !== 1) problems.push(`SIGTERM on a disk that stands still: exit status ${status}`);
  const { journal, ms } = await stopped;
  if (ms > STOP_MS_MAX) problems.push("the last answer came only when the disk went on");
  problems.push(...problemsOf(judge(hub.data, [...earlier, ...journal])));
  const answered = journal.filter(
    (entry) => entry.reply?.startsWith("ERROR the hub stops") === true,
  ).length;
  const hanging = journal.filter((entry) => entry.reply === null).length;
  if (answered === 0) problems.push("nobody was told that the hub stops");
  if (hanging > 0)
    problems.push(
      `${hanging} requests got no answer from a hub that stops on a disk that stands still`,
    );
  return {
    figure: `a disk that stands still: all answered after ${(ms / 1000).toFixed(1)} s, ${answered} of them ERROR, ports free after ${(freeMs / 1000).toFixed(1)} s`,
    problems,
  };
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data: () => undefined } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
