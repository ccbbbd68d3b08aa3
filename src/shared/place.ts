/**
 * The frames of one request in hand, as libzmq received them, in memory that threads share: so that
 * whichever of them has the request can store and answer it.
 *
 * @module
 */

import { type Address } from "../os/ffi.ts";
import { memoryAt } from "../os/memory.ts";
import { PLACE_BYTES } from "./memory.ts";
import { Message, MESSAGE_BYTES } from "../zmq/message.ts";

/**
 * The value of {@link Place.hops} where there was no delimiter; such a request is answered without
 * one.
 */
export const NO_DELIMITER = -1;

/** Where the integers stand. */
const HOPS = 0;
const FRAMES = 1;
const HEADER_BYTES = 2;
const FD = 3;
const WIRE_BYTES = 4;

/** The integers take one cache line. */
const MESSAGES_AT = 64;
const ROUTING_ID = 0;
const HEADER = 1;
const PAYLOAD = 2;
const FIRST_HOP = 3;
const MESSAGES = (PLACE_BYTES - MESSAGES_AT) / MESSAGE_BYTES;

/** Most frames between the routing id and the empty delimiter, one for each proxy on the way: 8. */
export const HOPS_MAX = MESSAGES - FIRST_HOP;

/** A view on one place. Whoever has the request may read and write it. */
export class Place {
  readonly routingId: Message;
  /** Frame 1. */
  readonly header: Message;
  /** Frame 2. */
  readonly payload: Message;
  private readonly hopMessages: Message[] = [];
  private readonly integers: Int32Array;

  /** @param places where all of them are */
  constructor(
    private readonly places: Address,
    private readonly index: number,
  ) {
    this.integers = new Int32Array(memoryAt(places + index * PLACE_BYTES, MESSAGES_AT));
    this.routingId = this.message(ROUTING_ID);
    this.header = this.message(HEADER);
    this.payload = this.message(PAYLOAD);
  }

  /** Makes its messages empty ones, once, before they are used first. */
  init(): void {
    for (let index = 0; index < MESSAGES; index++) this.message(index).init();
  }

  /** How many frames there were between routing id and delimiter; {@link NO_DELIMITER}. */
  get hops(): number {
    return this.integers[HOPS]!;
  }
  set hops(value: number) {
    this.integers[HOPS] = value;
  }

  /** One of these frames, from 0. */
  hop(index: number): Message {
    return (this.hopMessages[index] ??= this.message(FIRST_HOP + index));
  }

  /** How many frames there were behind the delimiter. */
  get frames(): number {
    return this.integers[FRAMES]!;
  }
  set frames(value: number) {
    this.integers[FRAMES] = value;
  }

  /** How long frame 1 was, in bytes; it is not kept where that is too long. */
  get headerBytes(): number {
    return this.integers[HEADER_BYTES]!;
  }
  set headerBytes(value: number) {
    this.integers[HEADER_BYTES] = value;
  }

  /** The descriptor of the connection that it came on; -1 where that is not known. */
  get fd(): number {
    return this.integers[FD]!;
  }
  set fd(value: number) {
    this.integers[FD] = value;
  }

  /** Bytes that all frames of it took on the wire, without those of a mechanism such as CURVE. */
  get wireBytes(): number {
    return this.integers[WIRE_BYTES]!;
  }
  set wireBytes(value: number) {
    this.integers[WIRE_BYTES] = value;
  }

  private message(index: number): Message {
    return new Message(
      this.places + this.index * PLACE_BYTES + MESSAGES_AT + index * MESSAGE_BYTES,
    );
  }
}
