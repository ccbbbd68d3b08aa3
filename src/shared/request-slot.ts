/**
 * One request on its way through the hub, in memory that the threads share: its frames as libzmq
 * received them, what is to be stored of it, and how that ended. Any thread that has the slot can
 * store the request and answer it.
 *
 * @module
 */

import type { Address } from "../os/ffi.ts";
import { memoryAt } from "../os/memory.ts";
import { FRAME_BYTES, IMAGE_NAME_BYTES_MAX, TEXT_BYTES_MAX } from "../limits.ts";
import { ITEMS, type RawArray, type StoredRequest } from "../protocol/request.ts";
import { LINE_BYTES, layOut } from "./layout.ts";

/** What is to be done with a request. */
export const Kind = {
  /** Store the payload as it is, under `name`. */
  jpeg: 1,
  /** Encode the array in the payload and store it, under `name`. */
  raw: 2,
  /** Put `eventText` in the event log. */
  event: 3,
  /** The same, for a text of the hub's own that nobody waits for. */
  notice: 4,
  /**
   * Note in the event log that the date folder of `micros` is full: once per folder, even if the
   * hub was restarted since.
   */
  fullNotice: 5,
} as const;

/** Whether a request goes to the event log. @param kind one of {@link Kind} */
export function isForLog(kind: number): boolean {
  return kind >= Kind.event;
}

/** Whether a request is an image. @param kind one of {@link Kind} */
export function isImage(kind: number): boolean {
  return kind === Kind.jpeg || kind === Kind.raw;
}

/** How it ended. */
export const Outcome = {
  stored: 1,
  /** Not stored, because the date folder is full. */
  overCap: 2,
  /** Not stored; `failure` says why. */
  failed: 3,
  /** As `overCap`, and the first of its folder. */
  firstOverCap: 4,
} as const;

/** Who has a slot of the fast path. All other slots are passed on by their numbers alone. */
export const Holder = {
  nobody: 0,
  /** Received by the fast path: either the fast path or the receiver claims it next. */
  received: 1,
  fastPath: 2,
  receiver: 3,
  /** Stored and answered by the fast path. The receiver counts it and frees it. */
  answered: 4,
} as const;

/** `hops` of a request that came without a delimiter. It is answered without one. */
export const NO_DELIMITER = -1;

/** Maximum frames in a slot: routing id, text, payload, and one for each proxy on the way. */
export const SLOT_FRAMES = 11;

/** Indices of the 32-bit integers. */
enum Int {
  holder,
  kind,
  outcome,
  nodeBytes,
  nameBytes,
  eventBytes,
  failureBytes,
  addressBytes,
  height,
  width,
  channels,
  item,
  isNewcomer,
  hops,
  frames,
  headerBytes,
  fd,
  wireBytes,
  COUNT,
}

/** Indices of the floating-point numbers. */
enum Num {
  micros,
  payloadAddress,
  payloadBytes,
  answerMs,
  COUNT,
}

/** Length of a node's name, in bytes; `request.ts` cuts it to what fits a file name. */
const NODE_BYTES_MAX = IMAGE_NAME_BYTES_MAX;
/** A printed IPv6 address with its zone, in bytes. */
const ADDRESS_BYTES_MAX = 64;
/** Long enough for a path and the system's words, in bytes. */
const FAILURE_BYTES_MAX = TEXT_BYTES_MAX;

/** The offset of each part from the slot's start, in bytes: each begins on a line of its own. */
const LAYOUT = layOut(
  [
    { ints: Int.COUNT * Int32Array.BYTES_PER_ELEMENT },
    { nums: Num.COUNT * Float64Array.BYTES_PER_ELEMENT },
    { frames: SLOT_FRAMES * FRAME_BYTES },
    { node: NODE_BYTES_MAX },
    { name: IMAGE_NAME_BYTES_MAX },
    { address: ADDRESS_BYTES_MAX },
    { eventText: TEXT_BYTES_MAX },
    { failure: FAILURE_BYTES_MAX },
  ],
  LINE_BYTES,
);

