/**
 * Peers that send as fast as they can and wait for no reply, beside fifty cameras: one with large messages, and twenty with small ones
 * that arrive faster than any hub takes them in.
 *
 * Taken out: with the bound of libzmq's queue (`receive_hwm`) at 0, the twenty take the hub past 900 MB and the cameras wait for
 * 0.6 s; without `unanswered` in `Requests.fits` the cameras are answered "ERROR the queue is full".
 */

import { besides } from "../beside.ts";
import { Peers } from "../peers.ts";
import type { Row } from "../row.ts";

/** Most memory that the hub may take, in MB: what waits to be written, libzmq's queues, and the hub itself. */
const MEMORY_MB_MAX = 450;

export const flood: Row = {
  name: "flood",
  cause: "1 sender of 1 MiB messages, then 20 of small events, that flood beside 50 normal ones",
  mustHold: "the normal ones are served",
  needs: [],
  run: async (run) => {
    const figures: string[] = [];
    const problems: string[] = [];
    for (const [kind, count] of [
      ["flood", 1],
      ["burst", 20],
    ] as const) {
      const outcome = await besides(run, {
        senders: 50,
        memoryMbMax: MEMORY_MB_MAX,
        others: async (port) => [await Peers.start(port, kind, count)],
      });
      figures.push(outcome.figure);
      problems.push(...outcome.problems);
    }
    return { figure: figures.join("; "), problems };
  },
};
