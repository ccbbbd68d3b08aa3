/**
 * An ext4 disk that can lose its power, stall, fill up and become read-only: a file on a loop
 * device.
 *
 * @module
 */

import { dlopen, FFIType } from "bun:ffi";
import {
  closeSync,
  mkdirSync,
  openSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { atExit, command } from "../../scripts/lib/at-exit.ts";

/** EXT4_IOC_SHUTDOWN, and its flag to discard what the journal holds only in memory. */
const SHUTDOWN = 0x80_04_58_7d;
const WITHOUT_LOG_FLUSH = 2;

const libc = dlopen("libc.so.6", {
  ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
});

/** Size of a disk, in bytes. The file is sparse. */
const DISK_BYTES = 2 ** 30;

/** Options of `mkfs.ext4` for a disk. */
export interface DiskOptions {
  readonly bytes?: number;
  /** Number of inodes. */
  readonly inodes?: number;
}

/** A disk, mounted until it is disposed of. */
export class LoopDisk implements Disposable {
  readonly path: string;
  readonly #owned: TempDir = tempDir();
  #image: string;
  readonly #undo: () => void;
  #frozen = false;

  constructor({ bytes = DISK_BYTES, inodes }: DiskOptions = {}) {
    this.#image = join(this.#owned.path, "disk.img");
    this.path = join(this.#owned.path, "mounted");
    mkdirSync(this.path);
    this.#undo = atExit(() => this.#end());
    writeFileSync(this.#image, "");
    truncateSync(this.#image, bytes);
    const count = inodes === undefined ? [] : ["-N", String(inodes)];
    command(
      "mkfs.ext4",
      "-q",
      "-F",
      "-m",
      "0",
      "-E",
      "lazy_itable_init=0,lazy_journal_init=0",
      ...count,
      this.#image,
    );
    this.mount();
  }

  /** The file that holds the disk. */
  get image(): string {
    return this.#image;
  }

  mount(): void {
    command("mount", "-o", "loop", this.#image, this.path);
  }

  unmount(): void {
    command("umount", this.path);
  }

  /** From now on, nothing reaches the disk. {@link powerOn} discards what has not reached it. */
  cutPower(): void {
    const fd = openSync(this.path, "r");
    try {
      const flag = new Uint32Array([WITHOUT_LOG_FLUSH]);
      if (libc.symbols.ioctl(fd, SHUTDOWN, flag) < 0)
        throw new Error(`${this.path} cannot be shut down`);
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Mounts what is on the disk after {@link cutPower}. Nobody may have a file open.
   *
   * A mount namespace made meanwhile, as by `ip netns exec`, holds the file system that was shut
   * down, and mounting the same device would find it again. So a copy of the device is mounted.
   */
  powerOn(): void {
    this.unmount();
    const image = `${this.#image}-`;
    command("cp", "--sparse=always", this.#image, image);
    rmSync(this.#image);
    this.#image = image;
    this.mount();
  }

  /** Damages the inode of a file or folder: its checksum is wrong. Nobody may use the disk. */
  damage(path: string): void {
    this.unmount();
    const place = outputOf("debugfs", "-R", `imap "${path.slice(this.path.length)}"`, this.#image);
    const [, block, offset] = /block (\d+), offset (0x[\da-f]+)/.exec(place)!;
    const [, blockBytes] = /Block size: +(\d+)/.exec(outputOf("dumpe2fs", "-h", this.#image))!;
    const fd = openSync(this.#image, "r+");
    try {
      // The lower half of the owner's number.
      const at = Number(block) * Number(blockBytes) + Number(offset) + 2;
      writeSync(fd, Buffer.from([0x55]), 0, 1, at);
    } finally {
      closeSync(fd);
    }
    this.mount();
  }

  /** Makes all writers wait until {@link thaw}. */
  freeze(): void {
    command("fsfreeze", "--freeze", this.path);
    this.#frozen = true;
  }

  thaw(): void {
    if (!this.#frozen) return;
    command("fsfreeze", "--unfreeze", this.path);
    this.#frozen = false;
  }

  /** Uses all space. */
  fill(): void {
    const fd = openSync(join(this.path, "filler"), "w");
    try {
      const piece = Buffer.alloc(2 ** 20);
      for (let size = piece.byteLength; size > 0;) {
        try {
          if (writeSync(fd, piece, 0, size) < size) size = 512;
        } catch {
          size = size > 512 ? 512 : 0;
        }
      }
    } finally {
      closeSync(fd);
    }
  }

  /** Uses all inodes. */
  fillInodes(): void {
    const folder = join(this.path, "fillers");
    mkdirSync(folder);
    try {
      for (let left = statfsSync(this.path).ffree; left > 0; left--)
        writeFileSync(join(folder, `filler-${left}`), "");
    } catch (error) {
      // Somebody else took the last one.
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }

  /** Frees what was used up. */
  makeRoom(): void {
    rmSync(join(this.path, "filler"), { force: true });
    rmSync(join(this.path, "fillers"), { force: true, recursive: true });
  }

  remount(mode: "ro" | "rw"): void {
    command("mount", "-o", `remount,${mode}`, this.path);
  }

  #end(): void {
    this.thaw();
    try {
      this.unmount();
    } catch {
      Bun.spawnSync(["umount", "--lazy", this.path]);
    }
    this.#owned[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#undo();
  }
}

function outputOf(...words: string[]): string {
  return Bun.spawnSync(words).stdout.toString();
}
