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
const MAP_FAILED = -1;

/**
 * `mmap(2)`: zeroed memory that all threads may use by its address, for as long as the process
 * lives. No collector counts it, and pages that are never touched take none.
 *
 * @throws {SystemError}
 */
export function mapMemory(bytes: number): Address {
  const address = c.mmap(
    null,
    bytes,
    PROT_READ | PROT_WRITE,
    MAP_PRIVATE | MAP_ANONYMOUS,
    -1,
    0,
  ) as number;
  if (address === MAP_FAILED) throw new SystemError("mmap", lastErrno());
  return address;
}

/** A view on memory that is not the collector's. */
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
 * A file that lives in memory alone and holds `bytes`.
 *
 * @returns its path under /proc, good for as long as this process lives
 * @throws {SystemError}
 */
export function memoryFile(name: string, bytes: Uint8Array): string {
  const fd = checked("memfd_create", c.memfd_create(pathA.set(name), MFD_CLOEXEC));
  writeBytes(fd, bytes);
  return `/proc/self/fd/${fd}`;
}

/** `malloc_trim(3)`: gives the kernel back what the C library has free, of all threads. */
export function trimMemory(): void {
  c.malloc_trim(0);
}
