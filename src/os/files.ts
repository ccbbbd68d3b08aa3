/**
 * File calls for storing images, where `node:fs` costs more than all of libzmq, and calls that
 * `node:fs` lacks (`O_TMPFILE`, `linkat`, `renameat2`, `flock`). Everything else uses `node:fs`.
 *
 * @module
 */

import { constants as fs } from "node:fs";
import { constants as os } from "node:os";
import { type Address, SystemError, c, checked, lastErrno } from "./ffi.ts";

const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const AT_EMPTY_PATH = 0x1000;
const AT_STATX_DONT_SYNC = 0x4000;
const STATX_TYPE = 1;
const STATX_INO = 0x100;

/**
 * struct statx (256 bytes) as 32-bit numbers: the indexes of the mode (lower half), the inode
 * number and the device number.
 */
const STATX_INTS = 64;
const STATX_MODE = 7;
const STATX_INODE = 8;
const STATX_DEVICE = 34;
const RENAME_NOREPLACE = 1;
const SEEK_END = 2;
const POSIX_FADV_DONTNEED = 4;
const LOCK_EX = 2;
const LOCK_NB = 4;
const O_CLOEXEC = 0o2000000;

/** linux/fcntl.h: `__O_TMPFILE | O_DIRECTORY`. O_DIRECTORY differs between x86-64 and AArch64. */
const O_TMPFILE = 0o20000000 | fs.O_DIRECTORY;

/** There is something other than a file: a named pipe, a device, a socket. */
export class NotAFile extends Error {
  override readonly name = "NotAFile";
  readonly code = "EINVAL";

  constructor(path: string) {
    super(`${path} is no regular file: move it away, and the hub makes a new one`);
  }
}

/** Longest path on Linux, including its final NUL: PATH_MAX. */
const PATH_BYTES_MAX = 4096;

/**
 * A path for C, in memory that does not move. Two are enough: no call here takes more than two
 * paths, and each thread has its own copy of this module.
 */
class PathBuffer {
  private readonly bytes = Buffer.alloc(PATH_BYTES_MAX);

  set(path: string): Buffer {
    // A character takes up to 3 bytes in UTF-8, so measure only paths that may be too long.
    if (path.length * 3 >= PATH_BYTES_MAX && Buffer.byteLength(path) >= PATH_BYTES_MAX) {
      throw new SystemError("path", os.errno.ENAMETOOLONG, path);
    }
    const end = this.bytes.write(path);
    this.bytes[end] = 0;
    return this.bytes;
  }
}

export const pathA = new PathBuffer();
export const pathB = new PathBuffer();

/**
 * `open(directory, O_TMPFILE | O_WRONLY)`: a file without a name in `directory`. @throws
 * {SystemError}
 */
export function openUnnamed(directory: string, mode: number): number {
  return open(directory, O_TMPFILE | fs.O_WRONLY, mode);
}

/**
 * `open(path, O_CREAT | O_EXCL | O_WRONLY)`: a new file. @throws {SystemError} EEXIST if there is
 * one already
 */
export function openNew(path: string, mode: number): number {
  return open(path, fs.O_CREAT | fs.O_EXCL | fs.O_WRONLY, mode);
}

/**
 * `open(path, O_WRONLY | O_APPEND)`: an existing file.
 *
 * @throws {SystemError} ENOENT if it is missing
 * @throws {NotAFile} if it is a pipe or the like. It does not wait for the pipe's reader, and
 * writes nothing to it
 */
export function openAppend(path: string): number {
  return openFile(path, fs.O_WRONLY | fs.O_APPEND);
}

/** `open(path, O_RDONLY)`: an existing file. @throws {SystemError} @throws {NotAFile} */
export function openRead(path: string): number {
  return openFile(path, fs.O_RDONLY);
}

function openFile(path: string, flags: number): number {
  let fd = openOnce(path, flags | fs.O_NONBLOCK, 0);
  // Another program has a lease on the file (fcntl(2), F_SETLEASE; Samba uses them), and has just
  // been asked to give it up. Wait for it.
  if (fd < 0 && lastErrno() === os.errno.EWOULDBLOCK) fd = openOnce(path, flags, 0);
  if (fd < 0 && lastErrno() === os.errno.ENXIO) throw new NotAFile(path);
  checked("open", fd, path);
  if (isRegular(fd)) return fd;
  c.close(fd);
  throw new NotAFile(path);
}

/** `open(path, O_CREAT | access)`: a file that may exist. @throws {SystemError} */
export function openCreate(path: string, mode: number, access: number): number {
  return open(path, fs.O_CREAT | access | fs.O_NONBLOCK, mode);
}

