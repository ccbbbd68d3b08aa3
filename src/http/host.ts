/**
 * Whom a request is for, by its header Host.
 *
 * A web page elsewhere can have its own name lead to 127.0.0.1 (DNS rebinding), and its script then
 * reads what listens there, in the browser of whoever looks at it. What such a script cannot change
 * is the name in Host.
 *
 * @module
 */

import { isIP } from "node:net";
import { isLoopback } from "../net/listen-address.ts";

/**
 * Whether the header Host names this machine in a way that no DNS server has a say in. Without one
 * it comes from no browser.
 */
export function isForLoopback(host: string | undefined): boolean {
  if (host === undefined) return true;
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::\d{0,5})?$/.exec(host) ?? [];
  if (plain?.toLowerCase() === "localhost") return true;
  const address = bracketed ?? plain ?? "";
  return isIP(address) === (bracketed === undefined ? 4 : 6) && isLoopback({ host: address });
}
