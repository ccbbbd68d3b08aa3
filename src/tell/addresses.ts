/**
 * Looks up the addresses of hosts without a thread. `fetch` looks them up in the threads that the
 * whole process shares, also for reading files: a few names that a DNS server does not answer for
 * hold up everybody for 40 seconds.
 *
 * @module
 */

import { dns } from "bun";
import { isIP } from "node:net";

/** How long addresses are remembered, in milliseconds. */
const REMEMBERED_MS = 30_000;

/** Most hosts that are remembered. */
const HOSTS_MAX = 100;

interface Found {
  /** By `performance.now`. */
  readonly untilMs: number;
  readonly addresses: string[];
}

const remembered = new Map<string, Found>();
const running = new Map<string, Promise<string[]>>();

/**
 * An address of a host.
 *
 * @param host a name or an address, as in a URL
 * @returns undefined if only the system can know it: it is an address, a name of mDNS, or unknown
 * to DNS
 * @throws {Error} if DNS does not answer
 */
export async function addressOf(host: string): Promise<string | undefined> {
  if (isIP(host.replaceAll(/[[\]]/g, "")) !== 0 || host.endsWith(".local")) return undefined;
  const known = remembered.get(host);
  if (known !== undefined && performance.now() < known.untilMs) return known.addresses[0];
  let lookup = running.get(host);
  if (lookup === undefined) {
    lookup = lookUp(host).finally(() => running.delete(host));
    running.set(host, lookup);
  }
  const [first] = await lookup;
  return first;
}

/** A host does not answer at its address: the next one is the turn of another. */
export function takeAnother(host: string): void {
  const { addresses } = remembered.get(host) ?? {};
  const first = addresses?.shift();
  if (first !== undefined) addresses?.push(first);
}

async function lookUp(host: string): Promise<string[]> {
  let found;
  try {
    found = await dns.lookup(host, { backend: "c-ares" });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "DNS_ENOTFOUND") return [];
    throw error;
  }
  const addresses = found.toSorted((a, b) => a.family - b.family).map(({ address }) => address);
  if (remembered.size >= HOSTS_MAX) remembered.clear();
  remembered.set(host, { untilMs: performance.now() + REMEMBERED_MS, addresses });
  return addresses;
}
