/**
 * Messages on their way to a broker: how many at a time, which of them are too large for it, and
 * which one it does not survive.
 *
 * A broker of MQTT 5 can say how large a message may be. Others end the connection without a
 * reason. After such an end, what was on its way goes one by one. So a message that is alone on its
 * way at one end after the other is the reason for them.
 *
 * @module
 */

/** Most messages that the broker has not confirmed yet. */
const FLYING_MAX = 200;

/** After so many ends in succession, a message that was alone on its way is left out. */
const BREAKS_MAX = 3;

/** After so many ends in succession while nothing was on its way, no message is the reason. */
const IDLE_ENDS = 3;

/** How long a topic is left out, unless it gets smaller; in milliseconds. */
const LEFT_OUT_MS = 3_600_000;

/** A packet of MQTT without its topic and payload, in bytes: length, identifier, properties. */
const PACKET_BYTES = 10;

/** A message that goes to the broker. */
export interface Flight {
  readonly kind: "event" | "text" | "image";
  readonly topic: string;
  /** Of an event. The others are told as they are by then. */
  readonly payload?: string;
  /** Of the payload; undefined until it has gone. */
  bytes?: number;
  /** How many connections have ended with it alone on its way. */
  breaks: number;
}

/** A message that is not on its way yet. */
export function newFlight(kind: Flight["kind"], topic: string, payload?: string): Flight {
  return { kind, topic, breaks: 0, ...(payload !== undefined && { payload }) };
}

const TITLES = { event: "an event", text: "a state", image: "an image" } as const;

/** What a person should know of a message that the broker does not take. @param limit if known */
export function tooLarge(
  { kind, topic, bytes }: Pick<Flight, "kind" | "topic" | "bytes">,
  limit?: number,
): string {
  const title = `${TITLES[kind]} of ${bytes} bytes on ${topic}`;
  const what =
    limit === undefined
      ? `The broker ends the connection at ${title}`
      : `The broker takes up to ${limit} bytes, and not ${title}`;
  return `${what}: it is left out. Raise the broker's limit (mosquitto: max_packet_size)`;
}

/** The messages on their way to one broker. */
export class Window {
  private flying = new Set<Flight>();
  private images = 0;
  /** What was on its way when a connection ended, in its order, until each is confirmed. */
  private suspects: Flight[] = [];
  private readonly leftOut = new Map<
    string,
    { readonly bytes: number; readonly untilMs: number }
  >();
  private idleEnds = 0;
  private most = FLYING_MAX;
  private packetBytesMax = Infinity;

  /**
   * There is a new connection.
   *
   * @param packetBytesMax the largest packet that the broker takes, if it has said so
   * @param receiveMax how many messages it takes at a time, likewise
   */
  opened(packetBytesMax = Infinity, receiveMax = Infinity): void {
    this.packetBytesMax = packetBytesMax;
    // One is for the status at the end.
    this.most = Math.max(1, Math.min(FLYING_MAX, receiveMax - 1));
  }

  /** Whether one more may go. */
  get hasRoom(): boolean {
    return this.flying.size < (this.suspects.length > 0 ? 1 : this.most);
  }

  /** What must go before all else. */
  get suspect(): Flight | undefined {
    return this.suspects[0];
  }

  /** How many are on their way, or were when a connection ended. */
  get size(): number {
    const { flying, suspects } = this;
    const [suspect] = suspects;
    const isBoth = suspect !== undefined && flying.has(suspect);
    return flying.size + suspects.length - Number(isBoth);
  }

  /** The same of events. */
  get events(): number {
    const all = new Set([...this.flying, ...this.suspects]);
    return [...all].filter(({ kind }) => kind === "event").length;
  }

  get hasImage(): boolean {
    return this.images > 0;
  }

  /** The size of a packet that the broker takes, in bytes, if this is larger; or undefined. */
  limitFor(topic: string, bytes: number): number | undefined {
    const packetBytes = PACKET_BYTES + Buffer.byteLength(topic) + bytes;
    return packetBytes > this.packetBytesMax ? this.packetBytesMax : undefined;
  }

  /**
   * Whether the topic is left out because connections have ended at it.
   *
   * @param nowMs of a clock that nobody sets, here and below
   */
  isLeftOut(topic: string, bytes: number, nowMs: number): boolean {
    const left = this.leftOut.get(topic);
    if (left === undefined) return false;
    if (bytes >= left.bytes && nowMs < left.untilMs) return true;
    this.leftOut.delete(topic);
    return false;
  }

  /** It is on its way. */
  add(flight: Flight): void {
    this.flying.add(flight);
    if (flight.kind === "image") this.images++;
  }

  /** It is not on its way any more: the broker has it, or nobody wants it. */
  remove(flight: Flight): void {
    if (this.flying.delete(flight) && flight.kind === "image") this.images--;
    if (this.suspects[0] === flight) this.suspects.shift();
  }

  /**
   * The connection has ended.
   *
   * @param mayBeMessage whether a message may be the reason
   * @returns the message that is, if it is known
   */
  ended(mayBeMessage: boolean, nowMs: number): Flight | undefined {
    const gone = [...this.flying].filter(({ bytes }) => bytes !== undefined);
    this.flying = new Set();
    this.images = 0;
    const isIdle = mayBeMessage && gone.length === 0 && this.suspects.length === 0;
    this.idleEnds = isIdle ? this.idleEnds + 1 : 0;
    const [alone] = gone;
    const isSuspect = alone !== undefined && alone === this.suspects[0];
    if (!isSuspect) this.suspects.unshift(...gone);
    if (alone === undefined || gone.length > 1 || !mayBeMessage) return undefined;
    alone.breaks++;
    if (alone.breaks < BREAKS_MAX) return undefined;
    this.suspects.shift();
    const { kind, topic, bytes = 0 } = alone;
    if (kind !== "event") this.leftOut.set(topic, { bytes, untilMs: nowMs + LEFT_OUT_MS });
    return alone;
  }

  /** Whether connections end again and again while nothing is on its way. */
  get endsIdly(): boolean {
    return this.idleEnds >= IDLE_ENDS;
  }

  /** Whether connections have ended with one message alone on its way, but not often enough. */
  get isSearching(): boolean {
    return (this.suspects[0]?.breaks ?? 0) > 0;
  }

  /** The broker may have other limits by now. */
  forgive(): void {
    this.idleEnds = 0;
    this.leftOut.clear();
  }
}
