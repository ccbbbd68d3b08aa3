/**
 * Memory that threads share, and memory as a file.
 *
 * @module
 */

import { toArrayBuffer } from "bun:ffi";
import { type Address, SystemError, c, checked, lastErrno } from "./ffi.ts";
import { pathA, writeBytes } from "./files.ts";

const MFD_CLOEXEC = 1;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_FAILED = -1;

/**
 * `mmap(2)`: zeroed memory that all threads may use by its address, until the process ends. The
 * garbage collector does not count it. Pages that are never touched take no memory, and
 * none is set aside for them.
 *
 * @throws {SystemError}
 */
export function mapMemory(bytes: number): Address {
  const address = c.mmap(
    null,
    bytes,
    PROT_READ | PROT_WRITE,
    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
    -1,
    0,
  ) as number;
  if (address === MAP_FAILED) throw new SystemError("mmap", lastErrno());
  return address;
}

/** A view of memory outside the JavaScript heap. */
export function memoryAt(address: Address, bytes: number): ArrayBuffer {
  return toArrayBuffer(address, 0, bytes);
}

/** Copies `length` bytes from an address outside the JavaScript heap to the start of `target`. */
export function copyTo(target: Uint8Array, address: Address, length: number): void {
  if (length > target.byteLength)
    throw new RangeError(`Cannot copy ${length} bytes to ${target.byteLength}`);
  if (length > 0) c.memcpy(target, address, length);
}

/**
 * Makes a file that exists only in memory and holds `bytes`.
 *
 * @returns its path under /proc, valid until this process ends
 * @throws {SystemError}
 */
export function memoryFile(name: string, bytes: Uint8Array): string {
  const fd = checked("memfd_create", c.memfd_create(pathA.set(name), MFD_CLOEXEC));
  writeBytes(fd, bytes);
  return `/proc/self/fd/${fd}`;
}

/** `malloc_trim(3)`: returns free memory of the C library to the kernel, for all threads. */
export function trimMemory(): void {
  c.malloc_trim(0);
}

/**
 * Counts bytes that were used once, and collects garbage when they are many. The collector gives
 * little weight to buffers, and would keep tens of megabytes of them.
 */
export class Litter {
  private bytes = 0;

  /** @param bytesMax how many may lie about */
  constructor(private readonly bytesMax: number) {}

  /** Some were used. */
  add(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes < this.bytesMax) return;
    this.bytes = 0;
    Bun.gc(true);
  }
}
