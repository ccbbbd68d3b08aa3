/**
 * The message if the hub cannot listen: why, and what to do.
 *
 * @module
 */

import { constants as os } from "node:os";
import { findPortHolder } from "../os/port-holder.ts";
import type { ZmqError } from "../zmq/library.ts";

/** @param endpoint that could not be bound, with this port */
export function describeBindError(endpoint: string, port: number, error: ZmqError): string {
  const code = Object.entries(os.errno).find(([, number]) => number === error.errno)?.[0] ?? "";
  switch (code) {
    case "EADDRINUSE": {
      const holder = findPortHolder(port);
      const who = holder
        ? `process ${holder.pid} (${holder.name})`
        : "a process that /proc does not show to this user (sudo ss -tlnp does)";
      return `Cannot bind ${endpoint}: port ${port} is in use by ${who}; stop it, or set another port`;
    }
    case "EACCES":
      return `Cannot bind ${endpoint}: ports below 1024 are for root; set a higher port`;
    case "ENODEV":
    case "EADDRNOTAVAIL":
      return `Cannot bind ${endpoint}: this machine has no such address or interface; see the setting bind`;
    case "EINVAL":
      return `Cannot bind ${endpoint}: not an address of this machine; a link-local address needs its interface, as in fe80::1%eth0`;
    default:
      return `Cannot bind ${endpoint}: ${error.message}`;
  }
}
