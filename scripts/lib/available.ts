/**
 * Tells which of the things that only some tests need are on this machine: a Python with pyzmq, the
 * compiled executables, the emulator for the other architecture. It looks and never installs:
 * `scripts/test-deps.ts` does that.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join } from "node:path";

/** The checkout's top directory. */
export const CHECKOUT = join(import.meta.dir, "../..");

/**
 * Debian's own Python, the one whose packages apt-get installs; a `python3` found in PATH may be
 * another.
 */
export const PYTHON = "/usr/bin/python3";

/** Where the arm64 libraries are that the emulated executable loads. */
export const SYSROOT = join(CHECKOUT, ".cache/arm64-sysroot");

/** Something that only some tests need. */
export type Part =
  | "python"
  | "prometheus"
  | "qemu"
  | "sysroot"
  | "systemd"
  | "x64"
  | "arm64"
  | "ansible"
  | "container"
  | "bench"
  | "exfat"
  | "watchers"
  | "network";

/**
 * What the tests can start as the hub: the sources under Bun, or one of the executables in `dist`.
 */
export type Program = "source" | "x64" | "arm64";

/** What this machine is able to run at all, be it built and installed yet or not. */
export const PROGRAMS: readonly Program[] =
  process.arch === "arm64" ? ["source", "arm64"] : ["source", "x64", "arm64"];

/** The executable in `dist` for one architecture. */
export function executable(arch: "x64" | "arm64"): string {
  return join(CHECKOUT, `dist/imagehub-linux-${arch}`);
}

/** The emulator of arm64, by its full path; null where there is none. */
export function qemu(): string | null {
  return Bun.which("qemu-aarch64-static") ?? Bun.which("qemu-aarch64");
}

/** Whether executables of arm64 run here without an emulator and its libraries. */
const arm64IsNative = process.arch === "arm64";

const known = new Map<Part, boolean>();

/**
 * Whether a part is there. Looked up anew each time when `fresh` is true, else once in a process.
 */
export function has(part: Part, fresh = false): boolean {
  const before = fresh ? undefined : known.get(part);
  if (before !== undefined) return before;
  const found = LOOK[part]();
  known.set(part, found);
  return found;
}

/** How each part is looked for. */
const LOOK: Record<Part, () => boolean> = {
  python: () =>
    // Only an import tells: the packages may be there for another version of Python.
    existsSync(PYTHON) &&
    Bun.spawnSync([PYTHON, "-c", "import zmq, numpy"], { stdout: "ignore", stderr: "ignore" })
      .success,
  prometheus: () =>
    existsSync(PYTHON) &&
    Bun.spawnSync([PYTHON, "-c", "import prometheus_client"], {
      stdout: "ignore",
      stderr: "ignore",
    }).success,
  qemu: () => arm64IsNative || qemu() !== null,
  sysroot: () => arm64IsNative || sysrootIsComplete(),
  systemd: () => Bun.which("systemd-analyze") !== null,
  x64: () => existsSync(executable("x64")),
  ansible: () => areThere("ansible-playbook", "ansible-lint", "yamllint"),
  container: () => areThere("debootstrap", "systemd-nspawn", "nsenter", "ip", "ssh", "rsync"),
  arm64: () => existsSync(executable("arm64")),
  exfat: () => areThere("mkfs.exfat", "mount.exfat-fuse", "losetup") && existsSync("/dev/fuse"),
  network: () => areThere("ip"),
  watchers: () =>
    areThere("inotifywait") &&
    existsSync(PYTHON) &&
    Bun.spawnSync([PYTHON, "-c", "import watchdog"], { stdout: "ignore", stderr: "ignore" })
      .success,
  bench: () =>
    // Only the compiler knows where it looks for headers.
    areThere("gcc", "nm") &&
    Bun.spawnSync(["gcc", "-fsyntax-only", "-include", "zmq.h", "-x", "c", "/dev/null"], {
      stdout: "ignore",
      stderr: "ignore",
    }).success,
};

function areThere(...commands: readonly string[]): boolean {
  return commands.every((command) => Bun.which(command) !== null);
}

function sysrootIsComplete(): boolean {
  const folders = ["lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"];
  const holds = (name: string) => folders.some((folder) => existsSync(join(SYSROOT, folder, name)));
  const loader = join(SYSROOT, "lib/ld-linux-aarch64.so.1");
  return existsSync(loader) && ["libc.so.6", "libstdc++.so.6", "libgcc_s.so.1"].every(holds);
}

/** What a person does about a missing part. */
const REMEDY: Record<Part, string> = {
  python: `${PYTHON} with pyzmq and numpy (Debian: python3-zmq python3-numpy)`,
  prometheus: `${PYTHON} with prometheus_client (Debian: python3-prometheus-client)`,
  qemu: "qemu-aarch64-static (Debian: qemu-user-static)",
  sysroot: "arm64 libraries in .cache/arm64-sysroot (bun scripts/test-deps.ts)",
  ansible: "Ansible and its linters (Debian: ansible-core ansible-lint yamllint)",
  container:
    "what boots a Debian (Debian: debootstrap systemd-container iproute2 openssh-client rsync)",
  systemd: "systemd-analyze and libsystemd, which nothing has to run with (Debian: systemd)",
  x64: "dist/imagehub-linux-x64 (npm run build)",
  arm64: "dist/imagehub-linux-arm64 (npm run build)",
  exfat: "exFAT through FUSE, and /dev/fuse (Debian: exfat-fuse exfatprogs)",
  network: "ip (Debian: iproute2)",
  watchers: `inotifywait, and ${PYTHON} with watchdog (Debian: inotify-tools python3-watchdog)`,
  bench: "a C compiler and zmq.h (Debian: apt-get install gcc libc6-dev libzmq3-dev)",
};

/** One line that names a part and how to get it. */
export function remedy(part: Part): string {
  return REMEDY[part];
}

/** What each program needs beside the sources. */
export const PARTS: Record<Program, readonly Part[]> = {
  source: [],
  x64: ["x64"],
  arm64: ["arm64", "qemu", "sysroot"],
};

/**
 * For `describe.skipIf(lacks("python"))`: whether one of the parts is not there.
 *
 * @throws {Error} With `CI=true`, where a test that is left out is a failure.
 */
export function lacks(...parts: readonly Part[]): boolean {
  const missing = parts.filter((part) => !has(part));
  if (missing.length === 0) return false;
  const what = missing.map(remedy).join("; ");
  if (process.env["CI"] === "true")
    throw new Error(`The tests of this file cannot run, missing: ${what}`);
  console.warn(`Tests left out, missing: ${what}`);
  return true;
}
