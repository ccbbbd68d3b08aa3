/**
 * What a hub says of itself, as a test waits for it and counts it.
 *
 * @module
 */

import type { Hub } from "./hub.ts";
import { COMES_MS } from "../peers/zmq-peer.ts";

/**
 * Waits until something is so. @throws {Error} with the hub's output, when it does not come to that
 */
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

/** The lines of a hub's log that hold a text. */
export function linesWith(hub: Pick<Hub, "output">, text: string): string[] {
  return hub
    .output()
    .split("\n")
    .filter((line) => line.includes(text));
}

/** Stops a hub. @returns its exit status and what it has counted, which is in its last line */
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
