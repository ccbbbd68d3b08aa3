/**
 * Waits for several libzmq sockets and events at once (zmq_poll(3)).
 *
 * @module
 */

import { constants as os } from "node:os";
import { lastErrno } from "../os/ffi.ts";
import { type EventFd } from "../os/wait.ts";
import { fail, zmq } from "./library.ts";
import { Socket } from "./socket.ts";

const ZMQ_POLLIN = 1;

/** `zmq_pollitem_t`: socket (8 bytes), descriptor (4), wanted events (2), seen events (2). */
const POLL_ITEM_BYTES = 16;

/** `zmq_poll(3)` for reading, over a fixed list of sockets and events. */
export class Poller {
  private readonly memory: Uint8Array;
  private readonly items: DataView;

  constructor(private readonly sources: readonly (Socket | EventFd)[]) {
    this.memory = new Uint8Array(sources.length * POLL_ITEM_BYTES);
    this.items = new DataView(this.memory.buffer);
    for (const [index, source] of sources.entries()) {
      const at = index * POLL_ITEM_BYTES;
      if (source instanceof Socket) this.items.setBigUint64(at, BigInt(source.pointer), true);
      else this.items.setInt32(at + 8, source.fd, true);
      this.want(index, true);
    }
  }

  /** Sets whether to wait for source `index`. */
  want(index: number, wanted: boolean): void {
    this.items.setInt16(index * POLL_ITEM_BYTES + 12, wanted ? ZMQ_POLLIN : 0, true);
  }

  /**
   * Waits until a source is readable, `timeoutMs` have passed (-1: for ever), or a signal arrives.
   *
   * @throws {ZmqError} if that fails
   */
  wait(timeoutMs: number): void {
    const count = zmq.zmq_poll(this.memory, this.sources.length, timeoutMs);
    if (count < 0 && lastErrno() !== os.errno.EINTR) fail("zmq_poll");
    if (count > 0) return;
    for (let index = 0; index < this.sources.length; index++) {
      this.items.setInt16(index * POLL_ITEM_BYTES + 14, 0, true);
    }
  }

  /** Whether the last wait found source `index` readable. */
  readable(index: number): boolean {
    return this.items.getInt16(index * POLL_ITEM_BYTES + 14, true) !== 0;
  }
}
