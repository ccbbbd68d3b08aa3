/**
 * How fast new connections may come from one address.
 *
 * libzmq numbers those of peers that set no routing id, and ends the process where a peer has set
 * the very id that is next (`Assertion failed: ok`, router_t::identify_peer of libzmq 4.3.5). Who
 * sets some thousand of the four thousand million that there are has to make a million or two
 * connections until then: so these are what is bounded. A camera connects once.
 *
 * @module
 */

/** Connections that may come from one address in a second, once its store is used up. */
export const PER_SECOND = 20;

/** Addresses that are remembered. Of more, those are forgotten that came first. */
const ADDRESSES_MAX = 4096;

/** What an address has left: a token bucket. */
interface Bucket {
  tokens: number;
  /** When that was so, in milliseconds. */
  atMs: number;
}

/** The store of each address. */
export class Arrivals {
  private readonly buckets = new Map<string, Bucket>();

  /**
   * @param burst connections that may come at once, from an address that has not been heard of for
   * long
   */
  constructor(private readonly burst: number) {}

  /**
   * Takes one from the store of an address.
   *
   * @param address as libzmq gives it; the addresses of one IPv6 network of 64 bits, which one
   * machine can have all, share a store
   * @param nowMs of a clock that never steps back
   * @returns whether there was one, so that a connection may come
   */
  admit(address: string, nowMs: number): boolean {
    const key = networkOf(address);
    const bucket = this.buckets.get(key) ?? this.begin(key, nowMs);
    bucket.tokens = Math.min(
      this.burst,
      bucket.tokens + ((nowMs - bucket.atMs) / 1000) * PER_SECOND,
    );
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  private begin(key: string, nowMs: number): Bucket {
    if (this.buckets.size >= ADDRESSES_MAX) {
      const [oldest] = this.buckets.keys();
      this.buckets.delete(oldest!);
    }
    const bucket = { tokens: this.burst, atMs: nowMs };
    this.buckets.set(key, bucket);
    return bucket;
  }
}

/** The first 64 bits of an IPv6 address, and an IPv4 address as it is. */
function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.replace(/%.*/, "").split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - rest.length) }, () => "0");
  return [...groups, ...(tail === undefined ? [] : zeros), ...rest].slice(0, 4).join(":");
}
