/**
 * The few calls of the C library that the hub makes itself: those on the way of an image, where `node:fs` costs
 * more than all of libzmq, and those that `node:fs` does not have (`O_TMPFILE`, `linkat`, `renameat2`,
 * `localtime_r`, `eventfd`, `memfd_create`, `flock`). Everything else uses `node:fs`.
 *
 * Together with the folder `zmq` this is the only file that knows pointers and errno. Paths go in as strings, data as an
 * address and a length, and what fails throws a {@link SystemError}.
 *
 * @module
 */

import { dlopen, FFIType, type Pointer, ptr, toArrayBuffer } from "bun:ffi";
import { constants as fs } from "node:fs";
import { constants as os } from "node:os";

const { symbols: c } = dlopen("libc.so.6", {
  __errno_location: { args: [], returns: FFIType.ptr },
  clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  close: { args: [FFIType.i32], returns: FFIType.i32 },
  eventfd: { args: [FFIType.u32, FFIType.i32], returns: FFIType.i32 },
  // fcntl(2) and ioctl(2) take a variable argument, as open(2) does.
  fcntl: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  fgetxattr: { args: [FFIType.i32, FFIType.ptr, FFIType.ptr, FFIType.u64], returns: FFIType.i64_fast },
  flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  fsync: { args: [FFIType.i32], returns: FFIType.i32 },
  ftruncate: { args: [FFIType.i32, FFIType.i64], returns: FFIType.i32 },
  getpeername: { args: [FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  getsockopt: {
    args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr],
    returns: FFIType.i32,
  },
  ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
  linkat: { args: [FFIType.i32, FFIType.ptr, FFIType.i32, FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  localtime_r: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.ptr },
  lseek: { args: [FFIType.i32, FFIType.i64, FFIType.i32], returns: FFIType.i64_fast },
  malloc_trim: { args: [FFIType.u64], returns: FFIType.i32 },
  memcpy: { args: [FFIType.ptr, FFIType.ptr, FFIType.u64], returns: FFIType.ptr },
  memfd_create: { args: [FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
  mmap: {
    args: [FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.i32, FFIType.i32, FFIType.i64],
    returns: FFIType.i64_fast,
  },
  // open(2) takes its mode as a variable argument; on x86-64 and on AArch64 Linux it travels as a named one would.
  open: { args: [FFIType.ptr, FFIType.i32, FFIType.u32], returns: FFIType.i32 },
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
  shutdown: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  // Older C libraries have no symbol `stat`.
  statx: {
    args: [FFIType.i32, FFIType.ptr, FFIType.i32, FFIType.u32, FFIType.ptr],
    returns: FFIType.i32,
  },
  syncfs: { args: [FFIType.i32], returns: FFIType.i32 },
  // syscall(2) takes variable arguments, as open(2) does; futex(2) has no function of its own.
  syscall: {
    args: [FFIType.i64, FFIType.ptr, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr, FFIType.i32],
    returns: FFIType.i64_fast,
  },
  tzset: { args: [], returns: FFIType.void },
  unlink: { args: [FFIType.ptr], returns: FFIType.i32 },
  write: { args: [FFIType.i32, FFIType.ptr, FFIType.u64], returns: FFIType.i64_fast },
});

/** An address in this process's memory, as a number. */
export type Address = number;

const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const AT_EMPTY_PATH = 0x1000;
const AT_STATX_DONT_SYNC = 0x4000;
const STATX_TYPE = 1;
const STATX_INO = 0x100;
/** struct statx (256 bytes), in 32-bit numbers: where the mode (the lower half), the inode's number and the device's are. */
const STATX_INTS = 64;
const STATX_MODE = 7;
const STATX_INODE = 8;
const STATX_DEVICE = 34;
const RENAME_NOREPLACE = 1;
const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const SEEK_END = 2;
const MFD_CLOEXEC = 1;
const SHUT_RDWR = 2;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_FAILED = -1;
const IPPROTO_TCP = 6;
const SO_COOKIE = 57;
const SIOCOUTQNSD = 0x894b;
const F_DUPFD_CLOEXEC = 1030;
const TCP_CORK = 3;
const TCP_USER_TIMEOUT = 18;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const TCP_INFO = 11;
const LOCK_EX = 2;
const LOCK_NB = 4;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
/** linux/fcntl.h: `__O_TMPFILE | O_DIRECTORY`, and O_DIRECTORY is not the same number on x86-64 and on AArch64. */
const O_TMPFILE = 0o20000000 | fs.O_DIRECTORY;

/** A call of the C library that failed. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  /** The C function, e.g. `write`. */
  readonly syscall: string;
  /** The number the C library left in errno. */
  readonly errno: number;
  /** Its name, e.g. `ENOSPC`. */
  readonly code: string;

  constructor(syscall: string, errno: number, path?: string) {
    const code = errnoName(errno);
    super(`${errnoText(code)} (${syscall}${path === undefined ? "" : ` ${path}`}: ${code})`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = code;
  }
}

/** Something else is where a file should be: a named pipe, a device, a socket. */
export class NotAFile extends Error {
  override readonly name = "NotAFile";
  readonly code = "EINVAL";

  constructor(path: string) {
    super(`${path} is no regular file: move it away, and the hub makes a new one`);
  }
}

const ERRNO_NAMES = new Map(Object.entries(os.errno).map(([name, number]) => [number, name]));

/** What a person is told for the failures that storing files meets; others go by their name alone. */
const ERRNO_TEXTS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EDQUOT: "disk quota exceeded",
  EIO: "input/output error of the disk",
  EMFILE: "too many open files",
  ENAMETOOLONG: "name too long",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on the device",
  ENOTDIR: "not a directory",
  EROFS: "read-only file system",
};

function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

function errnoText(code: string): string {
  return ERRNO_TEXTS[code] ?? "system call failed";
}

/** errno of this thread, which has its own copy of this module: read where it is, as a call that asks for it could change it. */
const errno = new Int32Array(toArrayBuffer(c.__errno_location() as Pointer, 0, Int32Array.BYTES_PER_ELEMENT));

/** What the last failed call of this thread left. It has to be read right after that call. */
export function lastErrno(): number {
  return errno[0]!;
}

/** Longest path that Linux takes, its closing NUL included: PATH_MAX. */
const PATH_BYTES_MAX = 4096;

/**
 * A path as C wants it, in memory that stays where it is. Two are enough: no call here takes more than two paths, and
 * each thread has its own copy of this module.
 */
class PathBuffer {
  private readonly bytes = Buffer.alloc(PATH_BYTES_MAX);

  set(path: string): Buffer {
    // Characters take up to 3 bytes each in UTF-8, so only a path that may be too long is measured.
    if (path.length * 3 >= PATH_BYTES_MAX && Buffer.byteLength(path) >= PATH_BYTES_MAX) {
      throw new SystemError("path", os.errno.ENAMETOOLONG, path);
    }
    const end = this.bytes.write(path);
    this.bytes[end] = 0;
    return this.bytes;
  }
}

const pathA = new PathBuffer();
const pathB = new PathBuffer();

/** `open(path, O_TMPFILE | O_WRONLY)`: a file without a name in `directory`. @throws {SystemError} */
export function openUnnamed(directory: string, mode: number): number {
  return open(directory, O_TMPFILE | fs.O_WRONLY, mode);
}

/** `open(path, O_CREAT | O_EXCL | O_WRONLY)`: a new file. @throws {SystemError} EEXIST where there is one */
export function openNew(path: string, mode: number): number {
  return open(path, fs.O_CREAT | fs.O_EXCL | fs.O_WRONLY, mode);
}

/**
 * `open(path, O_WRONLY | O_APPEND)`: a file that must be there.
 *
 * @throws {SystemError} ENOENT where there is none
 * @throws {NotAFile} where it is a pipe or the like: it neither waits for a reader of that, nor writes to it
 */
export function openAppend(path: string): number {
  return openFile(path, fs.O_WRONLY | fs.O_APPEND);
}

/** `open(path, O_RDONLY)`: the same, to read. @throws {SystemError} and {NotAFile} */
export function openRead(path: string): number {
  return openFile(path, fs.O_RDONLY);
}

function openFile(path: string, flags: number): number {
  let fd = openOnce(path, flags | fs.O_NONBLOCK, 0);
  // Another program has a lease on the file (fcntl(2), F_SETLEASE; Samba takes them), and has just been asked to give it up.
  if (fd < 0 && lastErrno() === os.errno.EWOULDBLOCK) fd = openOnce(path, flags, 0);
  if (fd < 0 && lastErrno() === os.errno.ENXIO) throw new NotAFile(path);
  checked("open", fd, path);
  if (isRegular(fd)) return fd;
  c.close(fd);
  throw new NotAFile(path);
}

/** `open(path, O_CREAT | O_RDONLY)`: a file that may be there. @throws {SystemError} */
export function openCreate(path: string, mode: number): number {
  return open(path, fs.O_CREAT | fs.O_RDONLY | fs.O_NONBLOCK, mode);
}

/** `open(path, O_RDONLY | O_DIRECTORY)`. @throws {SystemError} */
export function openDirectory(path: string): number {
  return open(path, fs.O_RDONLY | fs.O_DIRECTORY, 0);
}

function open(path: string, flags: number, mode: number): number {
  return checked("open", openOnce(path, flags, mode), path);
}

/** @returns below 0 where it failed */
function openOnce(path: string, flags: number, mode: number): number {
  for (;;) {
    const fd = c.open(pathA.set(path), flags | O_CLOEXEC, mode);
    if (fd >= 0 || lastErrno() !== os.errno.EINTR) return fd;
  }
}

const EMPTY_PATH = Buffer.of(0);
const fileStatus = new Uint32Array(STATX_INTS);

/** `statx(2)` of an open file. */
function isRegular(fd: number): boolean {
  checked("statx", c.statx(fd, EMPTY_PATH, AT_EMPTY_PATH, STATX_TYPE, fileStatus));
  return (fileStatus[STATX_MODE]! & fs.S_IFMT) === fs.S_IFREG;
}

/** `close(fd)`. @throws {SystemError} e.g. EIO or ENOSPC, which some file systems report only now */
export function close(fd: number): void {
  // After a signal, too, it is closed: the number may be another file's by now (close(2), "Dealing with error returns").
  if (c.close(fd) < 0 && lastErrno() !== os.errno.EINTR) throw new SystemError("close", lastErrno());
}

/** Writes all `length` bytes at `address`, with as many calls of `write(2)` as that takes. @throws {SystemError} */
export function writeAll(fd: number, address: Address, length: number): void {
  for (let done = 0; done < length;) done += written(c.write(fd, address + done, length - done) as number);
}

/** Writes all of `bytes`. @throws {SystemError} */
export function writeBytes(fd: number, bytes: Uint8Array): void {
  const { byteLength } = bytes;
  for (let done = 0; done < byteLength;) {
    done += written(c.write(fd, done === 0 ? bytes : bytes.subarray(done), byteLength - done) as number);
  }
}

/** `write(2)`, once. @returns how many bytes were written: none where a signal came first @throws {SystemError} */
export function writeSome(fd: number, bytes: Uint8Array): number {
  return written(c.write(fd, bytes, bytes.byteLength) as number);
}

/** @param result of `write(2)` @returns how many bytes were written: none where a signal came first @throws {SystemError} */
function written(result: number): number {
  if (result > 0) return result;
  if (result === 0) throw new SystemError("write", os.errno.EIO);
  failUnlessInterrupted("write");
  return 0;
}

/** `fsync(fd)`. A failure is final: the kernel may have dropped the pages it could not write. @throws {SystemError} */
export function fsync(fd: number): void {
  while (c.fsync(fd) < 0) failUnlessInterrupted("fsync");
}

/** Makes the entries of a directory durable: `fsync` on the directory itself. @throws {SystemError} */
export function fsyncDirectory(path: string): void {
  const fd = openDirectory(path);
  try {
    fsync(fd);
  } finally {
    c.close(fd);
  }
}

/**
 * `syncfs(2)`: brings all that was written to the file system of `fd` to the disk, and waits for it.
 *
 * @throws {SystemError} where something that was written since the last call could not be brought there (Linux 5.8)
 */
export function syncFileSystem(fd: number): void {
  while (c.syncfs(fd) < 0) failUnlessInterrupted("syncfs");
}

/** `flock(fd, LOCK_EX | LOCK_NB)`. @returns false where another process holds the lock @throws {SystemError} */
export function lockExclusive(fd: number): boolean {
  if (c.flock(fd, LOCK_EX | LOCK_NB) >= 0) return true;
  if (lastErrno() === os.errno.EWOULDBLOCK) return false;
  throw new SystemError("flock", lastErrno());
}

/** `lseek(fd, 0, SEEK_END)`: the file's size in bytes. @throws {SystemError} */
export function sizeOf(fd: number): number {
  return checked("lseek", c.lseek(fd, 0, SEEK_END) as number);
}

/** `ftruncate(fd, size)`. @throws {SystemError} */
export function truncate(fd: number, size: number): void {
  while (c.ftruncate(fd, size) < 0) failUnlessInterrupted("ftruncate");
}

/** Whether linkat(2) takes a descriptor with no path: from root always, from others since Linux 6.10. */
let emptyPathWorks = true;

/** Errors that say that it does not. ENOENT also says that a folder is gone, as the other way then does, too. */
const NO_EMPTY_PATH = new Set([os.errno.ENOENT, os.errno.EINVAL, os.errno.EPERM]);

/**
 * Gives the open unnamed file `fd` its name (open(2), under O_TMPFILE). By its descriptor alone that costs less than by
 * its path under /proc.
 *
 * @returns false where the name is taken: it never replaces
 * @throws {SystemError}
 */
export function linkUnnamed(fd: number, path: string): boolean {
  const to = pathB.set(path);
  if (emptyPathWorks) {
    if (c.linkat(fd, EMPTY_PATH, AT_FDCWD, to, AT_EMPTY_PATH) >= 0) return true;
    const error = lastErrno();
    if (error === os.errno.EEXIST) return false;
    if (!NO_EMPTY_PATH.has(error)) throw new SystemError("linkat", error, path);
  }
  const isLinked = c.linkat(AT_FDCWD, pathA.set(`/proc/self/fd/${fd}`), AT_FDCWD, to, AT_SYMLINK_FOLLOW) >= 0;
  const error = isLinked ? 0 : lastErrno();
  if (error !== 0 && error !== os.errno.EEXIST) throw new SystemError("linkat", error, path);
  emptyPathWorks = false;
  return isLinked;
}

/** `linkat`: a second name for a file. @throws {SystemError} EEXIST: never replaces */
export function link(from: string, to: string): void {
  checked("linkat", c.linkat(AT_FDCWD, pathA.set(from), AT_FDCWD, pathB.set(to), 0), to);
}

/** `renameat2(…, RENAME_NOREPLACE)`. @throws {SystemError} EEXIST: never replaces; EINVAL: not on this file system */
export function renameNew(from: string, to: string): void {
  const result = c.renameat2(AT_FDCWD, pathA.set(from), AT_FDCWD, pathB.set(to), RENAME_NOREPLACE);
  checked("renameat2", result, to);
}

/** `renameat2(…, 0)`: what has the new name already is lost. @throws {SystemError} */
export function rename(from: string, to: string): void {
  checked("renameat2", c.renameat2(AT_FDCWD, pathA.set(from), AT_FDCWD, pathB.set(to), 0), to);
}

/**
 * Opens a file for writing and closes it, so that whoever watches its folder (inotify, IN_CLOSE_WRITE) is told of it under this
 * name. Nothing is said where it cannot be opened: it may be somebody else's by now, or gone.
 */
export function announce(path: string): void {
  const flags = fs.O_WRONLY | fs.O_NONBLOCK | fs.O_NOFOLLOW | O_CLOEXEC;
  const fd = c.open(pathB.set(path), flags, 0);
  if (fd >= 0) c.close(fd);
}

/** Which directory a path leads to: `statx(2)`, again and again, without anything made anew for a look. */
export class PathLook {
  private readonly bytes: Buffer;
  private readonly found = new Uint32Array(STATX_INTS);

  constructor(private readonly path: string) {
    this.bytes = Buffer.from(`${path}\0`);
  }

  /**
   * Looks. A file system in the network or in user space is not asked again for what the kernel knows.
   *
   * @throws {SystemError} ENOENT where nothing is there
   */
  look(): void {
    checked("statx", c.statx(AT_FDCWD, this.bytes, AT_STATX_DONT_SYNC, STATX_INO, this.found), this.path);
  }

  /** What the last look found: 0 and 1 are the device's numbers, 2 and 3 the halves of the inode's. */
  number(index: number): number {
    return this.found[index < 2 ? STATX_DEVICE + index : STATX_INODE + index - 2]!;
  }
}

/** An extended attribute of an open file, 64 KiB at most (XATTR_SIZE_MAX). @returns nothing where it has none that can be read */
export function extendedAttribute(fd: number, name: string): Buffer {
  const value = Buffer.alloc(65_536);
  const bytes = c.fgetxattr(fd, pathA.set(name), value, value.byteLength) as number;
  return value.subarray(0, Math.max(0, bytes));
}

/** `unlink(path)`; a file that is not there is no error. @throws {SystemError} */
export function unlink(path: string): void {
  while (c.unlink(pathA.set(path)) < 0) {
    if (lastErrno() === os.errno.ENOENT) return;
    failUnlessInterrupted("unlink", path);
  }
}

/**
 * `mmap(2)`: zeroed memory that all threads may use by its address, for as long as the process lives. No collector counts it,
 * and pages that are never touched take none.
 *
 * @throws {SystemError}
 */
export function mapMemory(bytes: number): Address {
  const address = c.mmap(null, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) as number;
  if (address === MAP_FAILED) throw new SystemError("mmap", lastErrno());
  return address;
}

/** A view on memory that is not the collector's. */
export function memoryAt(address: Address, bytes: number): ArrayBuffer {
  return toArrayBuffer(address, 0, bytes);
}

/** Copies `length` bytes from an address outside the JavaScript heap to the start of `target`. */
export function copyTo(target: Uint8Array, address: Address, length: number): void {
  if (length > target.byteLength) throw new RangeError(`Cannot copy ${length} bytes to ${target.byteLength}`);
  if (length > 0) c.memcpy(target, address, length);
}

const ON = new Int32Array([1]);
const socketValue = new BigUint64Array(1);
const socketValueBytes = new Uint32Array(1);
/** struct sockaddr_in6; that of IPv4 has its port at the same place. */
const socketAddress = new Uint8Array(28);

/** What getsockopt(2) gives as {@link cookieOf} for a descriptor that is no socket, and on kernels older than Linux 4.12 for all. */
const NO_COOKIE = 0n;

/**
 * `getsockopt(fd, SOL_SOCKET, SO_COOKIE)`: a number that the kernel gives to one socket and never again.
 *
 * @param peer the other end of the connection that it is asked for, e.g. `192.168.86.41:50123`
 * @returns undefined where that is not the one at this descriptor, any more
 */
export function cookieOf(fd: number, peer: string): bigint | undefined {
  socketValueBytes[0] = socketAddress.byteLength;
  if (c.getpeername(fd, socketAddress, socketValueBytes) < 0) return undefined;
  if (!peer.endsWith(`:${socketAddress[2]! * 256 + socketAddress[3]!}`)) return undefined;
  return readCookie(fd);
}

function readCookie(fd: number): bigint {
  socketValueBytes[0] = socketValue.byteLength;
  return c.getsockopt(fd, SOL_SOCKET, SO_COOKIE, socketValue, socketValueBytes) < 0
    ? NO_COOKIE
    : socketValue[0]!;
}

/**
 * A connection that belongs to someone else, who may close it at any time, and whose descriptor then may become another one's: as long
 * as this is not disposed of, what is done here is done to that connection and no other.
 */
export class HeldConnection implements Disposable {
  private constructor(
    private readonly fd: number,
    private readonly isOwn: boolean,
  ) {}

  /**
   * @param fd where it was
   * @param cookie of {@link cookieOf}
   * @returns undefined where it is gone
   */
  static at(fd: number, cookie: bigint): HeldConnection | undefined {
    // A descriptor of its own keeps the socket, whatever becomes of the other one. Where there are no more, there is a moment left.
    const own = c.fcntl(fd, F_DUPFD_CLOEXEC, 0);
    const held = own < 0 ? new HeldConnection(fd, false) : new HeldConnection(own, true);
    if (readCookie(held.fd) === cookie) return held;
    held[Symbol.dispose]();
    return undefined;
  }

  /**
   * `setsockopt(fd, IPPROTO_TCP, TCP_CORK, 1)`: what is written from now on leaves with the connection's end, in one packet, or
   * after 200 ms.
   */
  cork(): void {
    c.setsockopt(this.fd, IPPROTO_TCP, TCP_CORK, ON, ON.byteLength);
  }

  /** `ioctl(fd, SIOCOUTQNSD)`: bytes that were written and have not left. */
  get unsentBytes(): number {
    return c.ioctl(this.fd, SIOCOUTQNSD, socketValueBytes) < 0 ? 0 : socketValueBytes[0]!;
  }

  /** `shutdown(fd, SHUT_RDWR)`: ends it. Its owner then closes it. */
  shutdown(): void {
    c.shutdown(this.fd, SHUT_RDWR);
  }

  [Symbol.dispose](): void {
    if (this.isOwn) c.close(this.fd);
  }
}

/** What the kernel may hold for a socket that listens and the connections that are accepted on it. */
export interface ListenBounds {
  /** Connections that wait until they are accepted. Where there are more, peers have to try again, after a second. */
  readonly waiting: number;
  /** Bytes on the way out and on the way in of each connection; the kernel takes twice as much memory. */
  readonly sendBytes: number;
  readonly receiveBytes: number;
  /** For how long it tries to send to a peer that does not take it, also when the connection was closed, in milliseconds. */
  readonly sendMs: number;
}

/** Sets SO_SNDBUF, SO_RCVBUF and TCP_USER_TIMEOUT, which connections take from the socket that listens, and its backlog. Errors are ignored. */
export function boundListener(fd: number, { waiting, sendBytes, receiveBytes, sendMs }: ListenBounds): void {
  for (const [level, name, number] of [
    [SOL_SOCKET, SO_SNDBUF, sendBytes],
    [SOL_SOCKET, SO_RCVBUF, receiveBytes],
    [IPPROTO_TCP, TCP_USER_TIMEOUT, sendMs],
  ] as const) {
    const value = new Int32Array([number]);
    c.setsockopt(fd, level, name, value, value.byteLength);
  }
  // On a socket that listens already this changes nothing else.
  c.listen(fd, waiting);
}

/** struct tcp_info of linux/tcp.h, up to the last member that is read here (Linux 4.1). */
const TCP_INFO_BYTES = 136;
const LAST_DATA_RECV = 52 / 4;
const LAST_ACK_RECV = 56 / 4;
const BYTES_RECEIVED = 128 / 8;

/** `getsockopt(fd, IPPROTO_TCP, TCP_INFO)`: what the kernel knows of a connection. Made once, read for many. */
export class TcpInfo {
  /** Bytes that have come from the peer since the connection was made. */
  bytesReceived = 0;
  /** For how long nothing has come from the peer, not even the answer to a keepalive probe, in milliseconds. */
  unheardMs = 0;
  private readonly memory = new ArrayBuffer(TCP_INFO_BYTES);
  private readonly bytes = new Uint8Array(this.memory);
  private readonly words = new Uint32Array(this.memory);
  private readonly longs = new BigUint64Array(this.memory);
  private readonly length = new Uint32Array(1);

  /** Reads it. @returns false where there is no such connection, or the kernel is older than Linux 4.1 */
  read(fd: number): boolean {
    this.length[0] = TCP_INFO_BYTES;
    if (c.getsockopt(fd, IPPROTO_TCP, TCP_INFO, this.bytes, this.length) < 0) return false;
    if (this.length[0] < TCP_INFO_BYTES) return false;
    this.bytesReceived = Number(this.longs[BYTES_RECEIVED]!);
    this.unheardMs = Math.min(this.words[LAST_DATA_RECV]!, this.words[LAST_ACK_RECV]!);
    return true;
  }
}

const timespec = new BigInt64Array(2);
const timespecWords = new Int32Array(timespec.buffer);

/** `clock_gettime(CLOCK_REALTIME)`: microseconds since 1970 UTC; it steps when the clock is set. */
export function realtimeMicros(): number {
  c.clock_gettime(CLOCK_REALTIME, timespec);
  // The low word of the seconds is enough until 2106, read unsigned; both targets are little-endian.
  const seconds = timespecWords[0]! >>> 0;
  return seconds * 1_000_000 + Math.floor(timespecWords[2]! / 1000);
}

/** `clock_gettime(CLOCK_MONOTONIC)`: microseconds since some moment before, the same one for all processes of the machine. */
export function monotonicMicros(): bigint {
  c.clock_gettime(CLOCK_MONOTONIC, timespec);
  return timespec[0]! * 1_000_000n + timespec[1]! / 1000n;
}

/** struct tm of glibc: nine ints, then the offset and the name of the zone. */
const TM_BYTES = 56;
const tm = new Int32Array(TM_BYTES / Int32Array.BYTES_PER_ELEMENT);
const timeT = new BigInt64Array(1);

/** A second in local time: year, month 1–12, day 1–31, hour, minute, second. */
export type CivilTime = readonly [
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
];

/**
 * `localtime_r(3)`, as Python's `datetime.now()` uses it: the system's own zone data, which `apt` keeps current over
 * the years, in place of the copy inside the runtime. A changed `/etc/localtime` counts from the next call.
 *
 * @param seconds since 1970 UTC
 */
export function localTime(seconds: number): CivilTime {
  timeT[0] = BigInt(seconds);
  c.tzset();
  c.localtime_r(timeT, tm);
  return [tm[5]! + 1900, tm[4]! + 1, tm[3]!, tm[2]!, tm[1]!, tm[0]!];
}

/** `eventfd(2)`: one thread wakes another that waits in a poll. */
export class EventFd {
  private readonly value = new BigUint64Array(1);

  /** @param fd of an event that {@link EventFd.create} made, perhaps in another thread */
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

  /** Makes the descriptor unreadable again; nothing to take is no error. */
  clear(): void {
    c.read(this.fd, this.value, 8);
  }
}

/** The number of futex(2). */
const SYS_FUTEX = process.arch === "arm64" ? 98 : 202;
const FUTEX_WAIT_PRIVATE = 128;
const FUTEX_WAKE_PRIVATE = 129;

/**
 * `futex(2)`: threads wait until another one changes an integer that they share, and says so. `Atomics.wait` and
 * `Atomics.notify` do the same with four or five system calls in place of one.
 */
export class Futex {
  private readonly address: Address;

  /** @param integers held, as only the address goes to the kernel @param index of the integer among them */
  constructor(
    readonly integers: Int32Array<SharedArrayBuffer>,
    index: number,
  ) {
    this.address = ptr(integers) + index * Int32Array.BYTES_PER_ELEMENT;
  }

  /** Waits until `wake`, unless the integer is no longer `value` by then. It may also end by itself. */
  wait(value: number): void {
    c.syscall(SYS_FUTEX, this.address, FUTEX_WAIT_PRIVATE, value, null, null, 0);
  }

  /** Wakes threads that wait, at most `count`. */
  wake(count: number): void {
    c.syscall(SYS_FUTEX, this.address, FUTEX_WAKE_PRIVATE, count, null, null, 0);
  }
}

/** struct pollfd: the descriptor, and in one integer the events that are wanted and those that have come. */
const POLLFD_INTS = 2;
const POLLIN = 1;

/** `poll(2)` for reading, over a fixed list of descriptors. */
export class DescriptorPoller {
  private readonly items: Int32Array;

  constructor(private readonly descriptors: readonly number[]) {
    this.items = new Int32Array(descriptors.length * POLLFD_INTS);
    for (const index of descriptors.keys()) this.want(index, true);
  }

  /** Whether descriptor `index` of the list is waited for. */
  want(index: number, wanted: boolean): void {
    // poll(2) passes over negative ones.
    this.items[index * POLLFD_INTS] = wanted ? this.descriptors[index]! : -1;
  }

  /** Waits until a descriptor is readable, `timeoutMs` have passed (-1: for ever), or a signal came. @throws {SystemError} */
  wait(timeoutMs: number): void {
    const { items } = this;
    // A wait that a signal ends leaves them as they are.
    for (let at = 1; at < items.length; at += POLLFD_INTS) items[at] = POLLIN;
    const count = c.poll(items, this.descriptors.length, timeoutMs);
    if (count < 0 && lastErrno() !== os.errno.EINTR) throw new SystemError("poll", lastErrno());
  }

  /** Whether the last wait found descriptor `index` of the list readable, or its other end gone. */
  readable(index: number): boolean {
    return this.items[index * POLLFD_INTS + 1]! >> 16 !== 0;
  }
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

/** A call has failed: to be tried again where a signal was all that came. @throws {SystemError} where it was not */
function failUnlessInterrupted(syscall: string, path?: string): void {
  const error = lastErrno();
  if (error !== os.errno.EINTR) throw new SystemError(syscall, error, path);
}

function checked(syscall: string, result: number, path?: string): number {
  if (result < 0) throw new SystemError(syscall, lastErrno(), path);
  return result;
}
