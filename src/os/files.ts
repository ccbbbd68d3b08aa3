/**
 * Files: the calls on the way of an image, where `node:fs` costs more than all of libzmq, and those
 * that `node:fs` does not have (`O_TMPFILE`, `linkat`, `renameat2`, `flock`). Everything else uses
 * `node:fs`.
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
 * struct statx (256 bytes), in 32-bit numbers: where the mode (the lower half), the inode's number
 * and the device's are.
 */
const STATX_INTS = 64;
const STATX_MODE = 7;
const STATX_INODE = 8;
const STATX_DEVICE = 34;
const RENAME_NOREPLACE = 1;
const SEEK_END = 2;
const LOCK_EX = 2;
const LOCK_NB = 4;
const O_CLOEXEC = 0o2000000;

/**
 * linux/fcntl.h: `__O_TMPFILE | O_DIRECTORY`, and O_DIRECTORY is not the same number on x86-64 and
 * on AArch64.
 */
const O_TMPFILE = 0o20000000 | fs.O_DIRECTORY;

/** Something else is where a file should be: a named pipe, a device, a socket. */
export class NotAFile extends Error {
  override readonly name = "NotAFile";
  readonly code = "EINVAL";

  constructor(path: string) {
    super(`${path} is no regular file: move it away, and the hub makes a new one`);
  }
}

/** Longest path that Linux takes, its closing NUL included: PATH_MAX. */
const PATH_BYTES_MAX = 4096;

/**
 * A path as C wants it, in memory that stays where it is. Two are enough: no call here takes more
 * than two paths, and each thread has its own copy of this module.
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

export const pathA = new PathBuffer();
const pathB = new PathBuffer();

/**
 * `open(path, O_TMPFILE | O_WRONLY)`: a file without a name in `directory`. @throws {SystemError}
 */
export function openUnnamed(directory: string, mode: number): number {
  return open(directory, O_TMPFILE | fs.O_WRONLY, mode);
}

/**
 * `open(path, O_CREAT | O_EXCL | O_WRONLY)`: a new file. @throws {SystemError} EEXIST where there
 * is one
 */
export function openNew(path: string, mode: number): number {
  return open(path, fs.O_CREAT | fs.O_EXCL | fs.O_WRONLY, mode);
}

/**
 * `open(path, O_WRONLY | O_APPEND)`: a file that must be there.
 *
 * @throws {SystemError} ENOENT where there is none
 * @throws {NotAFile} where it is a pipe or the like: it neither waits for a reader of that, nor
 * writes to it
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
  // Another program has a lease on the file (fcntl(2), F_SETLEASE; Samba takes them), and has just
  // been asked to give it up.
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

/**
 * `close(fd)`. @throws {SystemError} e.g. EIO or ENOSPC, which some file systems report only now
 */
export function close(fd: number): void {
  // After a signal, too, it is closed: the number may be another file's by now (close(2), "Dealing
  // with error returns").
  if (c.close(fd) < 0 && lastErrno() !== os.errno.EINTR)
    throw new SystemError("close", lastErrno());
}

/**
 * Writes all `length` bytes at `address`, with as many calls of `write(2)` as that takes. @throws
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
 * `write(2)`, once. @returns how many bytes were written: none where a signal came first @throws
 * {SystemError}
 */
export function writeSome(fd: number, bytes: Uint8Array): number {
  return written(c.write(fd, bytes, bytes.byteLength) as number);
}

/**
 * @param result of `write(2)` @returns how many bytes were written: none where a signal came first
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
 * Makes the entries of a directory durable: `fsync` on the directory itself. @throws {SystemError}
 */
export function fsyncDirectory(path: string): void {
  const fd = openDirectory(path);
  try {
    fsync(fd);
  } finally {
    c.close(fd);
  }
}

/**
 * `syncfs(2)`: brings all that was written to the file system of `fd` to the disk, and waits for
 * it.
 *
 * @throws {SystemError} where something that was written since the last call could not be brought
 * there (Linux 5.8)
 */
