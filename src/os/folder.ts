/**
 * A folder held open. What is looked at, read, made and removed is in this very folder, also if its
 * path is moved or replaced meanwhile, and no symbolic link is followed.
 *
 * @module
 */

import { closeSync, constants as fs, fstatSync, readFileSync } from "node:fs";
import { constants as os } from "node:os";
import { c, getdents, lastErrno, SystemError } from "./ffi.ts";
import { close, fsync, NotAFile, openFolder, pathA, pathB } from "./files.ts";

const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_BASIC = 0x7ff;
const RENAME_NOREPLACE = 1;
const O_CLOEXEC = 0o2000000;

/** Permissions of new files and folders, before the umask. */
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/** Errors that mean: not on this file system. */
const UNSUPPORTED: ReadonlySet<number> = new Set([
  os.errno.EINVAL,
  os.errno.ENOSYS,
  os.errno.EOPNOTSUPP,
]);

/**
 * struct statx (256 bytes) as 32-bit numbers: the indexes of the number of links, the mode (lower
 * half), the inode, the size, the blocks, the time of the last change and the device.
 */
const STATX_INTS = 64;
const LINKS = 4;
const MODE = 7;
const INODE = 8;
const SIZE = 10;
const BLOCKS = 12;
const MODIFIED = 28;
const DEVICE = 34;

/** The unit of its blocks, in bytes. */
const BLOCK_BYTES = 512;

/** struct linux_dirent64: the positions of its own length and of the name, in bytes. */
const DIRENT_LENGTH = 16;
const DIRENT_NAME = 19;
/** Bytes that are read at a time: some 800 names. */
const DIRENTS_BYTES = 65_536;

/** What an entry of a folder is. */
export interface Entry {
  /** Whether it is a regular file, and not a folder, a link, a pipe or the like. */
  readonly isFile: boolean;
  /** In bytes. */
  readonly size: number;
  /** What it takes on the disk, in bytes. */
  readonly allocated: number;
  /** When its content was changed last, in seconds since 1970. */
  readonly modifiedS: number;
  /** How many names the file has. */
  readonly links: number;
  /** Files with the same numbers are the same file. */
  readonly device: string;
  readonly inode: bigint;
}

/** A folder held open. */
export class Folder implements Disposable {
  private readonly status = new Uint32Array(STATX_INTS);

  private constructor(
    readonly path: string,
    private readonly fd: number,
  ) {}

  /**
   * @param path its last part must be a folder itself and not a link to one
   * @throws {SystemError} ENOENT if it is missing, ENOTDIR if it is something else or a link
   */
  static open(path: string): Folder {
    return new Folder(path, openFolder(path));
  }

  /** The names in it, in any order. @throws {SystemError} */
  names(): string[] {
    return [...this.eachName()];
  }

  /**
   * The names in it, in any order, without holding them all. A folder may have hundreds of
   * thousands. What is added or removed meanwhile may be among them or not.
   *
   * @throws {SystemError}
   */
  *eachName(): Generator<string> {
    for (const [buffer, bytes] of this.eachBlock())
      for (let at = 0; at < bytes; at += lengthAt(buffer, at)) {
        const start = at + DIRENT_NAME;
        const name = buffer.toString("utf8", start, nameEnd(buffer, at));
        if (name !== "." && name !== "..") yield name;
      }
  }

  /**
   * The same as bytes, which is faster; `.` and `..` are among them.
   *
   * @param take is given where each name is: from a start to before an end. The bytes change after
   * @throws {SystemError}
   */
  takeNames(take: (bytes: Buffer, start: number, end: number) => void): void {
    for (const [buffer, bytes] of this.eachBlock())
      for (let at = 0; at < bytes; at += lengthAt(buffer, at))
        take(buffer, at + DIRENT_NAME, nameEnd(buffer, at));
  }

