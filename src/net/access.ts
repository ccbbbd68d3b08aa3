/**
 * Who may send, by address.
 *
 * @module
 */

import { BlockList, isIP, isIPv6 } from "node:net";

/** A list of addresses and networks. An empty list allows everybody. */
export class AddressList {
  private readonly networks = new BlockList();
  private readonly isEmpty: boolean;

  /**
   * @param entries as `192.168.86.41`, `192.168.86.0/24`, `fd00::/8`
   * @throws {RangeError} if one is neither an address nor a network
   */
  constructor(entries: readonly string[]) {
    this.isEmpty = entries.length === 0;
    for (const entry of entries) {
      const network = parseNetwork(entry);
      if (network === undefined) throw new RangeError(`"${entry}" is not an address or a network`);
      this.networks.addSubnet(network.address, network.prefix, network.family);
    }
  }

  /**
   * Whether a sender with this address may send. An IPv4 address may be written as IPv6
   * (`::ffff:192.168.86.41`).
   */
  allows(address: string): boolean {
    if (this.isEmpty) return true;
    // A link-local address may end in its interface: fe80::1%eth0.
    const [bare = ""] = address.split("%");
    return isIP(bare) !== 0 && this.networks.check(bare, isIPv6(bare) ? "ipv6" : "ipv4");
  }
}

/** An address and the length of its prefix in bits. A single address has the full length. */
export interface Network {
  readonly address: string;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
}

/** @returns undefined if the text is neither an address nor a network in CIDR notation */
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
