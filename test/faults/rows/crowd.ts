/**
 * Thousands of connections that say little or nothing, beside ten cameras.
 *
 * If `makeRoom` in `Connections` closes the new ones: "2 requests of normal senders were not
 * served", those of cameras that connect. Without a limit on connections: "the hub has 1740
 * descriptors open".
 */

import { besides } from "../beside.ts";
import { Peers } from "../peers.ts";
import type { Row } from "../row.ts";

export const crowd: Row = {
  name: "crowd",
  cause:
    "5,000 silent, 500 dripping and 2,500 idle connections beside 10 normal senders, and new ones that come",
  mustHold: "the normal ones are served",
  needs: ["root"],
  run: async (run) =>
    await besides(run, {
      senders: 10,
      settings: { max_connections: run.short ? 500 : 2000 },
      descriptorsMax: run.short ? 700 : 2200,
      before: ["prlimit", "--nofile=20000"],
      others: async (port) => [
        await Peers.start(port, "silent", run.short ? 1000 : 5000),
        await Peers.start(port, "drip", run.short ? 100 : 500),
        await Peers.start(port, "idle", run.short ? 600 : 2500),
      ],
    }),
};
