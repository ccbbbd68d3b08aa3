/**
 * File systems that a test can fill, make read-only, or restrict.
 *
 * @module
 */

import { dlopen, FFIType, ptr } from "bun:ffi";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { constants as os } from "node:os";
import { join } from "node:path";
import { tempDir } from "./temp.ts";

/**
 * Whether this process may not mount, for `describe.skipIf(lacksMount())`. @throws {Error} if so
 * and `CI=true`
 */
export function lacksMount(): boolean {
  if (process.getuid?.() === 0 && run(["unshare", "--mount", "true"]) === "") return false;
  const what = "the right to mount a file system (root)";
  if (process.env["CI"] === "true")
    throw new Error(`Cannot run the tests of this file, missing: ${what}`);
  console.warn(`Skipping tests, missing: ${what}`);
  return true;
}

/** Runs a command. @returns the error, or nothing */
function run(command: string[]): string {
  const { success, stderr } = Bun.spawnSync(command, { stdout: "ignore", stderr: "pipe" });
  return success ? "" : `${command.join(" ")}: ${stderr.toString() || "failed"}`;
}

function checked(command: string[]): void {
  const problem = run(command);
  if (problem !== "") throw new Error(problem);
}

/** A small file system in memory (tmpfs). It is removed at the end of its scope. */
export class SmallDisk implements Disposable {
  readonly #mountPoint = tempDir();

  /** @param options of `mount -t tmpfs`, e.g. `size=64k` or `nr_inodes=10` */
  constructor(options: string) {
    try {
      checked(["mount", "-t", "tmpfs", "-o", options, "imagehub-test", this.path]);
    } catch (error) {
      this.#mountPoint[Symbol.dispose]();
      throw error;
    }
  }

  get path(): string {
    return this.#mountPoint.path;
  }

  /** Free blocks and free inodes. */
  free(): [blocks: number, inodes: number] {
    const { bfree, ffree } = statfsSync(this.path);
    return [bfree, ffree];
  }