/** `open(path, O_RDONLY | O_DIRECTORY)`. @throws {SystemError} */
export function openDirectory(path: string): number {
  return open(path, fs.O_RDONLY | fs.O_DIRECTORY, 0);
}

/** The same, but not through a link in the last part of the path. @throws {SystemError} ENOTDIR */
export function openFolder(path: string): number {
  return open(path, fs.O_RDONLY | fs.O_DIRECTORY | fs.O_NOFOLLOW, 0);
}

function open(path: string, flags: number, mode: number): number {
  return checked("open", openOnce(path, flags, mode), path);
}

/** @returns a negative number on failure */
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

/**
 * `close(fd)`. @throws {SystemError} e.g. EIO or ENOSPC, which some file systems report only here
 */
export function close(fd: number): void {
  // After a signal it is closed, too, and the number may already belong to another file (close(2),
  // "Dealing with error returns").
  if (c.close(fd) < 0 && lastErrno() !== os.errno.EINTR)
    throw new SystemError("close", lastErrno());
}

/**
 * Writes all `length` bytes at `address`, with as many `write(2)` calls as needed. @throws
 * {SystemError}
 */
export function writeAll(fd: number, address: Address, length: number): void {
  for (let done = 0; done < length;)
    done += written(c.write(fd, address + done, length - done) as number);
}

/** Writes all of `bytes`. @throws {SystemError} */
export function writeBytes(fd: number, bytes: Uint8Array): void {
  const { byteLength } = bytes;
  for (let done = 0; done < byteLength;) {
    done += written(
      c.write(fd, done === 0 ? bytes : bytes.subarray(done), byteLength - done) as number,
    );
  }
}

/**
 * A single `write(2)`. @returns the number of bytes written; 0 if a signal interrupted it @throws
 * {SystemError}
 */
export function writeSome(fd: number, bytes: Uint8Array): number {
  return written(c.write(fd, bytes, bytes.byteLength) as number);
}

/**
 * @param result of `write(2)`
 * @returns the number of bytes written; 0 if a signal interrupted it
 * @throws {SystemError}
 */
function written(result: number): number {
  if (result > 0) return result;
  if (result === 0) throw new SystemError("write", os.errno.EIO);
  failUnlessInterrupted("write");
  return 0;
}

/**
 * `fsync(fd)`. A failure is final: the kernel may have dropped the pages it could not write.
 * @throws {SystemError}
 */
export function fsync(fd: number): void {
  while (c.fsync(fd) < 0) failUnlessInterrupted("fsync");
}

/**
 * `posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)`: what was flushed leaves memory, so that the next
 * read comes from the disk. Where this is not possible, nothing happens.
 */
