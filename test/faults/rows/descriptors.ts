/**
 * A hub with few descriptors, and more connections than that.
 *
 * If `sendersThatFit` subtracts nothing, 994 images are refused with "too many open files", and "3
 * requests of normal senders were not served", those of cameras that connect.
 */

import { besides } from "../beside.ts";
import { Peers } from "../peers.ts";
import type { Row } from "../row.ts";

export const descriptors: Row = {
  name: "descriptors",
  cause: "100 file descriptors and 200 silent connections beside 5 normal senders",
  mustHold: "no crash, no false OK, service back",
  needs: ["root"],
  run: async (run) =>
    await besides(run, {
      senders: 5,
      mayRefuse: true,
      before: ["prlimit", "--nofile=100"],
      others: async (port) => [await Peers.start(port, "silent", 200)],
    }),
};
