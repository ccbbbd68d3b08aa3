/**
 * Asks a hub over HTTP, as a test's own process does.
 *
 * @module
 */

import { statusSchema, type Status } from "../../../src/http/status.ts";
import type { Hub } from "./hub.ts";
import { linesWith } from "./output.ts";
import { COMES_MS } from "../peers/zmq-peer.ts";

/** For {@link HubOptions.env}: a hub that listens for HTTP on a port that is free. */
export const WITH_HTTP = { IMAGEHUB_HTTP_LISTEN: "127.0.0.1:0" } as const;

/**
 * Where a hub listens for HTTP, e.g. `http://127.0.0.1:40123`. @throws {Error} with the hub's
 * output, where it does not
 */
export function httpOf(hub: Pick<Hub, "output">): string {
  const url = / at (http:\S+)/.exec(linesWith(hub, "Health and metrics at")[0] ?? "")?.[1];
  if (url === undefined)
    throw new Error(`The hub does not listen for HTTP, output:\n${hub.output()}`);
  return url;
}

/** An answer's status and text. */
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
 * Asks again and again until the answer is so. @throws {Error} with the last answer, when it does
 * not come to that
 */
export async function answered<T>(ask: () => Promise<T>, isSo: (answer: T) => boolean): Promise<T> {
  for (let end = performance.now() + COMES_MS; ; await Bun.sleep(20)) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    if (performance.now() > end)
      throw new Error(`It did not come to that: ${JSON.stringify(answer)}`);
  }
}
