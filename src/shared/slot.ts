/**
 * One request on its way through the hub, in memory that the threads share: what the receiver read
 * of it, where its image is, and how it ended.
 *
 * @module
 */

import { type Address } from "../os/ffi.ts";
import { memoryAt } from "../os/memory.ts";
import { TEXT_BYTES_MAX } from "../limits.ts";
import { ITEMS, type RawArray, type StoredRequest } from "../protocol/request.ts";

/** What is to be done with a slot. */
export const Kind = {
  /** Store the bytes at `payload` as they are, under the name in the text. */
  jpeg: 1,
  /** Encode the array at `payload` and store it, under the name in the text. */
  raw: 2,
  /** Put the text in the event log. */
  event: 3,
  /** The same, for a text of the hub's own that nobody waits for. */
  notice: 4,
  /**
   * The same, for the notice that the date folder of `micros` is full: once for each folder, also
   * when the hub was started again since.
   */
  fullNotice: 5,
} as const;

/** Whether what is in a slot goes to the event log. @param kind one of {@link Kind} */
export function isForLog(kind: number): boolean {
  return kind >= Kind.event;
}

/** How it ended. */
export const Outcome = {
  stored: 1,
  /** Not stored, because the date folder has all the images it may have. */
  overCap: 2,
  /** The same, and it is the first of that folder. */
  firstOverCap: 4,
  /** Not stored; the text now holds the reason. */
  failed: 3,
} as const;

/** Who has a slot of the fast path. The others are passed on by their numbers alone. */
export const Holder = {
  nobody: 0,
  /**
   * The fast path has received it, and whoever takes it first decides what becomes of it: the fast
   * path or the receiver.
   */
  received: 1,
  fastPath: 2,
  receiver: 3,
  /** Stored and answered by the fast path: the receiver counts it, and then nobody has it. */
  answered: 4,
} as const;

/** Where the integers stand, by their index from the slot's start. */
const KIND = 0;
const OUTCOME = 1;
const TEXT_LENGTH = 2;
const HEIGHT = 3;
const WIDTH = 4;
const CHANNELS = 5;
const HOLDER = 6;
const NEWCOMER = 7;
/** Where the floating-point numbers stand, likewise. */
const MICROS = 4;
const PAYLOAD_ADDRESS = 5;
const PAYLOAD_BYTES = 6;
const ANSWER_MS = 7;

/** The node: how many bytes, and where they are. */
const NODE_LENGTH = 16;
/** What the items of a raw array are, by their place in `ITEMS`. */
const ITEM = 17;
const NODE_AT = 72;
const TEXT_AT = 296;

/** Bytes of one slot in shared memory. */
export const SLOT_BYTES = TEXT_AT + TEXT_BYTES_MAX;

/** A view on one slot. Whoever holds the slot may read and write it. */
export class Slot {
  private readonly integers: Int32Array;
  private readonly numbers: Float64Array;
  private readonly nodeBytes: Buffer;
  private readonly bytes: Buffer;

  /** @param slots where all of them are */
  constructor(slots: Address, index: number) {
    const memory = memoryAt(slots + index * SLOT_BYTES, SLOT_BYTES);
    this.integers = new Int32Array(memory, 0, NODE_AT / Int32Array.BYTES_PER_ELEMENT);
    this.numbers = new Float64Array(memory, 0, 8);
    this.nodeBytes = Buffer.from(memory, NODE_AT, TEXT_AT - NODE_AT);
    this.bytes = Buffer.from(memory, TEXT_AT, TEXT_BYTES_MAX);
  }

  /** One of {@link Kind}. */
  get kind(): number {
    return this.integers[KIND]!;
  }
  set kind(value: number) {
    this.integers[KIND] = value;
  }

  /** One of {@link Outcome}. */
  get outcome(): number {
    return this.integers[OUTCOME]!;
  }
  set outcome(value: number) {
    this.integers[OUTCOME] = value;
  }

  /** Field 0 of the request's text, as `request.ts` gives it. */
  get node(): string {
    return this.nodeBytes.toString("utf8", 0, this.integers[NODE_LENGTH]);
  }
  set node(value: string) {
    this.integers[NODE_LENGTH] = this.nodeBytes.write(value);
  }

  /**
   * The image's name, the event's text, the reason why it failed, or an address; what is too long
   * for the slot is cut.
   */
  get text(): string {
    return this.bytes.toString("utf8", 0, this.integers[TEXT_LENGTH]);
  }
  set text(value: string) {
    this.integers[TEXT_LENGTH] = this.bytes.write(value);
  }

  /** What the payload is, where that is to be encoded. */
  get raw(): RawArray {
    return {
      height: this.integers[HEIGHT]!,
      width: this.integers[WIDTH]!,
      channels: this.integers[CHANNELS] as RawArray["channels"],
      item: ITEMS[this.integers[ITEM]!]!,
    };
  }
  set raw({ height, width, channels, item }) {
    this.integers[HEIGHT] = height;
    this.integers[WIDTH] = width;
    this.integers[CHANNELS] = channels;
    this.integers[ITEM] = ITEMS.indexOf(item);
  }

  /** One of {@link Holder}. */
  get holder(): number {
    return Atomics.load(this.integers, HOLDER);
  }
  set holder(value: number) {
    Atomics.store(this.integers, HOLDER, value);
  }

  /**
   * Takes it from one of {@link Holder} for another one. @returns false where that one does not
   * have it
   */
  take(from: number, to: number): boolean {
    return Atomics.compareExchange(this.integers, HOLDER, from, to) === from;
  }

  /**
   * Whether the fast path met a node here, or on another connection: the text holds its address
   * when it was answered.
   */
  get isNewcomer(): boolean {
    return this.integers[NEWCOMER] !== 0;
  }
  set isNewcomer(value: boolean) {
    this.integers[NEWCOMER] = value ? 1 : 0;
  }

  /**
   * How long the fast path took from when it had received it until it had answered, in
   * milliseconds.
   */
  get answerMs(): number {
    return this.numbers[ANSWER_MS]!;
  }
  set answerMs(value: number) {
    this.numbers[ANSWER_MS] = value;
  }

  /** When it was received, in microseconds since 1970 UTC. */
  get micros(): number {
    return this.numbers[MICROS]!;
  }
  set micros(value: number) {
    this.numbers[MICROS] = value;
  }

  /** Where its image is; it is kept there until the slot is done. */
  get payloadAddress(): number {
    return this.numbers[PAYLOAD_ADDRESS]!;
  }
  /** How long it is, in bytes. */
  get payloadBytes(): number {
    return this.numbers[PAYLOAD_BYTES]!;
  }
  setPayload(address: number, bytes: number): void {
    this.numbers[PAYLOAD_ADDRESS] = address;
    this.numbers[PAYLOAD_BYTES] = bytes;
  }
}

/**
 * Puts what is to be stored of a request into a slot, which has its payload and the time already.
 */
export function fillSlot(slot: Slot, request: StoredRequest): void {
  slot.node = request.node;
  // Until it is.
  slot.outcome = Outcome.failed;
  if (request.kind === "event") {
    slot.kind = Kind.event;
    slot.text = request.text;
    return;
  }
  slot.text = request.name;
  slot.kind = request.raw === undefined ? Kind.jpeg : Kind.raw;
  if (request.raw !== undefined) slot.raw = request.raw;
}

/** Views on all slots, made when they are first asked for. */
export class Slots {
  private readonly views: (Slot | undefined)[] = [];

  constructor(private readonly slots: Address) {}

  at(index: number): Slot {
    return (this.views[index] ??= new Slot(this.slots, index));
  }
}
