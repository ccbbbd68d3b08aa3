/**
 * Slows down who guesses the token.
 *
 * @module
 */

/** So many wrong ones cost nothing. */
const FREE = 5;

/** The longest wait, in seconds. */
const WAIT_S_MAX = 60;

/** How many addresses are remembered. */
const ADDRESSES_MAX = 1000;

/** The wrong tokens of each address. */
export class Guesses {
  /** The one that was wrong last comes last. */
  private readonly wrong = new Map<string, { count: number; untilMs: number }>();

  /** How long an address must wait, in whole seconds. */
  waitS(address: string): number {
    const { untilMs } = this.wrong.get(networkOf(address)) ?? { untilMs: 0 };
    return Math.max(0, Math.ceil((untilMs - performance.now()) / 1000));
  }

  /** It was a wrong one. Each further one doubles the wait. */
  note(address: string): void {
    const network = networkOf(address);
    const count = (this.wrong.get(network)?.count ?? 0) + 1;
    const waitS = count < FREE ? 0 : Math.min(WAIT_S_MAX, 2 ** Math.min(count - FREE, 10));
    this.wrong.delete(network);
    this.wrong.set(network, { count, untilMs: performance.now() + waitS * 1000 });
    const [oldest] = this.wrong.keys();
    if (this.wrong.size > ADDRESSES_MAX && oldest !== undefined) this.wrong.delete(oldest);
  }

  /** It was the right one. */
  forget(address: string): void {
    this.wrong.delete(networkOf(address));
  }
}

/** Whoever has an address of IPv6 has 2⁶⁴ of them, which differ in their second half. */
function networkOf(address: string): string {
  if (!address.includes(":") || address.includes(".")) return address;
  const [start = "", end = ""] = address.split("::");
  const [head, tail] = [start.split(":"), end.split(":")];
  const zeros = address.includes("::")
    ? Array<string>(8 - head.length - tail.length).fill("0")
    : [];
  return [...head, ...zeros, ...tail].slice(0, 4).join(":");
}
