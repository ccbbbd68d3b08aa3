/**
 * Two machines and a switch between them, as network namespaces. A link can fall silent while both
 * ends keep theirs.
 *
 * @module
 */

import { atExit, command } from "../../scripts/lib/at-exit.ts";

let count = 0;

/**
 * Addresses of the hub and of the senders. All networks may use the same ones, because each has its
 * own namespaces.
 */
export const HUB_ADDRESS = "10.99.7.1";
const SENDERS_ADDRESS = "10.99.7.2";

/** A hub's machine and a senders' machine, with a switch between them. */
export class Network implements Disposable {
  readonly #name: string;
  readonly #undo: () => void;

  /** @throws {Error} if network namespaces cannot be made here */
  constructor() {
    count += 1;
    this.#name = `ih${process.pid}-${count}`;
    const ends = [
      ["hub", HUB_ADDRESS],
      ["cam", SENDERS_ADDRESS],
    ] as const;
    // The links disappear with their namespaces.
    this.#undo = atExit(() => {
      for (const end of ["hub", "cam", "mid"])
        Bun.spawnSync(["ip", "netns", "del", this.#space(end)], { stderr: "ignore" });
    });
    for (const end of ["hub", "cam", "mid"]) command("ip", "netns", "add", this.#space(end));
    const mid = ["ip", "-n", this.#space("mid")];
    command(...mid, "link", "add", "switch", "type", "bridge");
    command(...mid, "link", "set", "switch", "up");
    for (const [end, address] of ends) {
      const space = this.#space(end);
      const own = ["ip", "-n", space];
      command(...mid, "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", space);
      command(...mid, "link", "set", end, "master", "switch", "up");
      command(...own, "addr", "add", `${address}/24`, "dev", "eth0");
      command(...own, "link", "set", "lo", "up");
      command(...own, "link", "set", "eth0", "up");
    }
  }

  #space(end: string): string {
    return `${this.#name}-${end}`;
  }

  /** Words that run a program on one of the machines. */
  on(end: "hub" | "cam"): string[] {
    return ["ip", "netns", "exec", this.#space(end)];
  }

  /** From now on, every packet is lost, and neither end is told. */
  cut(): void {
    command("ip", "-n", this.#space("mid"), "link", "set", "cam", "nomaster");
  }

  /** Restores the link. */
  mend(): void {
    command("ip", "-n", this.#space("mid"), "link", "set", "cam", "master", "switch");
  }

  [Symbol.dispose](): void {
    this.#undo();
  }
}