  /** Some entries after the other, in a buffer that is used again, and how many bytes they have. */
  private *eachBlock(): Generator<readonly [Buffer, number]> {
    // The position belongs to the descriptor, so one of its own lets two readers be.
    const fd = this.openAt(".", fs.O_RDONLY | fs.O_DIRECTORY);
    const buffer = Buffer.allocUnsafeSlow(DIRENTS_BYTES);
    try {
      for (;;) {
        const bytes = getdents(fd, buffer);
        if (bytes < 0) throw new SystemError("getdents64", lastErrno(), this.path);
        if (bytes === 0) return;
        yield [buffer, bytes];
      }
    } finally {
      close(fd);
    }
  }

  /** Hands over its descriptor. */
  use(action: (fd: number) => void): void {
    action(this.fd);
  }

  /** Looks at an entry. @returns undefined if there is none @throws {SystemError} */
  entry(name: string): Entry | undefined {
    if (!this.look(name)) return undefined;
    const { status } = this;
    const seconds = (BigInt(status[MODIFIED + 1]!) << 32n) | BigInt(status[MODIFIED]!);
    return {
      isFile: this.isFile,
      size: this.size,
      allocated: (status[BLOCKS + 1]! * 2 ** 32 + status[BLOCKS]!) * BLOCK_BYTES,
      modifiedS: Number(BigInt.asIntN(64, seconds)) + status[MODIFIED + 2]! / 1e9,
      links: status[LINKS]!,
      device: `${status[DEVICE]}:${status[DEVICE + 1]}`,
      inode: (BigInt(status[INODE + 1]!) << 32n) | BigInt(status[INODE]!),
    };
  }

  /**
   * The size of a file, at no more cost than the call.
   *
   * @returns in bytes; undefined if there is no such entry; -1 if it is no regular file
   * @throws {SystemError}
   */
  sizeOf(name: string): number | undefined {
    if (!this.look(name)) return undefined;
    return this.isFile ? this.size : -1;
  }

  private look(name: string): boolean {
    const { fd, status } = this;
    if (c.statx(fd, pathA.set(name), AT_SYMLINK_NOFOLLOW, STATX_BASIC, status) >= 0) return true;
    if (lastErrno() === os.errno.ENOENT) return false;
    throw new SystemError("statx", lastErrno(), `${this.path}/${name}`);
  }

  private get isFile(): boolean {
    return (this.status[MODE]! & fs.S_IFMT) === fs.S_IFREG;
  }

  private get size(): number {
    return this.status[SIZE + 1]! * 2 ** 32 + this.status[SIZE]!;
  }

  /**
   * Gives a file a second name, the same in another folder. Never replaces anything.
   *
   * @throws {SystemError} EEXIST; EPERM or EXDEV where there are no hard links
   */
  link(name: string, to: Folder): void {
    if (c.linkat(this.fd, pathA.set(name), to.fd, pathA.set(name), 0) < 0)
      throw new SystemError("linkat", lastErrno(), `${to.path}/${name}`);
  }

