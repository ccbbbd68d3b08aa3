/**
 * Who may send: addresses and networks, and keys of clients.
 *
 * @module
 */

import { BlockList, isIP, isIPv6 } from "node:net";

/** A list of addresses and networks; an empty one lets everybody in. */
export class AddressList {
  private readonly networks = new BlockList();
  private readonly isEmpty: boolean;

  /**
   * @param entries as `192.168.86.41`, `192.168.86.0/24`, `fd00::/8`
   * @throws {RangeError} where one is none of these
   */
  constructor(entries: readonly string[]) {
    this.isEmpty = entries.length === 0;
    for (const entry of entries) {
      const network = parseNetwork(entry);
      if (network === undefined) throw new RangeError(`"${entry}" is no address and no network`);
      this.networks.addSubnet(network.address, network.prefix, network.family);
    }
  }

  /**
   * Whether a sender of this address may send. An IPv4 address may be written as an IPv6 one
   * (`::ffff:192.168.86.41`).
   */
  allows(address: string): boolean {
    if (this.isEmpty) return true;
    // A link-local address has its interface behind it: fe80::1%eth0.
    const [bare = ""] = address.split("%");
    return isIP(bare) !== 0 && this.networks.check(bare, isIPv6(bare) ? "ipv6" : "ipv4");
  }
}

/** An address with the length of its prefix in bits; a single address has all of them. */
export interface Network {
  readonly address: string;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
}

/** @returns undefined where the text is no address and no network in CIDR notation */
export function parseNetwork(text: string): Network | undefined {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const address = match?.[1] ?? "";
  const version = isIP(address);
  if (version === 0) return undefined;
  const bits = version === 6 ? 128 : 32;
  const prefix = Number(match?.[2] ?? bits);
  if (prefix > bits) return undefined;
  return { address, prefix, family: version === 6 ? "ipv6" : "ipv4" };
}
