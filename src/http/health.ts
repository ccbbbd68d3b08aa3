/**
 * Whether the hub can store what it is sent, under the right date, and if not, why.
 *
 * @module
 */

import { clockProblem } from "../store/clock-floor.ts";
import { DataState } from "../store/data-guard.ts";
import { STALL_UNHEALTHY_SECONDS, TURN_MS_MAX } from "../limits.ts";
import { Counter, Integer } from "../shared/memory.ts";
import type { Overview } from "./overview.ts";

/**
 * How long a failure counts when nothing of its kind is tried any more, in milliseconds: the next
 * success ends it, and one after which all fall silent must not last for ever.
 */
const TROUBLE_MS_MAX = 60_000;

/** How often it is looked whether all threads have gone round their loops, in milliseconds. */
const TURN_LOOK_MS = 10;

/**
 * Looks at everything anew. @returns one line for each thing that keeps the hub from storing, or
 * from the right date; none: it stores
 */
export async function reasonsAgainst(overview: Overview): Promise<string[]> {
  const { shared, troubles } = overview;
  const { integers, counters } = shared;
  if (Atomics.load(integers, Integer.stopping) !== 0) return ["The hub stops"];

  const downBefore = [...overview.down];
  const [disk, silent] = await Promise.all([overview.disk.look(), silentThreads(overview)]);
  const now = performance.now();
  const failures = [...troubles.values()]
    .filter(({ atMs }) => now - atMs < TROUBLE_MS_MAX)
    .map(({ reason }) => reason);
  const { stalledSeconds } = overview.storing;
  const { guard } = overview;
  const reasons = [
    disk.problem,
    // What the probe does not see, or has not seen yet.
    guard.state === DataState.right ? undefined : guard.describe(guard.state),
    clockProblem(overview.today, integers[Integer.clockFloor]!),
    ...failures,
    // Looking takes its time: what was down may be replaced by now, and what turned not may be
    // known to be down.
    ...Array.from(
      new Set([...downBefore, ...overview.down]),
      (part) => `${part} has ended and is not replaced yet`,
    ),
    stalledSeconds >= STALL_UNHEALTHY_SECONDS
      ? `The disk stalls: ${counters[Counter.queued]} requests wait, one has been with a writer for ${stalledSeconds} s`
      : undefined,
    silent.length > 0 ? `Does not turn: ${silent.join(", ")}` : undefined,
  ];
  return [...new Set(reasons.filter((reason) => reason !== undefined))];
}

/** The threads that do not go round their loops, though nothing that is known holds them up. */
async function silentThreads({ liveness, down }: Overview): Promise<string[]> {
  const question = liveness.ask();
  const endMs = performance.now() + TURN_MS_MAX;
  for (;;) {
    // Then that says it.
    if (down.size > 0) return [];
    const silent = liveness.silent(question);
    if (silent.length === 0 || performance.now() > endMs) return silent;
    await Bun.sleep(TURN_LOOK_MS);
    // A question that comes in the moment in which a writer goes to sleep does not wake it.
    liveness.ask();
  }
}