  /** The content of a file, but not through a link. @throws {SystemError} @throws {NotAFile} */
  read(name: string): Uint8Array {
    const fd = this.openFile(name);
    try {
      return readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Opens a folder in it. @throws {SystemError} ENOENT, or ENOTDIR as with {@link Folder.open} */
  folder(name: string): Folder {
    const flags = fs.O_RDONLY | fs.O_DIRECTORY | fs.O_NOFOLLOW;
    return new Folder(`${this.path}/${name}`, this.openAt(name, flags));
  }

  /** Makes a folder in it, unless there is one, and opens it. @throws {SystemError} */
  makeFolder(name: string): Folder {
    if (c.mkdirat(this.fd, pathA.set(inFolder(name)), FOLDER_MODE) < 0) {
      if (lastErrno() !== os.errno.EEXIST) this.fail("mkdir", name);
    } else this.flush();
    return this.folder(name);
  }

  /** Opens a file for reading. @throws {SystemError} ELOOP for a link @throws {NotAFile} */
  openFile(name: string): number {
    const fd = this.openAt(name, fs.O_RDONLY | fs.O_NOFOLLOW | fs.O_NONBLOCK);
    if (fstatSync(fd).isFile()) return fd;
    close(fd);
    throw new NotAFile(`${this.path}/${name}`);
  }

  /** Makes a file, for writing and reading. @throws {SystemError} EEXIST if the name is taken */
  create(name: string): number {
    return this.openAt(name, fs.O_CREAT | fs.O_EXCL | fs.O_RDWR | fs.O_NOFOLLOW, FILE_MODE);
  }

  /**
   * Opens a file, and makes an empty one if it is missing.
   *
   * @param access `O_RDONLY` or `O_RDWR`
   * @throws {SystemError}
   */
  openCreate(name: string, mode: number, access: number): number {
    return this.openAt(name, fs.O_CREAT | access | fs.O_NOFOLLOW | fs.O_NONBLOCK, mode);
  }

  /** Moves a file to a folder, where it replaces one of that name. @throws {SystemError} */
  move(name: string, to: Folder, newName: string): void {
    const [from, into] = [pathA.set(inFolder(name)), pathB.set(inFolder(newName))];
    if (c.renameat2(this.fd, from, to.fd, into, 0) < 0) to.fail("rename", newName);
  }

  /**
   * The same, but never replaces. Where the file system cannot do both at once, it looks first, so
   * only one process may work there.
   *
   * @returns false if the name is taken
   */
  moveNew(name: string, to: Folder, newName: string): boolean {
    const [from, into] = [pathA.set(inFolder(name)), pathB.set(inFolder(newName))];
    if (c.renameat2(this.fd, from, to.fd, into, RENAME_NOREPLACE) >= 0) return true;
    const errno = lastErrno();
    if (errno === os.errno.EEXIST) return false;
    if (!UNSUPPORTED.has(errno)) throw new SystemError("rename", errno, `${to.path}/${newName}`);
    if (to.entry(newName) !== undefined) return false;
    this.move(name, to, newName);
    return true;
  }

  /** Removes a name. @returns whether it was there @throws {SystemError} */
  unlink(name: string): boolean {
    while (c.unlinkat(this.fd, pathA.set(inFolder(name)), 0) < 0) {
      if (lastErrno() === os.errno.ENOENT) return false;
      if (lastErrno() !== os.errno.EINTR) this.fail("unlink", name);
    }
    return true;
  }

  /** Makes its entries durable, where the file system can. @throws {SystemError} */
  flush(): void {
    try {
      fsync(this.fd);
    } catch (error) {
      // Some network file systems flush no folders.
      if (!(error instanceof SystemError) || !UNSUPPORTED.has(error.errno)) throw error;
    }
  }

  private openAt(name: string, flags: number, mode = 0): number {
    for (;;) {
      const fd = c.openat(this.fd, pathA.set(inFolder(name)), flags | O_CLOEXEC, mode);
      if (fd >= 0) return fd;
      if (lastErrno() !== os.errno.EINTR) this.fail("open", name);
    }
  }

  private fail(call: string, name: string): never {
    throw new SystemError(call, lastErrno(), `${this.path}/${name}`);
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}

/** The length of an entry in bytes, with what fills it up to a multiple of 8. */
function lengthAt(buffer: Uint8Array, at: number): number {
  return buffer[at + DIRENT_LENGTH]! | (buffer[at + DIRENT_LENGTH + 1]! << 8);
}

/** Where the name of an entry ends. Of what fills the entry up, only the first byte is 0. */
function nameEnd(buffer: Uint8Array, at: number): number {
  let end = Math.max(at + DIRENT_NAME, at + lengthAt(buffer, at) - 8);
  while (buffer[end] !== 0) end++;
  return end;
}

function inFolder(name: string): string {
  if (name.includes("/")) throw new Error(`${name} is not a name in a folder`);
  return name;
}