export function syncFileSystem(fd: number): void {
  while (c.syncfs(fd) < 0) failUnlessInterrupted("syncfs");
}

/**
 * `flock(fd, LOCK_EX | LOCK_NB)`. @returns false where another process holds the lock @throws
 * {SystemError}
 */
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

/**
 * Whether linkat(2) takes a descriptor with no path: from root always, from others since Linux
 * 6.10.
 */
let emptyPathWorks = true;

/**
 * Errors that say that it does not. ENOENT also says that a folder is gone, as the other way then
 * does, too.
 */
const NO_EMPTY_PATH = new Set([os.errno.ENOENT, os.errno.EINVAL, os.errno.EPERM]);

/**
 * Gives the open unnamed file `fd` its name (open(2), under O_TMPFILE). By its descriptor alone
 * that costs less than by its path under /proc.
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
  const isLinked =
    c.linkat(AT_FDCWD, pathA.set(`/proc/self/fd/${fd}`), AT_FDCWD, to, AT_SYMLINK_FOLLOW) >= 0;
  const error = isLinked ? 0 : lastErrno();
  if (error !== 0 && error !== os.errno.EEXIST) throw new SystemError("linkat", error, path);
  emptyPathWorks = false;
  return isLinked;
}

/** `linkat`: a second name for a file. @throws {SystemError} EEXIST: never replaces */
export function link(from: string, to: string): void {
  checked("linkat", c.linkat(AT_FDCWD, pathA.set(from), AT_FDCWD, pathB.set(to), 0), to);
}

/**
 * `renameat2(…, RENAME_NOREPLACE)`. @throws {SystemError} EEXIST: never replaces; EINVAL: not on
 * this file system
 */
export function renameNew(from: string, to: string): void {
  const result = c.renameat2(AT_FDCWD, pathA.set(from), AT_FDCWD, pathB.set(to), RENAME_NOREPLACE);
  checked("renameat2", result, to);
}

/** `renameat2(…, 0)`: what has the new name already is lost. @throws {SystemError} */
export function rename(from: string, to: string): void {
  checked("renameat2", c.renameat2(AT_FDCWD, pathA.set(from), AT_FDCWD, pathB.set(to), 0), to);
}

/**
 * Opens a file for writing and closes it, so that whoever watches its folder (inotify,
 * IN_CLOSE_WRITE) is told of it under this name. Nothing is said where it cannot be opened: it may
 * be somebody else's by now, or gone.
 */
export function announce(path: string): void {
  const flags = fs.O_WRONLY | fs.O_NONBLOCK | fs.O_NOFOLLOW | O_CLOEXEC;
  const fd = c.open(pathB.set(path), flags, 0);
  if (fd >= 0) c.close(fd);
}

/**
 * Which directory a path leads to: `statx(2)`, again and again, without anything made anew for a
 * look.
 */
export class PathLook {
  private readonly bytes: Buffer;
  private readonly found = new Uint32Array(STATX_INTS);

  constructor(private readonly path: string) {
    this.bytes = Buffer.from(`${path}\0`);
  }

  /**
   * Looks. A file system in the network or in user space is not asked again for what the kernel
   * knows.
   *
   * @throws {SystemError} ENOENT where nothing is there
   */
  look(): void {
    checked(
      "statx",
      c.statx(AT_FDCWD, this.bytes, AT_STATX_DONT_SYNC, STATX_INO, this.found),
      this.path,
    );
  }

  /**
   * What the last look found: 0 and 1 are the device's numbers, 2 and 3 the halves of the inode's.
   */
  number(index: number): number {
    return this.found[index < 2 ? STATX_DEVICE + index : STATX_INODE + index - 2]!;
  }
}

/**
 * An extended attribute of an open file, 64 KiB at most (XATTR_SIZE_MAX). @returns nothing where it
 * has none that can be read
 */
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
 * A call has failed: to be tried again where a signal was all that came. @throws {SystemError}
 * where it was not
 */
function failUnlessInterrupted(syscall: string, path?: string): void {
  const error = lastErrno();
  if (error !== os.errno.EINTR) throw new SystemError(syscall, error, path);
}
