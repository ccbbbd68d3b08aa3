/**
 * A folder held open. What is looked at, read, made and removed is in this very folder, also if its
 * path is moved or replaced meanwhile, and no symbolic link is followed.
 *
 * @module
 */

import { constants as fs, fstatSync, readdirSync } from "node:fs";
import { constants as os } from "node:os";
import { c, lastErrno, SystemError } from "./ffi.ts";
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

/** struct statx as 64-bit and 32-bit numbers: the indexes of what is used here. */
const STATX_BYTES = 256;
const AT_32 = { links: 4, mode: 7, modifiedNs: 30, deviceMajor: 34, deviceMinor: 35 } as const;
const AT_64 = { inode: 4, size: 5, modifiedS: 14 } as const;

/** What an entry of a folder is. */
export interface Entry {
  /** Whether it is a regular file, and not a folder, a link, a pipe or the like. */
  readonly isFile: boolean;
  /** In bytes. */
  readonly size: number;
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
  private readonly bytes = Buffer.alloc(STATX_BYTES);
  private readonly status = new DataView(
    this.bytes.buffer,
    this.bytes.byteOffset,
    this.bytes.byteLength,
  );

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

  /** The names in it, in any order. @throws {Error} of node:fs */
  names(): string[] {
    return readdirSync(`/proc/self/fd/${this.fd}`);
  }

  /** Looks at an entry. @returns undefined if there is none @throws {SystemError} */
  entry(name: string): Entry | undefined {
    const result = c.statx(this.fd, pathA.set(name), AT_SYMLINK_NOFOLLOW, STATX_BASIC, this.bytes);
    if (result < 0) {
      if (lastErrno() === os.errno.ENOENT) return undefined;
      throw new SystemError("statx", lastErrno(), `${this.path}/${name}`);
    }
    const { status } = this;
    const at32 = (index: number): number => status.getUint32(index * 4, true);
    const at64 = (index: number): bigint => status.getBigUint64(index * 8, true);
    return {
      isFile: (at32(AT_32.mode) & fs.S_IFMT & 0xffff) === fs.S_IFREG,
      size: Number(at64(AT_64.size)),
      modifiedS: Number(BigInt.asIntN(64, at64(AT_64.modifiedS))) + at32(AT_32.modifiedNs) / 1e9,
      links: at32(AT_32.links),
      device: `${at32(AT_32.deviceMajor)}:${at32(AT_32.deviceMinor)}`,
      inode: at64(AT_64.inode),
    };
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

function inFolder(name: string): string {
  if (name.includes("/")) throw new Error(`${name} is not a name in a folder`);
  return name;
}
