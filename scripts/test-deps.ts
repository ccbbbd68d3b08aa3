/**
 * Installs what the tests need from Debian: a Python with pyzmq, numpy and a Prometheus parser; on
 * machines other than arm64, an emulator and arm64 libraries (for the Raspberry Pi's executable); a
 * C compiler with libzmq's header (for the benchmark); exFAT through FUSE; and programs that watch
 * files; a browser, a proxy and TLS for what people look at.
 *
 * It uses apt-get if that works without asking: as root, or with a `sudo` that needs no password.
 * The arm64 libraries are only unpacked into `.cache/arm64-sysroot`. For these, apt works in its
 * own directories, so nothing is installed, and the machine's architectures stay unchanged. Ceph's
 * S3 store is only unpacked as well. Whatever is still missing is printed, and tests that need it
 * are skipped. With `CI=true` that is a failure (exit status 1), except for the S3 store.
 *
 * @module
 */

import { mkdir, mkdtemp, readdir, rename, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CEPH, CHECKOUT, has, MAY_LACK, remedy, SYSROOT, type Part } from "./lib/available.ts";

/** The Debian packages of each part. */
const PACKAGES: Partial<Record<Part, readonly string[]>> = {
  python: ["python3-zmq", "python3-numpy"],
  prometheus: ["python3-prometheus-client"],
  qemu: ["qemu-user-static"],
  ansible: ["ansible-core", "ansible-lint", "yamllint"],
  container: [
    "debootstrap",
    "systemd-container",
    "iproute2",
    "openssh-client",
    "rsync",
    "busybox-static",
    "qemu-user-static",
  ],
  network: ["iproute2"],
  systemd: ["systemd"],
  bench: ["gcc", "libc6-dev", "libzmq3-dev"],
  exfat: ["exfat-fuse", "exfatprogs"],
  watchers: ["inotify-tools", "python3-watchdog"],
  browser: ["chromium"],
  proxy: ["nginx-light", "curl"],
  balancer: ["haproxy"],
  tls: ["openssl", "curl"],
  mqtt: ["mosquitto", "mosquitto-clients"],
};

/** Libraries that the executable loads: the C library, and the C++ libraries for Bun and libzmq. */
const SYSROOT_PACKAGES = ["libc6", "libstdc++6", "libgcc-s1"] as const;

