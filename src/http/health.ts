/**
 * Whether the hub can store images under the right date, and if not, why.
 *
 * @module
 */

import { counted } from "../log/amounts.ts";
import { clockProblem } from "../store/clock-floor.ts";
import { STALL_UNHEALTHY_SECONDS, TURN_MS_MAX } from "../limits.ts";
import { Counter, Integer } from "../shared/memory.ts";
import type { Overview } from "./overview.ts";

/**
 * How long a failure counts if nothing of its kind is tried again, in milliseconds. The next
 * success ends it sooner. A failure after which all cameras fall silent must not last for ever.
 */
const TROUBLE_MS_MAX = 60_000;

/** How often to check whether all threads have gone round their loops, in milliseconds. */
const TURN_LOOK_MS = 10;

/**
 * Checks everything anew. @returns one line for each problem with storing or with the date; none if
 * all is well
 */
export async function reasonsAgainst(overview: Overview): Promise<string[]> {
  const { shared, troubles } = overview;
  const { integers, counters } = shared;
  if (Atomics.load(integers, Integer.stopping) !== 0) return ["The hub is stopping"];

  const downBefore = [...overview.down];
  const [disk, silent] = await Promise.all([overview.disk.look(), silentThreads(overview)]);
  const now = performance.now();
  const failures = [...troubles.values()]
    .filter(({ atMs }) => now - atMs < TROUBLE_MS_MAX)
    .map(({ reason }) => reason);
  const { stalledSeconds } = overview.storing;
  const reasons = [
    disk.problem,
    // The probe does not see this, or not yet.
    overview.guard.problem,
    clockProblem(overview.today, integers[Integer.clockFloor]!),
    ...failures,
    // The check takes time. Meanwhile a part may have been replaced, or found to be down.
    ...Array.from(
      new Set([...downBefore, ...overview.down]),
      (part) => `${part} has ended and is not replaced yet`,
    ),
    stalledSeconds >= STALL_UNHEALTHY_SECONDS
      ? `The disk stalls: ${counted(counters[Counter.queued]!, "request")} waiting, one has been with a writer for ${stalledSeconds} s`
      : undefined,
    silent.length > 0 ? `Not responding: ${silent.join(", ")}` : undefined,
  ];
  return [...new Set(reasons.filter((reason) => reason !== undefined))];
}

/** Threads whose loops do not turn, for no known reason. */
async function silentThreads({ liveness, down }: Overview): Promise<string[]> {
  const question = liveness.ask();
  const endMs = performance.now() + TURN_MS_MAX;
  for (;;) {
    // The line about parts that have ended says it.
    if (down.size > 0) return [];
    const silent = liveness.silent(question);
    if (silent.length === 0 || performance.now() > endMs) return silent;
    await Bun.sleep(TURN_LOOK_MS);
    // A question asked just as a writer goes to sleep does not wake it, so ask again.
    liveness.ask();
  }
}
