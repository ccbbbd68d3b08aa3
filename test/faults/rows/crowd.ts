/**
 * Thousands of connections that say nothing or little, beside ten cameras.
 *
 * Taken out: without the bound on handshakes in `ReplySocket`, all stay: "the hub has 1141 descriptors open".
 */

import { besides } from "../beside.ts";
import { Peers } from "../peers.ts";
import type { Row } from "../row.ts";

export const crowd: Row = {
  name: "crowd",
  cause: "5,000 silent and 500 dripping connections beside 10 normal senders",
  mustHold: "the normal ones are served",
  needs: ["root"],
  run: async (run) =>
    await besides(run, {
      senders: 10,
      settings: { handshake_timeout: 1 },
      // Nobody who keeps silent stays: a few are just trying anew.
      descriptorsMax: run.short ? 600 : 3000,
      before: ["prlimit", "--nofile=20000"],
      others: async (port) => [
        await Peers.start(port, "silent", run.short ? 1000 : 5000),
        await Peers.start(port, "drip", run.short ? 100 : 500),
      ],
    }),
};
