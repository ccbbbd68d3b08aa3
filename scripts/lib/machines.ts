/**
 * Machines on one network: network namespaces on a bridge, in a namespace of this process's own.
 * Nothing of this machine's own network can be reached from there.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { atExit, command } from "./at-exit.ts";

/** All addresses begin with it. It ends where the namespaces end. */
const NETWORK = "10.78.0";

/** Says that this process is in its own namespaces. */
const INSIDE = "OWN_NETWORK";

/** Goes on in namespaces of its own; in the process that was started, it does not return. */
export async function inOwnNetwork(): Promise<void> {
  if (process.env[INSIDE] !== undefined) return;
  // `ip netns` makes mounts, which end with the namespace.
  const words = ["unshare", "--net", "--mount", "--kill-child", "--", process.execPath];
  const child = Bun.spawn([...words, ...process.argv.slice(1)], {
    env: { ...process.env, [INSIDE]: "1" },
    stdio: ["inherit", "inherit", "inherit"],
  });
  atExit(() => child.kill("SIGTERM"));
  process.exit(await child.exited);
}

/** A machine on the network. */
export interface Machine {
  readonly address: string;
  /** Words that run a program there. */
  readonly on: readonly string[];
  /** Takes it off the network. Nobody is told. */
  unplug(): void;
  plugIn(): void;
}

/** The network. This process is on it, too. */
export class Machines {
  /** The address of this process. */
  readonly address = `${NETWORK}.1`;
  private count = 1;

  /** @throws {Error} if it cannot be made here, for example without root */
  constructor() {
    // ip makes it for its first network.
    mkdirSync("/run/netns", { recursive: true });
    command("mount", "-t", "tmpfs", "tmpfs", "/run/netns");
    command("ip", "link", "set", "lo", "up");
    command("ip", "link", "add", "switch", "type", "bridge");
    command("ip", "addr", "add", `${this.address}/24`, "dev", "switch");
    command("ip", "link", "set", "switch", "up");
  }

  /** Adds a machine. */
  add(name: string): Machine {
    const address = `${NETWORK}.${++this.count}`;
    const own = ["ip", "-n", name];
    command("ip", "netns", "add", name);
    command("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name);
    command("ip", "link", "set", name, "master", "switch", "up");
    command(...own, "addr", "add", `${address}/24`, "dev", "eth0");
    command(...own, "link", "set", "lo", "up");
    command(...own, "link", "set", "eth0", "up");
    return {
      address,
      on: ["nsenter", `--net=/run/netns/${name}`, "--"],
      unplug: () => void command("ip", "link", "set", name, "nomaster"),
      plugIn: () => void command("ip", "link", "set", name, "master", "switch"),
    };
  }
}
