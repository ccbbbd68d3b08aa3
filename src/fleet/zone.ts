/**
 * The local time of a hub, which may be in another time zone than this machine.
 *
 * @module
 */

const MINUTE_MS = 60_000;

/** A time zone. */
export class Zone {
  private readonly format: Intl.DateTimeFormat;
  /** Its name, such as `Europe/Berlin`. */
  readonly name: string;

  /** @param name of the zone. One that is not known is that of this machine */
  constructor(name: string | undefined) {
    this.format = formatOf(name) ?? formatOf(undefined)!;
    this.name = this.format.resolvedOptions().timeZone;
  }

  /** How much its time is ahead of UTC at an instant, in milliseconds. @param ms since 1970 */
  aheadMs(ms: number): number {
    const parts = new Map(this.format.formatToParts(ms).map(({ type, value }) => [type, value]));
    const [year, month, day, hour, minute, second] = (
      ["year", "month", "day", "hour", "minute", "second"] as const
    ).map((type) => Number(parts.get(type))) as [number, number, number, number, number, number];
    const local = Date.UTC(year, month - 1, day, hour, minute, second);
    return local - Math.floor(ms / 1000) * 1000;
  }

  /** The local date and time, such as `2018-12-30T23:13:31.620000`. @param ms since 1970 */
  at(ms: number): string {
    return `${new Date(ms + this.aheadMs(ms)).toISOString().slice(0, -1)}000`;
  }

  /** The instant of a local time, in milliseconds since 1970. @param micros since midnight */
  instantOf(date: string, micros: number): number {
    const local = Date.parse(date) + micros / 1000;
    // An hour that is there twice, or not at all, is near enough.
    return local - this.aheadMs(local - this.aheadMs(local) + MINUTE_MS / 2);
  }
}

/** @returns undefined if there is no such zone */
function formatOf(timeZone: string | undefined): Intl.DateTimeFormat | undefined {
  const two = "2-digit";
  const time = { hour: two, minute: two, second: two, hourCycle: "h23" } as const;
  const date = { year: "numeric", month: two, day: two } as const;
  try {
    const zone = timeZone === undefined ? {} : { timeZone };
    return new Intl.DateTimeFormat("en-CA", { ...zone, ...date, ...time });
  } catch {
    return undefined;
  }
}
