/**
 * Looks up the addresses of hosts without a thread. `fetch` looks them up in the threads that the
 * whole process shares, also for reading files: a few names that a DNS server does not answer for
 * hold up everybody for 40 seconds.
 *
 * @module
 */

import { dns } from "bun";
import { setServers } from "node:dns";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";

/** Where the system has its DNS servers. */
const SERVERS_FILE = "/etc/resolv.conf";

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
/** What {@link SERVERS_FILE} had at the last lookup; undefined before the first one. */
let serversText: string | undefined;

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
  // Also lookups that wait for an answer go to the new servers.
  useServersOfNow();
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

/**
 * The library reads the file of the DNS servers only once. But DHCP may write it after the start,
 * and the machine may move to another network.
 */
function useServersOfNow(): void {
  let text = "";
  try {
    text = readFileSync(SERVERS_FILE, "utf8");
  } catch {
    // The network may not be up yet.
  }
  const isFirst = serversText === undefined;
  if (text === serversText) return;
  serversText = text;
  // The first time, the library reads it itself, and better.
  if (isFirst) return;
  const servers = Array.from(text.matchAll(/^nameserver\s+(\S+)/gm), ([, server = ""]) => server);
  // `setServers` ignores the interface of an address such as `fe80::1%eth0`.
  const usable = servers.filter((server) => isIP(server) !== 0 && !server.includes("%"));
  if (usable.length > 0) setServers(usable);
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
