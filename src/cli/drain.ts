/**
 * `imagehub drain`: has a hub let its cameras go to other hubs, or take them again.
 *
 * @module
 */

import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import { DRAIN_NOTICE_MS, DRAIN_PATH } from "../http/drain.ts";
import { counted } from "../log/amounts.ts";
import { type HubOptions, request, type Target, targetOf } from "./hub-target.ts";
import { statusOf } from "./status.ts";

/** How long the hub may take to answer, and the pause between two questions, in milliseconds. */
const ANSWER_MS_MAX = 10_000;
const PAUSE_MS = 500;

/** The options of `drain`. */
export interface DrainOptions extends HubOptions {
  readonly off?: boolean;
  readonly wait?: boolean;
}

/**
 * Has a hub drain, or ends that.
 *
 * @throws {FatalError} if it cannot be asked, or no longer drains while this waits
 */
export async function drain({ off, wait, ...options }: DrainOptions): Promise<ExitStatus> {
  const draining = off !== true;
  if (!draining && wait === true)
    throw new FatalError(EXIT.usage, "--wait is for draining, not for --off");
  const target = targetOf(options);
  await request(target, DRAIN_PATH, AbortSignal.timeout(ANSWER_MS_MAX), { draining });
  if (!draining) print("The hub is in service");
  else if (wait === true) await waitUntilGone(target);
  else print("The hub drains; imagehub drain --off ends that");
  return EXIT.ok;
}

/** Waits until no camera is connected any more. */
async function waitUntilGone(target: Target): Promise<void> {
  // Not by the clocks of the hub, which may be set meanwhile.
  const beganMs = performance.now();
  for (let before = -1; ; await Bun.sleep(PAUSE_MS)) {
    const { connections, draining_since: since } = await statusOf(target);
    if (since === null)
      throw new FatalError(EXIT.failure, "The hub drains no more: someone has ended that");
    if (connections === 0 && performance.now() - beganMs > DRAIN_NOTICE_MS) break;
    if (connections !== before) print(`The hub drains: ${counted(connections, "connection")} left`);
    before = connections;
  }
  print("The hub drains: nobody is connected any more");
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
