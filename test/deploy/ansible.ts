/**
 * Runs the playbook as a person does, from `deploy/ansible`, against a container.
 *
 * @module
 */

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { CHECKOUT } from "../../scripts/lib/available.ts";
import { type Container, run } from "./container.ts";

const ANSIBLE = join(CHECKOUT, "deploy/ansible");
const SITE = join(import.meta.dir, "site");

/** The result of a run of the playbook. */
export interface Play {
  /** The counts of the play's recap. */
  readonly ok: number;
  readonly changed: number;
  readonly failed: number;
  readonly seconds: number;
  readonly output: string;
}

/** An inventory with the container as `data1`, and the playbook to run on it. */
export class Site {
  readonly #container: Container;
  readonly #inventory: string;
  readonly #playbook: string;

  /** @param folder for the inventory: a copy of the example's, with the container's address
   * @param base whether the role sentinelcam_base runs first, as at the site */
  constructor(container: Container, folder: string, base: boolean) {
    this.#container = container;
    this.#inventory = join(folder, "inventory");
    cpSync(join(ANSIBLE, "inventory"), this.#inventory, { recursive: true });
    const vars = {
      ansible_host: container.address,
      ansible_user: container.user,
      ansible_ssh_private_key_file: container.key,
      ansible_ssh_common_args: container.sshOptions.slice(2).join(" "),
    };
    const inventory = { all: { children: { datasinks: { hosts: { data1: vars } } } } };
    writeFileSync(join(this.#inventory, "production.yaml"), stringify(inventory));
    this.#playbook = base
      ? join(SITE, "playbooks/deploy-imagehub.yaml")
      : "playbooks/deploy-imagehub.yaml";
  }

  /** Edits the variables file of the group datasinks. */
  edit(change: (text: string) => string): void {
    const file = join(this.#inventory, "group_vars/datasinks.yaml");
    writeFileSync(file, change(readFileSync(file, "utf8")));
  }

  /** Runs the playbook with additional arguments. */
  async play(...words: readonly string[]): Promise<Play> {
    const started = performance.now();
    const command = ["ansible-playbook", "-i", this.#inventory, this.#playbook, ...words];
    const { status, stdout, stderr } = await run([...this.#container.inNetwork, ...command], {
      cwd: ANSIBLE,
      env: {
        ANSIBLE_ROLES_PATH: `roles:${join(SITE, "roles")}`,
        ANSIBLE_NOCOLOR: "1",
        ANSIBLE_FORCE_COLOR: "0",
        // Otherwise it would use a socket in the caller's home directory.
        ANSIBLE_SSH_ARGS: "",
        ANSIBLE_LOCAL_TEMP: join(this.#inventory, "../tmp"),
      },
    });
    const output = `${stdout}${stderr}`;
    const recap = /^data1 +: (?<counts>.*)$/mu.exec(stdout)?.groups?.["counts"] ?? "";
    const count = (name: string): number =>
      Number(new RegExp(`${name}=(\\d+)`, "u").exec(recap)?.[1] ?? -1);
    const seconds = Math.round((performance.now() - started) / 100) / 10;
    if (recap === "")
      throw new Error(`ansible-playbook ended with ${status} and no recap:\n${output}`);
    if ((status === 0) !== (count("failed") === 0 && count("unreachable") === 0)) {
      throw new Error(`ansible-playbook ended with ${status}, its recap says ${recap}`);
    }
    return { ok: count("ok"), changed: count("changed"), failed: count("failed"), seconds, output };
  }
}
