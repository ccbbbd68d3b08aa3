/**
 * The address of the HTTP listener, as the setting `http.listen` gives it: `127.0.0.1:8550`,
 * `[::1]:8550` or `off`.
 *
 * @module
 */

import { BlockList, isIP, isIPv6 } from "node:net";

/** The value for no listener. */
export const OFF = "off";

/** An address of this machine and a port. */
export interface ListenAddress {
  /** An IP address, without brackets. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

const PORT_MAX = 65_535;

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** @returns undefined if the text is not an address with a port */
export function parseListen(text: string): ListenAddress | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const port = Number(digits);
  if (isIP(host) !== (bracketed === undefined ? 4 : 6) || port > PORT_MAX) return undefined;
  return { host, port };
}

/** The longest name of an interface: IFNAMSIZ of Linux without its final zero. */
const INTERFACE_NAME_MAX = 15;

/** Whether a ZeroMQ socket can bind to it: `*`, an IP address or the name of an interface. */
export function isBindable(text: string): boolean {
  if (text === "*" || isIP(text) !== 0) return true;
  // Digits and dots alone are a mistyped address, though an interface could have such a name.
  if (/^[\d.]+$/.test(text)) return false;
  return text.length <= INTERFACE_NAME_MAX && /^[\w.@-]+$/.test(text);
}

/** Whether it is an endpoint that a ZeroMQ socket can bind to, such as `tcp://*:5556`. */
export function isBindEndpoint(text: string): boolean {
  const [, bracketed, plain, port] =
    /^tcp:\/\/(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const isHost = bracketed === undefined ? isBindable(plain ?? "") : isIPv6(bracketed);
  return isHost && Number(port) >= 1 && Number(port) <= PORT_MAX;
}

/** Whether only this machine can reach the address. */
export function isLoopback({ host }: Pick<ListenAddress, "host">): boolean {
  return loopback.check(host, isIPv6(host) ? "ipv6" : "ipv4");
}

/**
 * The address as a URL, e.g. `http://[::1]:8550`. If it means all addresses of the machine, uses
 * the loopback address.
 *
 * @param isEncrypted whether it speaks TLS
 */
export function urlOf({ host, port }: ListenAddress, isEncrypted: boolean): string {
  const [any, local] = isIPv6(host) ? ["::", "::1"] : ["0.0.0.0", "127.0.0.1"];
  const name = host === any ? local : host;
  return `http${isEncrypted ? "s" : ""}://${isIPv6(name) ? `[${name}]` : name}:${port}`;
}
