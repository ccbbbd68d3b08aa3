/**
 * A folder held open. What is looked at and removed is in this very folder, also if its path is
 * moved or replaced meanwhile, and no symbolic link is followed.
 *
 * @module
 */

import { closeSync, constants as fs, openSync, readFileSync } from "node:fs";
import { constants as os } from "node:os";
import { c, getdents, lastErrno, SystemError } from "./ffi.ts";
import { close, fsync, openDirectory, openFolder, pathA } from "./files.ts";

const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_BASIC = 0x7ff;

/**
 * struct statx (256 bytes) as 32-bit numbers: the indexes of the number of links, the mode (lower
 * half), the inode, the size and the device.
 */
const STATX_INTS = 64;
const LINKS = 4;
const MODE = 7;
const INODE = 8;
const SIZE = 10;
const DEVICE = 34;

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
    // The position belongs to the descriptor, so one of its own lets two readers be.
    const fd = openDirectory(`/proc/self/fd/${this.fd}`);
    const buffer = Buffer.allocUnsafeSlow(DIRENTS_BYTES);
    try {
      for (;;) {
        const bytes = getdents(fd, buffer);
        if (bytes < 0) throw new SystemError("getdents64", lastErrno(), this.path);
        if (bytes === 0) return;
        for (let at = 0; at < bytes;) {
          const start = at + DIRENT_NAME;
          const name = buffer.toString("utf8", start, buffer.indexOf(0, start));
          if (name !== "." && name !== "..") yield name;
          at += buffer.readUInt16LE(at + DIRENT_LENGTH);
        }
      }
    } finally {
      close(fd);
    }
  }

  /** Looks at an entry. @returns undefined if there is none @throws {SystemError} */
  entry(name: string): Entry | undefined {
    if (!this.look(name)) return undefined;
    const { status } = this;
    return {
      isFile: this.isFile,
      size: this.size,
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

  /** The content of a file, but not through a link. @throws {Error} of node:fs */
  read(name: string): Uint8Array {
    const flags = fs.O_RDONLY | fs.O_NOFOLLOW | fs.O_NONBLOCK;
    const fd = openSync(`/proc/self/fd/${this.fd}/${name}`, flags);
    try {
      return readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Removes a name. @returns whether it was there @throws {SystemError} */
  unlink(name: string): boolean {
    if (name.includes("/")) throw new Error(`${name} is not a name in a folder`);
    while (c.unlinkat(this.fd, pathA.set(name), 0) < 0) {
      const errno = lastErrno();
      if (errno === os.errno.ENOENT) return false;
      if (errno !== os.errno.EINTR) throw new SystemError("unlink", errno, `${this.path}/${name}`);
    }
    return true;
  }

  /** Makes its entries durable. @throws {SystemError} */
  flush(): void {
    fsync(this.fd);
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}