/** Bytes of one slot in shared memory. */
export const SLOT_BYTES = LAYOUT.length;

const AT = LAYOUT.at;

/**
 * A view on one slot. Only the thread that has the request may read and write it. Threads that also
 * need its frames have a `FramedSlot`, which loads libzmq.
 */
export class RequestSlot {
  private readonly start: Address;
  private readonly ints: Int32Array;
  private readonly nums: Float64Array;
  private readonly bytes: Buffer;

  /** @param slots address of slot 0 */
  constructor(
    slots: Address,
    readonly index: number,
  ) {
    this.start = slots + index * SLOT_BYTES;
    const memory = memoryAt(this.start, SLOT_BYTES);
    this.ints = new Int32Array(memory, AT.ints, Int.COUNT);
    this.nums = new Float64Array(memory, AT.nums, Num.COUNT);
    this.bytes = Buffer.from(memory);
  }

  /** Number of frames between routing id and delimiter, or {@link NO_DELIMITER}. */
  get hops(): number {
    return this.ints[Int.hops]!;
  }
  set hops(value: number) {
    this.ints[Int.hops] = value;
  }

  /** Number of frames after the delimiter. */
  get frames(): number {
    return this.ints[Int.frames]!;
  }
  set frames(value: number) {
    this.ints[Int.frames] = value;
  }

  /** Length of frame 1, in bytes. A frame that is too long is not kept. */
  get headerBytes(): number {
    return this.ints[Int.headerBytes]!;
  }
  set headerBytes(value: number) {
    this.ints[Int.headerBytes] = value;
  }

  /** Descriptor of the connection that it came on; -1 if unknown. */
  get fd(): number {
    return this.ints[Int.fd]!;
  }
  set fd(value: number) {
    this.ints[Int.fd] = value;
  }

  /** Bytes that its frames took on the wire, without those of a mechanism such as CURVE. */
  get wireBytes(): number {
    return this.ints[Int.wireBytes]!;
  }
  set wireBytes(value: number) {
    this.ints[Int.wireBytes] = value;
  }

  /** Whether it came straight from its sender, through no proxy. */
  get isDirect(): boolean {
    return this.hops === 0;
  }

  /** One of {@link Kind}. */
  get kind(): number {
    return this.ints[Int.kind]!;
  }
  set kind(value: number) {
    this.ints[Int.kind] = value;
  }

  /** One of {@link Outcome}. */
  get outcome(): number {
    return this.ints[Int.outcome]!;
  }
  set outcome(value: number) {
    this.ints[Int.outcome] = value;
  }

  /** Field 0 of the request's text, as `request.ts` gives it. */
  get node(): string {
    return this.text(AT.node, Int.nodeBytes);
  }
  set node(value: string) {
    this.setText(AT.node, Int.nodeBytes, NODE_BYTES_MAX, value);
  }

  /** What the image's file name begins with, as `names.ts` gives it. */
  get name(): string {
    return this.text(AT.name, Int.nameBytes);
  }
  set name(value: string) {
    this.setText(AT.name, Int.nameBytes, IMAGE_NAME_BYTES_MAX, value);
  }

  /** The line for the event log, without its time. */
  get eventText(): string {
    return this.text(AT.eventText, Int.eventBytes);
  }
  set eventText(value: string) {
    this.setText(AT.eventText, Int.eventBytes, TEXT_BYTES_MAX, value);
  }

  /** Why it could not be stored. A longer reason is cut. */
  get failure(): string {
    return this.text(AT.failure, Int.failureBytes);
  }
  set failure(value: string) {
    this.setText(AT.failure, Int.failureBytes, FAILURE_BYTES_MAX, value);
  }

  /**
   * With `ack: replicated`, where it was stored: an image's path below `images`, or a place in the
   * event log, see `store/log-place.ts`. It is where {@link failure} else is.
   */
  get storedAt(): string {
    return this.failure;
  }
  set storedAt(value: string) {
    this.failure = value;
  }

