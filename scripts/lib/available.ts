/**
 * Finds out which things that only some tests need are on this machine: a Python with pyzmq, the
 * executables, the emulator for the other architecture. It never installs anything;
 * `scripts/test-deps.ts` does.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join } from "node:path";

/** The checkout's top directory. */
export const CHECKOUT = join(import.meta.dir, "../..");

/**
 * Debian's own Python, for which apt-get installs packages. A `python3` in PATH may be another one.
 */
export const PYTHON = "/usr/bin/python3";

/** The arm64 libraries for the emulated executable. */
export const SYSROOT = join(CHECKOUT, ".cache/arm64-sysroot");

/** The unpacked packages of Ceph, whose gateway is an S3 store. */
export const CEPH = join(CHECKOUT, ".cache/ceph");

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
  | "browser"
  | "proxy"
  | "balancer"
  | "tls"
  | "mqtt"
  | "ceph"
  | "network";

/** The forms of the hub that tests can start: the sources under Bun, or an executable in `dist`. */
export type Program = "source" | "x64" | "arm64";

/** The programs that this kind of machine can run, even if they are not built yet. */
export const PROGRAMS: readonly Program[] =
  process.arch === "arm64" ? ["source", "arm64"] : ["source", "x64", "arm64"];

/** The path of the executable for an architecture. */
export function executable(arch: "x64" | "arm64"): string {
  return join(CHECKOUT, `dist/imagehub-linux-${arch}`);
}

/** The path of the arm64 emulator; null if there is none. */
export function qemu(): string | null {
  return Bun.which("qemu-aarch64-static") ?? Bun.which("qemu-aarch64");
}

/** The path of the MQTT broker, which is not in every user's PATH; null if there is none. */
export function mosquitto(): string | null {
  return Bun.which("mosquitto", { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` });
}

/** The path of the load balancer, which is not in every user's PATH; null if there is none. */
export function haproxy(): string | null {
  return Bun.which("haproxy", { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` });
}

/** Whether arm64 executables run here without an emulator. */
const arm64IsNative = process.arch === "arm64";

/** Whether a program runs here without an emulator. */
export function runsNatively(program: Program): boolean {
  return program !== "arm64" || arm64IsNative;
}

const known = new Map<Part, boolean>();

/** Whether a part is available. It is looked up once per process, or anew if `fresh` is true. */
export function has(part: Part, fresh = false): boolean {
  const before = fresh ? undefined : known.get(part);
  if (before !== undefined) return before;
  const found = LOOK[part]();
  known.set(part, found);
  return found;
}

/** How to look for each part. */
const LOOK: Record<Part, () => boolean> = {
  python: () =>
    // Only an import shows it: the packages may be for another version of Python.
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
  browser: () => areThere("chromium"),
  proxy: () => areThere("nginx", "curl"),
  balancer: () => haproxy() !== null,
  tls: () => areThere("openssl", "curl"),
  mqtt: () => areThere("mosquitto_sub", "mosquitto_passwd") && mosquitto() !== null,
  ceph: () => existsSync(join(CEPH, "usr/bin/radosgw")),
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

/** How to get a missing part. */
const REMEDY: Record<Part, string> = {
  python: `${PYTHON} with pyzmq and numpy (Debian: python3-zmq python3-numpy)`,
  prometheus: `${PYTHON} with prometheus_client (Debian: python3-prometheus-client)`,
  qemu: "qemu-aarch64-static (Debian: qemu-user-static)",
  sysroot: "arm64 libraries in .cache/arm64-sysroot (bun scripts/test-deps.ts)",
  ansible: "Ansible and its linters (Debian: ansible-core ansible-lint yamllint)",
  container:
    "tools to boot a Debian in a container (Debian: debootstrap systemd-container iproute2 openssh-client rsync)",
  systemd: "systemd-analyze and libsystemd; systemd need not be running (Debian: systemd)",
  x64: "dist/imagehub-linux-x64 (npm run build)",
  arm64: "dist/imagehub-linux-arm64 (npm run build)",
  exfat: "exFAT through FUSE, and /dev/fuse (Debian: exfat-fuse exfatprogs)",
  network: "ip (Debian: iproute2)",
  browser: "Chromium (Debian: chromium)",
  proxy: "nginx and curl (Debian: nginx-light curl)",
  balancer: "a load balancer (Debian: haproxy)",
  tls: "openssl and curl (Debian: openssl curl)",
  mqtt: "an MQTT broker and its clients (Debian: mosquitto mosquitto-clients)",
  ceph: "Ceph's S3 store in .cache/ceph (bun scripts/test-deps.ts)",
  watchers: `inotifywait, and ${PYTHON} with watchdog (Debian: inotify-tools python3-watchdog)`,
  bench: "a C compiler and zmq.h (Debian: apt-get install gcc libc6-dev libzmq3-dev)",
};

/** What Debian may not have for this machine; to skip its tests is then no failure. */
export const MAY_LACK: ReadonlySet<Part> = new Set<Part>(["ceph"]);

/** The name of a part and how to get it, in one line. */
export function remedy(part: Part): string {
  return REMEDY[part];
}

/** What each program needs besides the sources. */
export const PARTS: Record<Program, readonly Part[]> = {
  source: [],
  x64: ["x64"],
  arm64: ["arm64", "qemu", "sysroot"],
};

/**
 * Whether one of the parts is missing, for `describe.skipIf(lacks("python"))`.
 *
 * @throws {Error} if so and `CI=true`, where a skipped test is a failure, except of those in
 * {@link MAY_LACK}
 */
export function lacks(...parts: readonly Part[]): boolean {
  const missing = parts.filter((part) => !has(part));
  if (missing.length === 0) return false;
  const what = missing.map(remedy).join("; ");
  if (process.env["CI"] === "true" && !missing.every((part) => MAY_LACK.has(part)))
    throw new Error(`Cannot run the tests of this file, missing: ${what}`);
  console.warn(`!!! SKIPPING TESTS, missing: ${what}`);
  return true;
}
