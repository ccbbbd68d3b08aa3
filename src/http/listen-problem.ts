/**
 * Why an HTTP listener cannot listen, and what to do.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { type ListenAddress, urlOf } from "../net/listen-address.ts";
import { findPortHolder } from "../os/port-holder.ts";

/** @param otherwise what else `http.listen` can be set to if the port is in use */
export function listenProblem(
  error: unknown,
  address: ListenAddress,
  isEncrypted: boolean,
  otherwise = "",
): string {
  const { code } = error as NodeJS.ErrnoException;
  const url = urlOf(address, isEncrypted);
  if (code === "EADDRINUSE") {
    const holder = findPortHolder(address.port);
    const who = holder
      ? `process ${holder.pid} (${holder.name})`
      : "a process that /proc does not show to this user";
    return `Cannot listen on ${url}: port ${address.port} is in use by ${who}; set http.listen to another port${otherwise}`;
  }
  if (code === "EADDRNOTAVAIL")
    return `Cannot listen on ${url}: this machine has no such address; correct http.listen`;
  if (code === "EACCES")
    return `Cannot listen on ${url}: ports below 1024 are for root; set http.listen to a higher port`;
  return messageOf(error);
}
