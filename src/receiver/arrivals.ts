/**
 * Limits how fast new connections may come from one address.
 *
 * libzmq numbers peers that set no routing id. If a peer has set the very id that is next, libzmq
 * ends the process (`Assertion failed: ok`, router_t::identify_peer of libzmq 4.3.5). There are
 * four thousand million ids. A peer that sets some thousand of them must make a million or two
 * connections until one is hit, so connections are limited. A camera connects once.
 *
 * @module
 */

/** Connections per second from one address, once its burst is used up. */
export const PER_SECOND = 20;

/** Maximum known addresses. Beyond this, the oldest ones are forgotten. */
const ADDRESSES_MAX = 4096;

/** What an address has left: a token bucket. */
interface Bucket {
  tokens: number;
  /** When it had that, in milliseconds. */
  atMs: number;
}

/** The bucket of each address. */
export class Arrivals {
  private readonly buckets = new Map<string, Bucket>();

  /** @param burst connections at once from an address that was not heard of for long */
  constructor(private readonly burst: number) {}

  /**
   * Takes a token of an address.
   *
   * @param address as libzmq gives it. All addresses of an IPv6 /64 network share a bucket, because
   * one machine can have them all
   * @param nowMs of a clock that never goes back
   * @returns whether there was one, so the connection may be accepted
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

/** The first 64 bits of an IPv6 address; an IPv4 address unchanged. */
function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.replace(/%.*/, "").split("::");
  const groups = head === "" ? [] : head.split(":");
  const rest = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - rest.length) }, () => "0");
  return [...groups, ...(tail === undefined ? [] : zeros), ...rest].slice(0, 4).join(":");
}
