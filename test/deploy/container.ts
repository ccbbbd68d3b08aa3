/**
 * A Debian that boots with systemd in a container, with an sshd that is reached at an address of
 * its own.
 *
 * The tree comes from debootstrap, once, into `.cache`, for this machine's architecture or for the
 * other one under an emulator; each container works on a copy. It has a network namespace of its
 * own, joined by a veth pair to a second one, where those who talk to it are started ({@link
 * Container.inNetwork}): nothing goes over the machine's network. It also has cgroups of its own,
 * so that several can run at a time.
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
import { join } from "node:path";
import { atExit, command } from "../../scripts/lib/at-exit.ts";
import { within } from "../faults/hub.ts";
import type { Architecture } from "../../scripts/executable.ts";
import { CHECKOUT, qemu } from "../../scripts/lib/available.ts";

const CACHE = join(CHECKOUT, ".cache");
const SUITE = "bookworm";

/**
 * Beside what Debian always has: systemd, sshd, what Ansible and rsync need on a node, and the
 * hub's C++ library.
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

/** What a command has printed, and how it ended. */
export interface Output {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command and waits for its end, whatever that is. */
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
 * The first process of a container for the other architecture: a shell of this one, which registers
 * the emulator with the container's own binfmt_misc (it has one, because it has its own user
 * namespace) and becomes the program named.
 */
const SHIM = String.raw`#!/shim/busybox sh
/shim/busybox mkdir -p /shim/binfmt
/shim/busybox mount -t binfmt_misc none /shim/binfmt
printf '%s' ':arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/shim/qemu:FPC' > /shim/binfmt/register
exec "$@"
`;

/** What has systemd-nspawn start a program in a tree of the other architecture. */
const EMULATED = [
  "--private-users=identity",
  "--kill-signal=SIGRTMIN+3",
  "/shim/busybox",
  "sh",
  "/shim/init",
];

/** Puts the emulator into a tree, and what starts it. @throws {Error} Where one is missing. */
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

/** debootstrap's second half, which runs programs of the tree. */
async function secondStage(tree: string): Promise<Output> {
  await addEmulator(tree);
  // The first half leaves a link here, where systemd-nspawn mounts.
  rmSync(join(tree, "proc"));
  mkdirSync(join(tree, "proc"));
  // In a user namespace no device can be made, and none has to be: systemd-nspawn brings them, and
  // /proc.
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
 * The tree that containers are copies of; made by debootstrap where it is not there yet. @throws
 * {Error}
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
  // debootstrap's folder is root's alone.
  await chmod(unfinished, 0o755);
  renameSync(unfinished, tree);
  undo();
  return tree;
}

/** How a container is set up. */
export interface ContainerOptions {
  readonly hostname: string;
  /** The user that Ansible logs in as, who may use sudo without a password. */
  readonly user: string;
  /** Default that of this machine; the other one is emulated. */
  readonly architecture?: Architecture;
}

let booted = 0;

/** A container that runs. */
export class Container implements AsyncDisposable {
  /** Where its files are on this machine. */
  readonly root: string;
  readonly user: string;
  /** Where its sshd and the hub in it listen, seen from {@link inNetwork}. */
  readonly address = "10.77.0.2";
  /** The private key that lets {@link user} in. */
  readonly key: string;
  /** Words in front of a command that is to reach it. */
  readonly inNetwork: readonly string[];
  readonly #undo: (() => void)[] = [];
  #supervisor: Bun.Subprocess | null = null;
  #leader = 0;

  private constructor(
    user: string,
    readonly isEmulated: boolean,
  ) {
    booted += 1;
    // An interface's name has 15 characters at most, "ve-" among them.
    const name = `ih${process.pid}x${booted}`;
    const folder = mkdtempSync(join(CACHE, "container-"));
    this.#undo.push(atExit(() => rmSync(folder, { recursive: true, force: true })));
    this.root = join(folder, name);
    this.key = join(folder, "key");
    this.user = user;
    this.inNetwork = ["nsenter", `--net=/run/netns/${name}`, "--"];
  }

  get #name(): string {
    return this.root.slice(this.root.lastIndexOf("/") + 1);
  }

  /**
   * Boots a container and waits until its sshd lets somebody in. @throws {Error} With what it said.
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
    // Empty: systemd makes one at the first boot.
    await Bun.write(inTree("etc/machine-id"), "");
    if (this.isEmulated) {
      // The emulator has threads of its own, and Linux gives no user namespace to a process with
      // threads.
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
        // All that is in it ends with its first process, and then the supervisor, too.
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

  /** What makes ssh, and those who use it, come in without asking anything. */
  get sshOptions(): readonly string[] {
    const options = [
      "StrictHostKeyChecking=no",
      "UserKnownHostsFile=/dev/null",
      "LogLevel=ERROR",
      "ConnectTimeout=5",
    ];
    return ["-i", this.key, ...options.flatMap((option) => ["-o", option])];
  }

  /** Runs a line of shell in the container, as its user. */
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
   * Brings the contents of a folder to one in the container, as the user, and leaves what is there.
   * @throws {Error}
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

  /** Shuts it down, and removes what was made for it. */
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
    // It has ended already.
  }
}

/** Whether a child runs; one that has ended and was not waited for yet does not. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/su.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Removes a cgroup and those in it, where their processes have ended. */
function removeGroup(group: string): void {
  const inside = command("find", group, "-depth", "-type", "d").trim().split("\n");
  for (const folder of inside) {
    try {
      rmdirSync(folder);
    } catch {
      // A process that is just ending; an empty cgroup more does no harm.
    }
  }
}

/** Looks again and again until something is so. @throws {Error} When it takes too long. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  boundMs = BOOT_MS,
): Promise<void> {
  for (const end = Date.now() + boundMs; Date.now() < end; await Bun.sleep(100))
    if (await isSo()) return;
  throw new Error(`Waited ${boundMs / 1000} s until ${what}`);
}
