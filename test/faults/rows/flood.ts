/**
 * Peers that send as fast as they can without waiting for replies, beside fifty cameras. One sends
 * large messages. Twenty send small ones, which arrive faster than any hub reads them. One sends
 * images that must all be stored, each flushed to disk.
 *
 * With the limit of libzmq's queue (`receive_hwm`) at 0, the twenty take the hub past 900 MB, and
 * the cameras wait for 0.6 s. Without `unanswered` in `Requests.whyFull`, the cameras are answered
 * "ERROR the queue is full". With `max_unanswered` at 500, they wait for 500 images of the flood: a
 * p99 of 600 to 1100 ms, and more on a slower disk.
 */

import { besides } from "../beside.ts";
import { Peers } from "../peers.ts";
import type { Row } from "../row.ts";

/**
 * Maximum memory of the hub, in MB: images waiting to be written, libzmq's queues, and the hub
 * itself.
 */
const MEMORY_MB_MAX = 450;

export const flood: Row = {
  name: "flood",
  cause:
    "1 sender of 1 MiB messages, then 20 of small events, then 1 of images (synced), that flood beside 50 normal ones",
  mustHold: "the normal ones are served",
  needs: [],
  run: async (run) => {
    const figures: string[] = [];
    const problems: string[] = [];
    for (const [kind, count, ack] of [
      ["flood", 1, "stored"],
      ["burst", 20, "stored"],
      ["images", 1, "synced"],
    ] as const) {
      const outcome = await besides(run, {
        senders: 50,
        settings: { ack },
        foreign: /^Flood/,
        memoryMbMax: MEMORY_MB_MAX,
        others: async (port) => [await Peers.start(port, kind, count)],
      });
      figures.push(outcome.figure);
      problems.push(...outcome.problems);
    }
    return { figure: figures.join("; "), problems };
  },
};
