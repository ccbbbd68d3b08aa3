/**
 * A folder held open. What is looked at and removed is in this very folder, also if its path is
 * moved or replaced meanwhile, and no symbolic link is followed.
 *
 * @module
 */

import { closeSync, constants as fs, openSync, readdirSync, readFileSync } from "node:fs";
import { constants as os } from "node:os";
import { c, lastErrno, SystemError } from "./ffi.ts";
import { close, fsync, openFolder, pathA } from "./files.ts";

const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_BASIC = 0x7ff;

/** struct statx as 64-bit and 32-bit numbers: the indexes of what is used here. */
const STATX_BYTES = 256;
const AT_32 = { links: 4, mode: 7, deviceMajor: 34, deviceMinor: 35 } as const;
const AT_64 = { inode: 4, size: 5 } as const;

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
      links: at32(AT_32.links),
      device: `${at32(AT_32.deviceMajor)}:${at32(AT_32.deviceMinor)}`,
      inode: at64(AT_64.inode),
    };
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