export function dropFromMemory(fd: number): void {
  c.posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/** `fsync` of a directory: makes its entries durable. @throws {SystemError} */
export function fsyncDirectory(path: string): void {
  const fd = openDirectory(path);
  try {
    fsync(fd);
  } finally {
    c.close(fd);
  }
}

/**
 * `syncfs(2)`: flushes everything written to the file system of `fd` to disk, and waits for it.
 *
 * @throws {SystemError} if something written since the last call could not be flushed (since Linux
 * 5.8)
 */
export function syncFileSystem(fd: number): void {
  while (c.syncfs(fd) < 0) failUnlessInterrupted("syncfs");
}

/**
 * `flock(fd, LOCK_EX | LOCK_NB)` of a file that is opened for it: for reading, so that its disk can
 * still be remounted read-only, and where that is not enough (NFS; see flock(2)) for writing.
 *
 * @param openFor is given `O_RDONLY` or `O_RDWR`
 * @returns the descriptor; undefined if another process holds the lock
 * @throws {SystemError}
 */
export function openLocked(openFor: (access: number) => number): number | undefined {
  for (const access of [fs.O_RDONLY, fs.O_RDWR]) {
    const fd = openFor(access);
    if (c.flock(fd, LOCK_EX | LOCK_NB) >= 0) return fd;
    const errno = lastErrno();
    close(fd);
    if (errno === os.errno.EWOULDBLOCK) return undefined;
    if (errno !== os.errno.EBADF || access === fs.O_RDWR) throw new SystemError("flock", errno);
  }
  return undefined;
}

/** `lseek(fd, 0, SEEK_END)`: the file's size in bytes. @throws {SystemError} */
export function sizeOf(fd: number): number {
  return checked("lseek", c.lseek(fd, 0, SEEK_END) as number);
}

/** `ftruncate(fd, size)`. @throws {SystemError} */
export function truncate(fd: number, size: number): void {
  while (c.ftruncate(fd, size) < 0) failUnlessInterrupted("ftruncate");
}

/**
 * Whether linkat(2) accepts a descriptor without a path. For root it always does, for others since
 * Linux 6.10.
 */
let emptyPathWorks = true;

/**
 * Errors that mean that it does not. ENOENT can also mean that a folder is gone; then the other way
 * fails too.
 */
const NO_EMPTY_PATH = new Set([os.errno.ENOENT, os.errno.EINVAL, os.errno.EPERM]);

/**
 * Gives the open unnamed file `fd` its name (open(2), under O_TMPFILE). Linking by descriptor is
 * cheaper than by a path under /proc.
 *
 * @returns false if the name is taken: it never replaces a file
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
  const isLinked =
    c.linkat(AT_FDCWD, pathA.set(`/proc/self/fd/${fd}`), AT_FDCWD, to, AT_SYMLINK_FOLLOW) >= 0;
  const error = isLinked ? 0 : lastErrno();
  if (error !== 0 && error !== os.errno.EEXIST) throw new SystemError("linkat", error, path);
  emptyPathWorks = false;
  return isLinked;
}

/** `linkat`: a second name for a file. Never replaces a file. @throws {SystemError} EEXIST */
export function link(from: string, to: string): void {
  checked("linkat", c.linkat(AT_FDCWD, pathA.set(from), AT_FDCWD, pathB.set(to), 0), to);
}

/**
 * `renameat2(…, RENAME_NOREPLACE)`. Never replaces a file. @throws {SystemError} EEXIST; EINVAL if
 * the file system does not support it
 */
export function renameNew(from: string, to: string): void {
  const result = c.renameat2(AT_FDCWD, pathA.set(from), AT_FDCWD, pathB.set(to), RENAME_NOREPLACE);
  checked("renameat2", result, to);
}

/** `renameat2(…, 0)`. Replaces an existing file. @throws {SystemError} */
export function rename(from: string, to: string): void {
  checked("renameat2", c.renameat2(AT_FDCWD, pathA.set(from), AT_FDCWD, pathB.set(to), 0), to);
}

/**
 * Opens a file for writing and closes it. Programs that watch its folder (inotify, IN_CLOSE_WRITE)
 * thus learn of it under this name. Ignores a file that cannot be opened: it may belong to somebody
 * else by now, or be gone.
 */
export function announce(path: string): void {
  const flags = fs.O_WRONLY | fs.O_NONBLOCK | fs.O_NOFOLLOW | O_CLOEXEC;
  const fd = c.open(pathB.set(path), flags, 0);
  if (fd >= 0) c.close(fd);
}

/** Finds which directory a path leads to, with `statx(2)`. It allocates nothing per look. */
export class PathLook {
  private readonly bytes: Buffer;
  private readonly found = new Uint32Array(STATX_INTS);

  constructor(private readonly path: string) {
    this.bytes = Buffer.from(`${path}\0`);
  }

  /**
   * Looks. Network and user-space file systems are not asked again for what the kernel knows.
   *
   * @throws {SystemError} ENOENT if nothing is there
   */
  look(): void {
    checked(
      "statx",
      c.statx(AT_FDCWD, this.bytes, AT_STATX_DONT_SYNC, STATX_INO, this.found),
      this.path,
    );
  }

  /**
   * The result of the last look: 0 and 1 are the device numbers, 2 and 3 the halves of the inode
   * number.
   */
  number(index: number): number {
    return this.found[index < 2 ? STATX_DEVICE + index : STATX_INODE + index - 2]!;
  }
}

/**
 * An extended attribute of an open file, up to 64 KiB (XATTR_SIZE_MAX). @returns an empty buffer if
 * there is none, or it cannot be read
 */
export function extendedAttribute(fd: number, name: string): Buffer {
  const value = Buffer.alloc(65_536);
  const bytes = c.fgetxattr(fd, pathA.set(name), value, value.byteLength) as number;
  return value.subarray(0, Math.max(0, bytes));
}

/** `unlink(path)`. A missing file is not an error. @throws {SystemError} */
export function unlink(path: string): void {
  while (c.unlink(pathA.set(path)) < 0) {
    if (lastErrno() === os.errno.ENOENT) return;
    failUnlessInterrupted("unlink", path);
  }
}

/**
 * Called after a failed call: returns if a signal interrupted it, so it can be tried again. @throws
 * {SystemError} otherwise
 */
function failUnlessInterrupted(syscall: string, path?: string): void {
  const error = lastErrno();
  if (error !== os.errno.EINTR) throw new SystemError(syscall, error, path);
}