/** Runs a command and shows its output. @throws {Error} if its exit status is not 0 */
async function run(command: readonly string[], cwd = CHECKOUT): Promise<void> {
  console.log(`test-deps: ${command.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const child = Bun.spawn([...command], {
    cwd,
    env,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  const status = await child.exited;
  if (status !== 0) throw new Error(`Cannot run ${command.join(" ")}: exit status ${status}`);
}

/** The words needed before `apt-get`; null if it is missing or would ask for a password. */
function asRoot(): readonly string[] | null {
  if (Bun.which("apt-get") === null) return null;
  if (process.getuid?.() === 0) return [];
  const sudo = Bun.which("sudo");
  if (sudo === null) return null;
  const allowed = Bun.spawnSync([sudo, "-n", "true"], {
    stdout: "ignore",
    stderr: "ignore",
  }).success;
  return allowed ? [sudo, "-n", "env", "DEBIAN_FRONTEND=noninteractive"] : null;
}

/** Installs the packages of the given parts, if that is possible. */
async function installPackages(parts: readonly Part[]): Promise<void> {
  const packages = parts.flatMap((part) => PACKAGES[part] ?? []);
  if (packages.length === 0) return;
  const root = asRoot();
  if (root === null) return;
  // Another apt may hold the lock for a while, for example in the nightly upgrade.
  const apt = [...root, "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"];
  await run([...apt, "update"]);
  await run([...apt, "install", "--yes", "--no-install-recommends", ...packages]);
}

/**
 * Settings for an apt-get that works for arm64 in its own directory, with the machine's package
 * sources and proxies. They are read last: only then can they clear a list from the machine's
 * files.
 */
function aptConfig(folder: string): string {
  return `
Dir::State "${folder}/state";
Dir::State::status "${folder}/status";
Dir::Cache "${folder}/cache";
APT::Architecture "arm64";
#clear APT::Architectures;
APT::Architectures { "arm64"; };
// The user _apt may have no way into the checkout.
APT::Sandbox::User "";
Acquire::Languages "none";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`;
}

/** Downloads the arm64 libraries and unpacks them into {@link SYSROOT}. */
async function makeSysroot(): Promise<void> {
  if (Bun.which("apt-get") === null || Bun.which("dpkg") === null) return;
  await mkdir(dirname(SYSROOT), { recursive: true });
  const folder = await mkdtemp(join(dirname(SYSROOT), "apt-"));
  try {
    await mkdir(join(folder, "state/lists/partial"), { recursive: true });
    await mkdir(join(folder, "cache/archives/partial"), { recursive: true });
    await Bun.write(join(folder, "status"), "");
    const config = join(folder, "apt.conf");
    await Bun.write(config, aptConfig(folder));
    await run(["apt-get", "-q", "-c", config, "update"], folder);
    await run(["apt-get", "-q", "-c", config, "download", ...SYSROOT_PACKAGES], folder);

    const unpacked = join(folder, "sysroot");
    // Since trixie the packages contain no `lib`. It is a link to `usr/lib` from another package.
    // makes.
    await mkdir(join(unpacked, "usr/lib"), { recursive: true });
    const debs = (await readdir(folder)).filter((name) => name.endsWith(".deb"));
    for (const deb of debs) await run(["dpkg", "-x", deb, unpacked], folder);
    if (!(await readdir(unpacked)).includes("lib")) await symlink("usr/lib", join(unpacked, "lib"));
    // Rename only when complete, so an interrupted run leaves nothing that looks like a sysroot.
    await rm(SYSROOT, { recursive: true, force: true });
    await rename(unpacked, SYSROOT);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The programs of Ceph that make an S3 store. */
const CEPH_PACKAGES = ["ceph-mon", "ceph-osd", "ceph-common", "radosgw"] as const;

/**
 * Downloads Ceph's programs, with the libraries that this machine does not have, and unpacks them
 * into {@link CEPH}.
 */
async function makeCeph(): Promise<void> {
  const root = asRoot();
  if (root === null || Bun.which("dpkg") === null) return;
  await mkdir(dirname(CEPH), { recursive: true });
  const folder = await mkdtemp(join(dirname(CEPH), "apt-"));
  try {
    await run([...root, "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "update"]);
    const cache = join(folder, "archives");
    await mkdir(join(cache, "partial"), { recursive: true });
    // The user _apt may have no way into the checkout.
    const options = ["APT::Sandbox::User=root", `Dir::Cache::archives=${cache}`]
      // Nothing is installed.
      .concat("Debug::NoLocking=1")
      .flatMap((option) => ["-o", option]);
    const download = ["install", "-q", "--yes", "--no-install-recommends", "--download-only"];
    await run([...root, "apt-get", ...options, ...download, ...CEPH_PACKAGES]);
    const unpacked = join(folder, "root");
    await mkdir(unpacked);
    for (const name of (await readdir(cache)).filter((each) => each.endsWith(".deb")))
      await run(["dpkg", "-x", join(cache, name), unpacked]);
    await rm(CEPH, { recursive: true, force: true });
    await rename(unpacked, CEPH);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Reports a failure. What is missing is checked afterwards. */
function tell(error: unknown): void {
  console.error(`test-deps: ${error instanceof Error ? error.message : String(error)}`);
}

const wanted: readonly Part[] =
  process.argv[2] === "deploy"
    ? ["python", "ansible", "container"]
    : [
        "python",
        "prometheus",
        "qemu",
        "sysroot",
        "systemd",
        "ansible",
        "bench",
        "exfat",
        "watchers",
        "network",
        "browser",
        "proxy",
        "balancer",
        "mqtt",
        "ceph",
      ];
const missingAtFirst = wanted.filter((part) => !has(part));
await installPackages(missingAtFirst).catch(tell);
if (missingAtFirst.includes("sysroot")) await makeSysroot().catch(tell);
if (missingAtFirst.includes("ceph")) await makeCeph().catch(tell);

const missing = missingAtFirst.filter((part) => !has(part, true));
for (const part of missing) console.error(`test-deps: missing: ${remedy(part)}`);
if (missing.length > 0) {
  const inCI = process.env["CI"] === "true" && !missing.every((part) => MAY_LACK.has(part));
  console.error(
    inCI ? "test-deps: CI=true, so this is a failure" : "test-deps: tests that need it are skipped",
  );
  process.exitCode = inCI ? 1 : 0;
}
