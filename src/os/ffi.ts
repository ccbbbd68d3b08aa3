/**
 * The C library through `bun:ffi`: its functions, addresses and errors. Only this folder and `zmq`
 * know pointers and errno. Paths are passed as strings, data as an address and a length. Failures
 * throw a {@link SystemError}.
 *
 * @module
 */

import { FFIType, type Pointer, dlopen, toArrayBuffer } from "bun:ffi";
import { constants as os } from "node:os";

export const { symbols: c } = dlopen("libc.so.6", {
  __errno_location: { args: [], returns: FFIType.ptr },
  clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  close: { args: [FFIType.i32], returns: FFIType.i32 },
  eventfd: { args: [FFIType.u32, FFIType.i32], returns: FFIType.i32 },
  // fcntl(2) and ioctl(2) take a variable argument, like open(2).
  fcntl: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  fgetxattr: {
    args: [FFIType.i32, FFIType.ptr, FFIType.ptr, FFIType.u64],
    returns: FFIType.i64_fast,
  },
  flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  fsync: { args: [FFIType.i32], returns: FFIType.i32 },
  ftruncate: { args: [FFIType.i32, FFIType.i64], returns: FFIType.i32 },
  getpeername: { args: [FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  getsockopt: {
    args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr],
    returns: FFIType.i32,
  },
  ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
  linkat: {
    args: [FFIType.i32, FFIType.ptr, FFIType.i32, FFIType.ptr, FFIType.i32],
    returns: FFIType.i32,
  },
  localtime_r: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.ptr },
  lseek: { args: [FFIType.i32, FFIType.i64, FFIType.i32], returns: FFIType.i64_fast },
  malloc_trim: { args: [FFIType.u64], returns: FFIType.i32 },
  memcpy: { args: [FFIType.ptr, FFIType.ptr, FFIType.u64], returns: FFIType.ptr },
  memfd_create: { args: [FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
  mmap: {
    args: [FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.i32, FFIType.i32, FFIType.i64],
    returns: FFIType.i64_fast,
  },
  mkdirat: { args: [FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
  // open(2) takes its mode as a variable argument. On Linux for x86-64 and AArch64 it is passed
  // like a named one.
  open: { args: [FFIType.ptr, FFIType.i32, FFIType.u32], returns: FFIType.i32 },
  openat: { args: [FFIType.i32, FFIType.ptr, FFIType.i32, FFIType.u32], returns: FFIType.i32 },
  posix_fadvise: {
    args: [FFIType.i32, FFIType.i64, FFIType.i64, FFIType.i32],
    returns: FFIType.i32,
  },
  read: { args: [FFIType.i32, FFIType.ptr, FFIType.u64], returns: FFIType.i64_fast },
  renameat2: {
    args: [FFIType.i32, FFIType.ptr, FFIType.i32, FFIType.ptr, FFIType.u32],
    returns: FFIType.i32,
  },
  poll: { args: [FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
  listen: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  setsockopt: {
    args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.u32],
    returns: FFIType.i32,
  },
  send: {
    args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32],
    returns: FFIType.i64_fast,
  },
  shutdown: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  // Older C libraries have no symbol `stat`.
  statx: {
    args: [FFIType.i32, FFIType.ptr, FFIType.i32, FFIType.u32, FFIType.ptr],
    returns: FFIType.i32,
  },
  syncfs: { args: [FFIType.i32], returns: FFIType.i32 },
  // syscall(2) takes variable arguments, like open(2). futex(2) has no function of its own.
  syscall: {
    args: [
      FFIType.i64,
      FFIType.ptr,
      FFIType.i32,
      FFIType.i32,
      FFIType.ptr,
      FFIType.ptr,
      FFIType.i32,
    ],
    returns: FFIType.i64_fast,
  },
  tzset: { args: [], returns: FFIType.void },
  unlink: { args: [FFIType.ptr], returns: FFIType.i32 },
  unlinkat: { args: [FFIType.i32, FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  write: { args: [FFIType.i32, FFIType.ptr, FFIType.u64], returns: FFIType.i64_fast },
});

/**
 * Older C libraries have no `getdents64`, so it is called by its number. It has other arguments
 * than futex(2), the other call of that kind.
 */
const { symbols: numbered } = dlopen("libc.so.6", {
  syscall: {
    args: [FFIType.i64, FFIType.i32, FFIType.ptr, FFIType.u64],
    returns: FFIType.i64_fast,
  },
});
const GETDENTS64 = process.arch === "arm64" ? 61 : 217;

/**
 * `getdents64(2)`: the next entries of an open directory. @returns bytes used; 0 at the end; -1 on
 * failure
 */
export function getdents(fd: number, buffer: Uint8Array): number {
  return Number(numbered.syscall(GETDENTS64, fd, buffer, buffer.byteLength));
}

/** An address in this process's memory, as a number. */
export type Address = number;

/** A failed call of the C library. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  /** The C function, e.g. `write`. */
  readonly syscall: string;
  /** The value of errno. */
  readonly errno: number;
  /** The name of the error, e.g. `ENOSPC`. */
  readonly code: string;

  constructor(syscall: string, errno: number, path?: string) {
    const code = errnoName(errno);
    super(`${errnoText(code)} (${syscall}${path === undefined ? "" : ` ${path}`}: ${code})`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = code;
  }
}

const ERRNO_NAMES = new Map(Object.entries(os.errno).map(([name, number]) => [number, name]));

/** Texts for failures that happen when storing files. Others are shown by their name. */
const ERRNO_TEXTS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EDQUOT: "disk quota exceeded",
  EIO: "input/output error of the disk",
  EMFILE: "too many open files",
  ENAMETOOLONG: "name too long",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on the device",
  EPERM: "not permitted",
  ENOTDIR: "not a directory",
  EROFS: "read-only file system",
};

function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

function errnoText(code: string): string {
  return ERRNO_TEXTS[code] ?? "system call failed";
}

/**
 * errno of this thread, which has its own copy of this module. It is read directly from memory,
 * because a call to get it could change it.
 */
const errno = new Int32Array(
  toArrayBuffer(c.__errno_location() as Pointer, 0, Int32Array.BYTES_PER_ELEMENT),
);

/** errno of the last failed call of this thread. Read it right after that call. */
export function lastErrno(): number {
  return errno[0]!;
}

export function checked(syscall: string, result: number, path?: string): number {
  if (result < 0) throw new SystemError(syscall, lastErrno(), path);
  return result;
}
