/**
 * A peer that sends large messages as fast as it can, beside fifty cameras.
 *
 * With the bound on the queue of a connection taken out of `ReplySocket` the row still holds, because the hub answers these messages
 * faster than one peer sends them: 108 MB in place of 91. It shows that the others are served, and not that bound.
 */

import { besides } from "../beside.ts";
import { Peers } from "../peers.ts";
import type { Row } from "../row.ts";

export const flood: Row = {
  name: "flood",
  cause: "1 flooding sender (1 MiB messages) beside 50 normal ones",
  mustHold: "the normal ones are served",
  needs: [],
  run: async (run) =>
    await besides(run, {
      senders: 50,
      others: async (port) => [await Peers.start(port, "flood", 1)],
    }),
};
