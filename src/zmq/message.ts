/**
 * Messages of libzmq (`zmq_msg_t`). Each is one frame.
 *
 * @module
 */

import { CString, type Pointer, ptr, read } from "bun:ffi";
import { FRAME_BYTES } from "../limits.ts";
import { type Address, lastErrno } from "../os/ffi.ts";
import { copyTo } from "../os/memory.ts";
import { cString, zmq } from "./library.ts";

const ZMQ_SRCFD = 2;

/**
 * A `zmq_msg_t` in memory owned by someone else. Make this view once; using it costs nothing.
 *
 * A message may be handed to another thread. Until it is handed back, only that thread may touch
 * it.
 */
export class Message {
  private readonly pointer: Pointer;

  /**
   * @param address of {@link FRAME_BYTES} bytes, aligned to 8
   * @param memory that contains them; kept here, because the garbage collector frees memory of
   * which only an address is left. undefined for memory outside the JavaScript heap
   */
  constructor(
    address: Address,
    /** @internal */ readonly memory?: Uint8Array,
  ) {
    this.pointer = address as Pointer;
  }

  /** `zmq_msg_init(3)`: makes it an empty message. Its former content is forgotten, not freed. */
  init(): void {
    zmq.zmq_msg_init(this.pointer);
  }

  /** `zmq_msg_size(3)`, in bytes. */
  get size(): number {
    return zmq.zmq_msg_size(this.pointer) as number;
  }

  /** `zmq_msg_data(3)`: the address of its bytes, until it is closed, received into or sent. */
  get data(): Address {
    return zmq.zmq_msg_data(this.pointer) as number;
  }

  /** `zmq_msg_more(3)`: whether another frame of the same request follows. */
  get more(): boolean {
    return zmq.zmq_msg_more(this.pointer) !== 0;
  }

  /**
   * ZMQ_SRCFD of `zmq_msg_get(3)`: the descriptor of the connection that it came on; -1 if none.
   */
  get sourceFd(): number {
    return zmq.zmq_msg_get(this.pointer, ZMQ_SRCFD);
  }

  /** `zmq_msg_gets(3)`: a property of the connection that it came on, e.g. `Peer-Address`. */
  property(name: string): string | undefined {
    const value = zmq.zmq_msg_gets(this.pointer, cString(name));
    return value === null ? undefined : new CString(value);
  }

  /** Its first byte; it must have one. */
  get firstByte(): number {
    return read.u8(zmq.zmq_msg_data(this.pointer)!, 0);
  }

  /** Whether it begins like a JPEG file: `FF D8 FF`. */
  get isJpeg(): boolean {
    if (this.size < 3) return false;
    const data = zmq.zmq_msg_data(this.pointer)!;
    return read.u8(data, 0) === 0xff && read.u8(data, 1) === 0xd8 && read.u8(data, 2) === 0xff;
  }

  /** A copy of its bytes. */
  bytes(): Buffer {
    const copy = Buffer.allocUnsafe(this.size);
    copyTo(copy, this.data, copy.byteLength);
    return copy;
  }

  /** Copies its bytes to the start of `target`. */
  copyTo(target: Uint8Array): void {
    copyTo(target, this.data, this.size);
  }

  /** `zmq_msg_close(3)`: frees its content. It is then empty and may be received into again. */
  clear(): void {
    zmq.zmq_msg_close(this.pointer);
    zmq.zmq_msg_init(this.pointer);
  }

  /**
   * `zmq_msg_move(3)`: takes over the content of another message, which is empty afterwards. Its
   * own former content is freed.
   */
  moveFrom(other: Message): void {
    zmq.zmq_msg_move(this.pointer, other.pointer);
  }

  /** @internal `zmq_msg_recv(3)`; @returns errno, or 0 */
  receive(socket: Pointer, flags: number): number {
    return zmq.zmq_msg_recv(this.pointer, socket, flags) < 0 ? lastErrno() : 0;
  }

  /** @internal `zmq_msg_send(3)`, which empties it; @returns errno, or 0 */
  send(socket: Pointer, flags: number): number {
    return zmq.zmq_msg_send(this.pointer, socket, flags) < 0 ? lastErrno() : 0;
  }
}

/** Messages of one thread, side by side in memory. */
export class MessageArray {
  private readonly messages: Message[] = [];

  constructor(length: number) {
    const memory = new Uint8Array(length * FRAME_BYTES);
    const start = ptr(memory);
    for (let index = 0; index < length; index++) {
      const message = new Message(start + index * FRAME_BYTES, memory);
      message.init();
      this.messages.push(message);
    }
  }

  at(index: number): Message {
    const message = this.messages[index];
    if (message === undefined)
      throw new RangeError(`No message ${index} of ${this.messages.length}`);
    return message;
  }
}
