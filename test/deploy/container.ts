/**
 * A Debian that boots with systemd in a container, with an sshd at its own address.
 *
 * debootstrap makes the tree once, in `.cache`, for this machine's architecture or for the other
 * one under an emulator. Each container works on a copy. It has its own network namespace. A veth
 * pair joins it to a second one, in which its clients are started ({@link Container.inNetwork}):
 * nothing uses the machine's network. It also has its own cgroups, so several containers can run at
 * the same time.
 *
 * @module
 */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { chmod, chown } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atExit, command } from "../../scripts/lib/at-exit.ts";
import { within } from "../faults/hub.ts";
import type { Architecture } from "../../scripts/executable.ts";
import { CHECKOUT, qemu } from "../../scripts/lib/available.ts";

const CACHE = join(CHECKOUT, ".cache");
const SUITE = "bookworm";

/**
 * Packages in addition to a minimal Debian: systemd, sshd, what Ansible and rsync need on a node,
 * and the hub's C++ library.
 */
const PACKAGES = [
  "systemd",
  "systemd-sysv",
  "libpam-systemd",
  "dbus",
  "openssh-server",
  "sudo",
  "python3",
  "rsync",
  "iproute2",
  "libstdc++6",
];

/** How long a container may take to boot and to shut down, in milliseconds. */
const BOOT_MS = 120_000;
const SHUTDOWN_MS = 30_000;