  /** Address of the sender, kept by the fast path for a newcomer, whose frames are gone then. */
  get address(): string {
    return this.text(AT.address, Int.addressBytes);
  }
  set address(value: string) {
    this.setText(AT.address, Int.addressBytes, ADDRESS_BYTES_MAX, value);
  }

  /** What array the payload is. Only for {@link Kind.raw}. */
  get raw(): RawArray {
    const { ints } = this;
    return {
      height: ints[Int.height]!,
      width: ints[Int.width]!,
      channels: ints[Int.channels] as RawArray["channels"],
      item: ITEMS[ints[Int.item]!]!,
    };
  }
  set raw({ height, width, channels, item }) {
    const { ints } = this;
    ints[Int.height] = height;
    ints[Int.width] = width;
    ints[Int.channels] = channels;
    ints[Int.item] = ITEMS.indexOf(item);
  }

  /** One of {@link Holder}. */
  get holder(): number {
    return Atomics.load(this.ints, Int.holder);
  }
  set holder(value: number) {
    Atomics.store(this.ints, Int.holder, value);
  }

  /**
   * Takes it from one of {@link Holder} for another. @returns false if the first does not have it
   */
  claim(from: number, to: number): boolean {
    return Atomics.compareExchange(this.ints, Int.holder, from, to) === from;
  }

  /** Whether the fast path met this node for the first time, or on a new connection. */
  get isNewcomer(): boolean {
    return this.ints[Int.isNewcomer] !== 0;
  }
  set isNewcomer(value: boolean) {
    this.ints[Int.isNewcomer] = value ? 1 : 0;
  }

  /** Time from receiving to answering on the fast path, in milliseconds. */
  get answerMs(): number {
    return this.nums[Num.answerMs]!;
  }
  set answerMs(value: number) {
    this.nums[Num.answerMs] = value;
  }

  /** When it was received, in microseconds since 1970 UTC. */
  get micros(): number {
    return this.nums[Num.micros]!;
  }
  set micros(value: number) {
    this.nums[Num.micros] = value;
  }

  /** Where the bytes of the image are. They stay there until the request is done. */
  get payloadAddress(): Address {
    return this.nums[Num.payloadAddress]!;
  }
  /** How many they are. */
  get payloadBytes(): number {
    return this.nums[Num.payloadBytes]!;
  }
  setPayload(address: Address, bytes: number): void {
    this.nums[Num.payloadAddress] = address;
    this.nums[Num.payloadBytes] = bytes;
  }

  private text(at: number, length: Int): string {
    return this.bytes.toString("utf8", at, at + this.ints[length]!);
  }

  /** A text that is too long is cut at the end of a character. */
  private setText(at: number, length: Int, max: number, value: string): void {
    this.ints[length] = this.bytes.write(value, at, max);
  }

  /** Address of one of its frames. `receiver/framed-slot.ts` reads them. @param index from 0 */
  frameAddress(index: number): Address {
    return this.start + AT.frames + index * FRAME_BYTES;
  }
}

/** Puts what is to be stored into a slot that already has its payload and time. */
export function fillSlot(slot: RequestSlot, request: StoredRequest): void {
  slot.node = request.node;
  // Until it is stored.
  slot.outcome = Outcome.failed;
  if (request.kind === "event") {
    slot.kind = Kind.event;
    slot.eventText = request.text;
    return;
  }
  slot.name = request.name;
  slot.kind = request.raw === undefined ? Kind.jpeg : Kind.raw;
  if (request.raw !== undefined) slot.raw = request.raw;
}

/** Views on all slots, each made at its first use. */
export class RequestSlots {
  private readonly views: (RequestSlot | undefined)[] = [];

  /** @param slots address of slot 0 */
  constructor(private readonly slots: Address) {}

  at(index: number): RequestSlot {
    return (this.views[index] ??= new RequestSlot(this.slots, index));
  }
}
