/**
 * Checks the Host header of requests.
 *
 * A web page elsewhere can point its own name to 127.0.0.1 (DNS rebinding). Its script then reads
 * what listens there, in the visitor's browser. Such a script cannot change the name in Host.
 *
 * @module
 */

import { isIP } from "node:net";
import { isLoopback } from "../net/listen-address.ts";

/**
 * Whether the Host header names this machine without DNS. A request without the header does not
 * come from a browser.
 */
export function isForLoopback(host: string | undefined): boolean {
  if (host === undefined) return true;
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::\d{0,5})?$/.exec(host) ?? [];
  if (plain?.toLowerCase() === "localhost") return true;
  const address = bracketed ?? plain ?? "";
  return isIP(address) === (bracketed === undefined ? 4 : 6) && isLoopback({ host: address });
}