/** The output of a command and its exit status. */
export interface Output {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command and waits for its end, successful or not. */
export async function run(
  words: readonly string[],
  {
    cwd = CHECKOUT,
    env = {},
    stdin = "",
  }: { cwd?: string; env?: Record<string, string>; stdin?: string } = {},
): Promise<Output> {
  const child = Bun.spawn([...words], {
    cwd,
    env: { ...process.env, ...env },
    stdin: Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const undo = atExit(() => child.kill("SIGKILL"));
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  undo();
  child.kill();
  return { status, stdout, stderr };
}

/**
 * The first process of a container for the other architecture. It is a shell of this architecture.
 * It registers the emulator with the container's own binfmt_misc (there is one, because the
 * container has its own user namespace) and then becomes the given program.
 */
const SHIM = String.raw`#!/shim/busybox sh
/shim/busybox mkdir -p /shim/binfmt
/shim/busybox mount -t binfmt_misc none /shim/binfmt
printf '%s' ':arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/shim/qemu:FPC' > /shim/binfmt/register
exec "$@"
`;

/** Makes systemd-nspawn start a program in a tree of the other architecture. */
const EMULATED = [
  "--private-users=identity",
  "--kill-signal=SIGRTMIN+3",
  "/shim/busybox",
  "sh",
  "/shim/init",
];

/** Adds the emulator and its starter to a tree. @throws {Error} if one is missing */
async function addEmulator(tree: string): Promise<void> {
  const [shell, emulator] = [Bun.which("busybox"), qemu()];
  if (shell === null || emulator === null) {
    throw new Error("To boot a Debian for arm64, install busybox-static and qemu-user-static");
  }
  const shim = join(tree, "shim");
  mkdirSync(shim);
  await Promise.all([
    Bun.write(join(shim, "busybox"), Bun.file(shell)),
    Bun.write(join(shim, "qemu"), Bun.file(emulator)),
    Bun.write(join(shim, "init"), SHIM),
  ]);
  for (const name of ["busybox", "qemu", "init"]) await chmod(join(shim, name), 0o755);
}

/** The second stage of debootstrap, which runs programs of the tree. */
async function secondStage(tree: string): Promise<Output> {
  await addEmulator(tree);
  // The first stage leaves a link here, but systemd-nspawn mounts here.
  rmSync(join(tree, "proc"));
  mkdirSync(join(tree, "proc"));
  // A user namespace cannot make devices, and need not: systemd-nspawn provides them, and /proc.
  const functions = join(tree, "debootstrap/functions");
  const text = readFileSync(functions, "utf8");
  const skipped = /^(?<head>(?:check_sane_mount|setup_devices|setup_proc) \(\) \{)$/gmu;
  writeFileSync(functions, text.replaceAll(skipped, "$<head>\n\treturn 0"));
  const nspawn = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network"];
  return await run([
    ...nspawn,
    `--directory=${tree}`,
    ...EMULATED,
    "/debootstrap/debootstrap",
    "--second-stage",
  ]);
}

/**
 * The tree that containers copy. debootstrap makes it if it is missing. @throws {Error} if that
 * fails
 */
async function baseTree(architecture: Architecture): Promise<string> {
  const tree = join(CACHE, `debian-${SUITE}-${architecture}`);
  if (existsSync(tree)) return tree;
  console.log(`Making a Debian ${SUITE} in ${tree}, once`);
  mkdirSync(CACHE, { recursive: true });
  const unfinished = mkdtempSync(`${tree}-`);
  const undo = atExit(() => rmSync(unfinished, { recursive: true, force: true }));
  const options = [`--include=${PACKAGES.join(",")}`, "--variant=minbase"];
  const isForeign = architecture !== process.arch;
  if (isForeign)
    options.push("--foreign", `--arch=${architecture === "x64" ? "amd64" : architecture}`);
  let made = await run(["debootstrap", ...options, SUITE, unfinished]);
  if (made.status === 0 && isForeign) made = await secondStage(unfinished);
  if (made.status !== 0) {
    undo();
    throw new Error(
      `Cannot make a Debian ${SUITE}: ${made.stdout.slice(-2000)}${made.stderr.slice(-2000)}`,
    );
  }
  // debootstrap's folder is accessible only to root.
  await chmod(unfinished, 0o755);
  renameSync(unfinished, tree);
  undo();
  return tree;
}

/** The setup of a container. */
export interface ContainerOptions {
  readonly hostname: string;
  /** The user that Ansible logs in as. It may use sudo without a password. */
  readonly user: string;
  /** The architecture; default this machine's. The other one is emulated. */
  readonly architecture?: Architecture;
}

let booted = 0;

/** A running container. */
export class Container implements AsyncDisposable {
  /** The root of its files on this machine. */
  readonly root: string;
  readonly user: string;
  /** The address of its sshd and its hub, as seen from {@link inNetwork}. */
  readonly address = "10.77.0.2";
  /** The private key for logging in as {@link user}. */
  readonly key: string;
  /** Words before a command that must reach it. */
  readonly inNetwork: readonly string[];
  /** For the connection that all logins share. The path of a socket must be short. */
  readonly #sockets = mkdtempSync(join(tmpdir(), "ssh-"));
  readonly #undo: (() => void)[] = [];
  #supervisor: Bun.Subprocess | null = null;
  #leader = 0;

  private constructor(
    user: string,
    readonly isEmulated: boolean,
  ) {
    booted += 1;
    // An interface's name has at most 15 characters, including "ve-".
    const name = `ih${process.pid}x${booted}`;
    const folder = mkdtempSync(join(CACHE, "container-"));
    for (const path of [folder, this.#sockets])
      this.#undo.push(atExit(() => rmSync(path, { recursive: true, force: true })));
    this.root = join(folder, name);
    this.key = join(folder, "key");
    this.user = user;
    this.inNetwork = ["nsenter", `--net=/run/netns/${name}`, "--"];
  }

  get #name(): string {
    return this.root.slice(this.root.lastIndexOf("/") + 1);
  }

  /**
   * Boots a container and waits until its sshd accepts a login. @throws {Error} with its output if
   * that fails
   */
  static async boot(options: ContainerOptions): Promise<Container> {
    const { hostname, user, architecture = process.arch as Architecture } = options;
    const base = await baseTree(architecture);
    const container = new Container(user, architecture !== process.arch);
    try {
      await container.#prepare(base, hostname);
      await container.#start();
    } catch (error) {
      await container[Symbol.asyncDispose]();
      throw error;
    }
    return container;
  }

  async #prepare(base: string, hostname: string): Promise<void> {
    command("cp", "--archive", "--reflink=auto", base, this.root);
    const inTree = (...path: string[]): string => join(this.root, ...path);
    command("useradd", "--prefix", this.root, "--create-home", "--shell", "/bin/bash", this.user);
    command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", this.key);
    const { uid, gid } = statSync(inTree("home", this.user));
    const ssh = inTree("home", this.user, ".ssh");
    mkdirSync(ssh, { mode: 0o700 });
    await Bun.write(join(ssh, "authorized_keys"), Bun.file(`${this.key}.pub`));
    await chown(ssh, uid, gid);
    await chown(join(ssh, "authorized_keys"), uid, gid);
    await Bun.write(inTree("etc/sudoers.d", this.user), `${this.user} ALL=(ALL) NOPASSWD:ALL\n`);
    await Bun.write(inTree("etc/hostname"), `${hostname}\n`);
    await Bun.write(inTree("etc/hosts"), `127.0.0.1 localhost\n127.0.1.1 ${hostname}\n`);
    // Empty: systemd creates one at the first boot.
    await Bun.write(inTree("etc/machine-id"), "");
    if (this.isEmulated) {
      // The emulator has threads, and Linux gives no user namespace to a process with threads.
      mkdirSync(inTree("etc/systemd/system/imagehub.service.d"));
      const dropIn = inTree("etc/systemd/system/imagehub.service.d/emulated.conf");
      await Bun.write(dropIn, "[Service]\nPrivateUsers=no\n");
    }
  }

  async #start(): Promise<void> {
    const name = this.#name;
    command("ip", "netns", "add", name);
    this.#undo.push(atExit(() => command("ip", "netns", "del", name)));
    command("ip", "-n", name, "link", "set", "lo", "up");

    const groups = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
      .filter((hierarchy) => existsSync(join(hierarchy, "cgroup.procs")))
      .map((hierarchy) => join(hierarchy, name));
    for (const group of groups) {
      mkdirSync(group);
      this.#undo.push(atExit(() => removeGroup(group)));
    }
    const enter = groups.map((group) => `echo $$ > ${group}/cgroup.procs`).join(" && ");
    const log = join(this.root, "../console");
    this.#supervisor = Bun.spawn(
      [
        ...this.inNetwork,
        "sh",
        "-c",
        `${enter} && exec "$@"`,
        ..."sh systemd-nspawn --quiet --register=no --keep-unit --network-veth --console=read-only".split(
          " ",
        ),
        `--directory=${this.root}`,
        `--machine=${name}`,
        ...(this.isEmulated ? [...EMULATED, "/lib/systemd/systemd"] : ["--boot"]),
      ],
      { stdin: "ignore", stdout: Bun.file(log), stderr: Bun.file(log) },
    );
    const supervisor = this.#supervisor;
    this.#undo.push(
      atExit(() => {
        // When its first process ends, everything in it ends, and then the supervisor does.
        if (this.#leader !== 0) kill(this.#leader, "SIGKILL");
        for (const end = Date.now() + SHUTDOWN_MS; Date.now() < end && isAlive(supervisor.pid);)
          Bun.sleepSync(50);
        supervisor.kill("SIGKILL");
      }),
    );

    await until(`systemd starts in ${name}`, () => {
      if (supervisor.exitCode !== null)
        throw new Error(`systemd-nspawn ended: ${readFileSync(log, "utf8")}`);
      const children = readFileSync(
        `/proc/${supervisor.pid}/task/${supervisor.pid}/children`,
        "utf8",
      );
      this.#leader = Number(children.trim().split(" ").at(-1));
      return this.#leader !== 0 && existsSync(`/proc/${this.#leader}/root/run/systemd/system`);
    });
    command("ip", "-n", name, "address", "add", "10.77.0.1/24", "dev", `ve-${name}`);
    command("ip", "-n", name, "link", "set", `ve-${name}`, "up");
    const inside = ["nsenter", `--net=/proc/${this.#leader}/ns/net`, "--"];
    command(...inside, "ip", "address", "add", `${this.address}/24`, "dev", "host0");
    command(...inside, "ip", "link", "set", "host0", "up");
    await until(`sshd answers in ${name}`, async () => (await this.ssh("true")).status === 0);
  }

  /** Options with which ssh and programs that use it never ask. */
  get sshOptions(): readonly string[] {
    const options = [
      "StrictHostKeyChecking=no",
      "UserKnownHostsFile=/dev/null",
      "LogLevel=ERROR",
      "ConnectTimeout=5",
      "ControlMaster=auto",
      "ControlPersist=30s",
      `ControlPath=${this.#sockets}/%C`,
    ];
    return ["-i", this.key, ...options.flatMap((option) => ["-o", option])];
  }

  /** Runs a shell command in the container, as its user. */
  async ssh(line: string): Promise<Output> {
    return await run([
      ...this.inNetwork,
      "ssh",
      ...this.sshOptions,
      `${this.user}@${this.address}`,
      line,
    ]);
  }

  /**
   * Copies the content of a folder to one in the container, as the user. Other files there stay.
   * @throws {Error} if that fails
   */
  async rsync(from: string, to: string): Promise<void> {
    const shell = ["ssh", ...this.sshOptions].join(" ");
    const words = [
      "rsync",
      "-az",
      "--checksum",
      "-e",
      shell,
      `${from}/`,
      `${this.user}@${this.address}:${to}/`,
    ];
    const { status, stderr } = await run([...this.inNetwork, ...words]);
    if (status !== 0) throw new Error(`Cannot rsync to the container: ${stderr}`);
  }

  /** Shuts it down and removes everything made for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#leader !== 0) {
      // systemd's signal for "power off".
      kill(this.#leader, 34 + 4);
      if (
        (await within(this.#supervisor?.exited ?? Promise.resolve(0), SHUTDOWN_MS)) === undefined
      ) {
        console.error(`The container ${this.#name} does not shut down and is ended`);
      }
    }
    for (const undo of this.#undo.toReversed()) undo();
    await this.#supervisor?.exited;
  }
}

function kill(pid: number, signal: NodeJS.Signals | number): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has already ended.
  }
}

/** Whether a child is running; a zombie is not. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/su.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Removes a cgroup and those in it, if their processes have ended. */
function removeGroup(group: string): void {
  const inside = command("find", group, "-depth", "-type", "d").trim().split("\n");
  for (const folder of inside) {
    try {
      rmdirSync(folder);
    } catch {
      // A process is just ending. An extra empty cgroup does no harm.
    }
  }
}

/** Checks repeatedly until something is true. @throws {Error} if it takes too long */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  boundMs = BOOT_MS,
): Promise<void> {
  for (const end = Date.now() + boundMs; Date.now() < end; await Bun.sleep(100))
    if (await isSo()) return;
  throw new Error(`Waited ${boundMs / 1000} s until ${what}`);
}
