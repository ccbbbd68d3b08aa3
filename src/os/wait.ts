/**
 * Ways to wait: eventfd, futex and poll.
 *
 * @module
 */

import { ptr } from "bun:ffi";
import { constants as os } from "node:os";
import { type Address, SystemError, c, checked, lastErrno } from "./ffi.ts";

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

/** `eventfd(2)`: lets one thread wake another that waits in a poll. */
export class EventFd {
  private readonly value = new BigUint64Array(1);

  /** @param fd from {@link EventFd.create}, perhaps in another thread */
  constructor(readonly fd: number) {}

  /** @throws {SystemError} */
  static create(): EventFd {
    return new EventFd(checked("eventfd", c.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
  }

  /** Makes the descriptor readable. */
  signal(): void {
    this.value[0] = 1n;
    c.write(this.fd, this.value, 8);
  }

  /** Makes the descriptor unreadable again. */
  clear(): void {
    c.read(this.fd, this.value, 8);
  }
}

/** The number of futex(2). */
const SYS_FUTEX = process.arch === "arm64" ? 98 : 202;
const FUTEX_WAIT_PRIVATE = 128;
const FUTEX_WAKE_PRIVATE = 129;

/**
 * `futex(2)`: threads wait until another thread changes a shared integer and wakes them.
 * `Atomics.wait` and `Atomics.notify` take four or five system calls for the same.
 */
export class Futex {
  private readonly address: Address;

  /**
   * @param integers kept here, because the kernel gets only the address
   * @param index of the integer among them
   */
  constructor(
    readonly integers: Int32Array<SharedArrayBuffer>,
    index: number,
  ) {
    this.address = ptr(integers) + index * Int32Array.BYTES_PER_ELEMENT;
  }

  /**
   * Waits for `wake`, unless the integer is no longer `value`. It may also return for no reason.
   */
  wait(value: number): void {
    c.syscall(SYS_FUTEX, this.address, FUTEX_WAIT_PRIVATE, value, null, null, 0);
  }

  /** Wakes up to `count` waiting threads. */
  wake(count: number): void {
    c.syscall(SYS_FUTEX, this.address, FUTEX_WAKE_PRIVATE, count, null, null, 0);
  }
}

/**
 * struct pollfd as two integers: the descriptor; the wanted events and the events that occurred.
 */
const POLLFD_INTS = 2;
const POLLIN = 1;

/** `poll(2)` for reading, over a fixed list of descriptors. */
export class DescriptorPoller {
  private readonly items: Int32Array;

  constructor(private readonly descriptors: readonly number[]) {
    this.items = new Int32Array(descriptors.length * POLLFD_INTS);
    for (const index of descriptors.keys()) this.want(index, true);
  }

  /** Sets whether to wait for descriptor `index` of the list. */
  want(index: number, wanted: boolean): void {
    // poll(2) skips negative descriptors.
    this.items[index * POLLFD_INTS] = wanted ? this.descriptors[index]! : -1;
  }

  /**
   * Waits until a descriptor is readable, `timeoutMs` have passed (-1: for ever), or a signal
   * arrives. @throws {SystemError}
   */
  wait(timeoutMs: number): void {
    const { items } = this;
    // A wait that a signal ends would leave the old results.
    for (let at = 1; at < items.length; at += POLLFD_INTS) items[at] = POLLIN;
    const count = c.poll(items, this.descriptors.length, timeoutMs);
    if (count < 0 && lastErrno() !== os.errno.EINTR) throw new SystemError("poll", lastErrno());
  }

  /** Whether the last wait found descriptor `index` of the list readable, or closed by its peer. */
  readable(index: number): boolean {
    return this.items[index * POLLFD_INTS + 1]! >> 16 !== 0;
  }
}
