/**
 * A hub's log, as tests wait for it and count lines.
 *
 * @module
 */

import type { Hub } from "./hub.ts";
import { COMES_MS } from "../peers/zmq-peer.ts";

/** Waits until something is true. @throws {Error} with the hub's output if it takes too long */
export async function until(
  hub: Pick<Hub, "output">,
  isSo: () => boolean,
  what = "what was waited for",
): Promise<void> {
  for (let end = performance.now() + COMES_MS; !isSo(); await Bun.sleep(5)) {
    if (performance.now() > end)
      throw new Error(`It did not come to ${what}, output:\n${hub.output()}`);
  }
}

/** The lines of a hub's log that contain a text. */
export function linesWith(hub: Pick<Hub, "output">, text: string): string[] {
  return hub
    .output()
    .split("\n")
    .filter((line) => line.includes(text));
}

/** Stops a hub. @returns its exit status and its totals, from its last line */
export async function stopAndCount(hub: Hub): Promise<Record<string, number>> {
  const status = await hub.stop();
  const fields =
    linesWith(hub, "Stopped, all")
      .at(-1)
      ?.matchAll(/\b(\w+)=(\d+)\b/g) ?? [];
  return {
    status,
    ...Object.fromEntries(Array.from(fields, ([, name, value]) => [name, Number(value)])),
  };
}