  /** Uses all space except `leaveBytes`. */
  fill(leaveBytes = 0): void {
    const { bfree, bsize } = statfsSync(this.path);
    const fd = openSync(join(this.path, "filler"), "w");
    try {
      for (let left = bfree * bsize - leaveBytes; left > 0; left -= bsize)
        writeSync(fd, Buffer.alloc(bsize));
    } catch (error) {
      // Another writer may have taken the last of it.
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** Uses all inodes, so no file can be created. */
  fillInodes(): void {
    for (let left = this.free()[1]; left > 0; left--)
      writeFileSync(join(this.path, `filler-${left}`), "");
  }

  /** Frees what {@link fill} and {@link fillInodes} took. */
  makeRoom(): void {
    for (const name of readdirSync(this.path))
      if (name.startsWith("filler")) rmSync(join(this.path, name));
  }

  remount(mode: "ro" | "rw"): void {
    checked(["mount", "-o", `remount,${mode}`, this.path]);
  }

  [Symbol.dispose](): void {
    checked(["umount", "--lazy", this.path]);
    this.#mountPoint[Symbol.dispose]();
  }
}

/**
 * A stick with exFAT through FUSE, as a Raspberry Pi mounts it: a file on a loop device. It is
 * removed at the end of its scope.
 */
export class ExfatDisk implements Disposable {
  readonly #owned = tempDir();
  readonly path = join(this.#owned.path, "STICK");
  readonly #image = join(this.#owned.path, "stick.img");
  #loop = "";

  constructor() {
    try {
      mkdirSync(this.path);
      writeFileSync(this.#image, "");
      truncateSync(this.#image, 64 * 2 ** 20);
      checked(["mkfs.exfat", this.#image]);
      this.plugIn();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** `/dev/loopN`. */
  get device(): string {
    return this.#loop;
  }

  plugIn(): void {
    const { success, stdout, stderr } = Bun.spawnSync(["losetup", "--find", "--show", this.#image]);
    if (!success) throw new Error(`losetup: ${stderr.toString()}`);
    this.#loop = stdout.toString().trim();
    checked(["mount.exfat-fuse", this.#loop, this.path]);
  }

  /** As if it were pulled out, and the desktop cleaned up. */
  pullOut(): void {
    run(["umount", "--lazy", this.path]);
    if (this.#loop !== "") run(["losetup", "--detach", this.#loop]);
    this.#loop = "";
  }

  /** Uses all space. */
  fill(): void {
    const fd = openSync(join(this.path, "filler"), "w");
    try {
      for (;;) writeSync(fd, Buffer.alloc(65_536));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      closeSync(fd);
    }
  }

  [Symbol.dispose](): void {
    this.pullOut();
    this.#owned[Symbol.dispose]();
  }
}

/** What a file system may not support. */
export type Ability =
  /** Opening a file without a name: not on NFS and exFAT. */
  | "O_TMPFILE"
  /** Giving such a file its name. */
  | "link O_TMPFILE"
  /** The same by its descriptor alone: before Linux 6.10 only for root. */
  | "AT_EMPTY_PATH"
  /** Renaming only if the new name is free: not on NFS. */
  | "RENAME_NOREPLACE"
  /** Giving a file a second name: not on FAT and exFAT. */
  | "hard links"
  /** Renaming at all. */
  | "rename"
  /** Shortening a file. */
  | "truncate";

interface Rule {
  /** Numbers of the system call on x86-64 and on AArch64; -1 if it has none. */
  readonly x64: number;
  readonly arm64: number;
  readonly errno: number;
  /** The rule applies only to calls in which this argument has one of these bits. */
  readonly bits?: { readonly argument: number; readonly mask: number };
}

const { EINVAL, EIO, ENOENT, EOPNOTSUPP, EPERM } = os.errno;
const LINKAT = { x64: 265, arm64: 37 };
const RENAMEAT2 = { x64: 316, arm64: 276 };

const RULES: Record<Ability, readonly Rule[]> = {
  O_TMPFILE: [{ x64: 257, arm64: 56, errno: EOPNOTSUPP, bits: { argument: 2, mask: 0o20000000 } }],
  "link O_TMPFILE": [{ ...LINKAT, errno: EPERM, bits: { argument: 4, mask: 0x1400 } }],
  AT_EMPTY_PATH: [{ ...LINKAT, errno: ENOENT, bits: { argument: 4, mask: 0x1000 } }],
  RENAME_NOREPLACE: [{ ...RENAMEAT2, errno: EINVAL, bits: { argument: 4, mask: 1 } }],
  "hard links": [
    { ...LINKAT, errno: EPERM },
    { x64: 86, arm64: -1, errno: EPERM },
  ],
  rename: [
    { ...RENAMEAT2, errno: EIO },
    { x64: 264, arm64: 38, errno: EIO },
    { x64: 82, arm64: -1, errno: EIO },
  ],
  truncate: [{ x64: 77, arm64: 46, errno: EIO }],
};

/**
 * Makes system calls of this thread fail as on a file system without these abilities. This is a
 * seccomp filter, which the kernel never removes. So only a thread that ends with its test may call
 * this.
 */
export function loseAbilities(abilities: readonly Ability[]): void {
  // struct sock_filter: code, jump if true, jump if false, operand (linux/filter.h).
  const program: (readonly [code: number, jumpTrue: number, jumpFalse: number, operand: number])[] =
    [];
  const [load, jumpEqual, jumpBits, give] = [0x20, 0x15, 0x45, 0x06];
  for (const { bits, errno, ...numbers } of abilities.flatMap((ability) => RULES[ability])) {
    const number = process.arch === "arm64" ? numbers.arm64 : numbers.x64;
    if (number < 0) continue;
    program.push([load, 0, 0, 0], [jumpEqual, 0, bits ? 3 : 1, number]);
    if (bits) program.push([load, 0, 0, 16 + 8 * bits.argument], [jumpBits, 0, 1, bits.mask]);
    program.push([give, 0, 0, 0x0005_0000 | errno]);
  }
  program.push([give, 0, 0, 0x7fff_0000]);

  const filters = Buffer.alloc(program.length * 8);
  for (const [index, [code, jumpTrue, jumpFalse, operand]] of program.entries()) {
    filters.writeUInt16LE(code, index * 8);
    filters.writeUInt8(jumpTrue, index * 8 + 2);
    filters.writeUInt8(jumpFalse, index * 8 + 3);
    filters.writeUInt32LE(operand, index * 8 + 4);
  }
  // struct sock_fprog: their number and address.
  const filterProgram = Buffer.alloc(16);
  filterProgram.writeUInt16LE(program.length, 0);
  filterProgram.writeBigUInt64LE(BigInt(ptr(filters)), 8);

  const { u64, ptr: pointer, i32 } = FFIType;
  const libc = dlopen("libc.so.6", {
    prctl: { args: [i32, u64, pointer, u64, u64], returns: i32 },
  });
  const [setNoNewPrivileges, setSeccomp, modeFilter] = [38, 22, 2];
  const failed =
    libc.symbols.prctl(setNoNewPrivileges, 1, null, 0, 0) < 0 ||
    libc.symbols.prctl(setSeccomp, modeFilter, filterProgram, 0, 0) < 0;
  // The kernel has its own copy now. Until then, the filters must not move.
  if (failed || filters.length === 0) throw new Error("The kernel takes no seccomp filter");
}
