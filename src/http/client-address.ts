/**
 * The address of whoever has sent a request, also through a proxy on this machine.
 *
 * @module
 */

import { isIP } from "node:net";
import { isLoopback } from "../net/listen-address.ts";
import type { HttpRequest } from "./answer.ts";

/**
 * The address of the peer. If that is this machine, the one that a proxy names in
 * `X-Forwarded-For`: its last, which the proxy itself has added. Those before may be anybody's
 * invention. A program on this machine may invent all of them, but it has the addresses of
 * 127.0.0.0/8 anyway.
 */
export function clientAddressOf({ peer, headers }: Pick<HttpRequest, "peer" | "headers">): string {
  if (!isLoopback({ host: peer })) return peer;
  const named = headers.get("x-forwarded-for")?.split(",").at(-1)?.trim() ?? "";
  return isIP(named) === 0 ? peer : named;
}
