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
