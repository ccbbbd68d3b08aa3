/**
 * Asks a hub over HTTP from the test's own process.
 *
 * @module
 */

import { statusSchema, type Status } from "../../../src/http/status.ts";
import type { Hub } from "./hub.ts";
import { linesWith } from "./output.ts";
import { COMES_MS } from "../peers/zmq-peer.ts";

/** For {@link HubOptions.env}: makes a hub listen for HTTP on a free port. */
export const WITH_HTTP = { IMAGEHUB_HTTP_LISTEN: "127.0.0.1:0" } as const;

/**
 * The HTTP address of a hub, e.g. `http://127.0.0.1:40123`. @throws {Error} with the hub's output
 * if it does not listen
 */
export function httpOf(hub: Pick<Hub, "output">): string {
  const url = / at (https?:\S+)/.exec(
    linesWith(hub, "Images, health and metrics at")[0] ?? "",
  )?.[1];
  if (url === undefined)
    throw new Error(`The hub does not listen for HTTP, output:\n${hub.output()}`);
  return url;
}

/** The status and text of an answer. */
export async function get(
  url: string,
  init: RequestInit = {},
): Promise<[status: number, text: string]> {
  const response = await fetch(url, init);
  return [response.status, await response.text()];
}

/** `/api/status` of a hub. */
export async function statusOf(hub: Pick<Hub, "output">): Promise<Status> {
  const [, text] = await get(`${httpOf(hub)}/api/status`);
  return statusSchema.parse(JSON.parse(text));
}

/**
 * Asks repeatedly until the answer is as wanted. @throws {Error} with the last answer if it takes
 * too long
 */
export async function answered<T>(ask: () => Promise<T>, isSo: (answer: T) => boolean): Promise<T> {
  for (let end = performance.now() + COMES_MS; ; await Bun.sleep(20)) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    if (performance.now() > end)
      throw new Error(`It did not come to that: ${JSON.stringify(answer)}`);
  }
}
