/**
 * The steps of the deployment test without Ansible: what a person with one machine does, as README.md, MIGRATION.md and the
 * README of the folder that is deployed say.
 *
 * @module
 */

import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Account, expect, lineWith } from "./account.ts";
import { Container, type Output, until } from "./container.ts";
import { anotherHub, blocks } from "./versions.ts";

const PROGRAM = "/opt/imagehub/imagehub";
const UNIT_FILE = "/etc/systemd/system/imagehub.service";

/** A node that is one person's, and then another one with a Python hub on it. */
export async function handSteps(account: Account, scratch: string): Promise<void> {
  const { architecture } = account;
  const binary = `imagehub-linux-${architecture}`;
  await using node = await Container.boot({ hostname: "pi", user: "ops", architecture });
  const sudo = async (line: string): Promise<Output> => await node.ssh(`sudo ${line}`);
  const mainPid = async (): Promise<string> =>
    (await sudo("systemctl show --property=MainPID --value imagehub")).stdout.trim();
  const isHealthy = async (): Promise<boolean> => (await node.ssh(`${PROGRAM} status`)).status === 0;
  const install = async (words = ""): Promise<Output> => await sudo(`${PROGRAM} service install${words}`);

  /** Does what a page says for a version. */
  const follow = async (page: string, line: string, version: string): Promise<Output> => {
    copyFileSync(join(scratch, version, "imagehub", binary), join(node.root, "home/ops", binary));
    const block = blocks(page).find((text) => text.includes(line)) ?? "false";
    return await node.ssh(`set -e\n${block.replaceAll("imagehub-linux-arm64", binary)}`);
  };
  const byHand = async (version: string): Promise<Output> =>
    await follow("scripts/deploy/README.md", "service install", version);

  await account.step("by hand: sudo imagehub service install", async () => {
    const { status, stdout, stderr } = await byHand("first");
    expect(status === 0 && stdout.includes("The hub runs, is healthy"), "Failed", stdout + stderr);
    const shown = await sudo(`${PROGRAM} service status`);
    expect(shown.status === 0 && shown.stdout.includes("starts with the machine"), "Is not so", shown.stdout);
    return `${lineWith(stdout, "The hub runs")} ${lineWith(shown.stdout, "service").replaceAll(/\s+/gu, " ")}`;
  });

  await account.step("by hand: service install again, and by another person", async () => {
    const before = await mainPid();
    await sudo("sh -c 'useradd -m bo && echo \"bo ALL=(ALL) NOPASSWD:ALL\" > /etc/sudoers.d/bo'");
    for (const whose of ["", "sudo -u bo "]) {
      const { status, stdout, stderr } = await node.ssh(`${whose}sudo ${PROGRAM} service install`);
      expect(status === 0, "Failed", stderr);
      expect(stdout.includes("It runs already, with nothing changed"), "It has changed something", stdout);
    }
    expect((await mainPid()) === before, "It has restarted the hub", "");
    expect(!existsSync(join(node.root, "home/bo/imagehub.yaml")), "It has taken the hub over", "");
    return "It runs already, with nothing changed";
  });

  await account.step("by hand: a new version, and another settings file that an option names", async () => {
    const before = await mainPid();
    const done = await byHand("second");
    const { stdout: version } = await node.ssh(`${PROGRAM} --version`);
    expect(
      done.status === 0 && version.includes("(second)"),
      "It is not in force",
      done.stdout + done.stderr,
    );
    expect((await mainPid()) !== before && (await isHealthy()), "It does not run", done.stdout);
    await node.ssh("cp imagehub.yaml hub.yaml");
    const moved = await install(" --config /home/ops/hub.yaml");
    const change = "The settings file is /home/ops/hub.yaml now, and was /home/ops/imagehub.yaml";
    expect(moved.status === 0 && moved.stdout.includes(change), "It does not say so", moved.stdout);
    return `${version.trim()}; ${change}`;
  });

  await account.step("by hand: another program has port 8550", async () => {
    await sudo("systemctl stop imagehub");
    await sudo("systemd-run --unit=other python3 -m http.server 8550 --bind 127.0.0.1");
    await until("it listens", async () => (await node.ssh("ss -tln")).stdout.includes(":8550"), 20_000);
    const { status, stderr } = await install();
    expect(status === 1 && stderr.includes("The service is installed and"), "It does not say so", stderr);
    expect(stderr.includes("set another http.listen"), "It does not say what to do", stderr);
    const sent = await node.ssh(`${PROGRAM} send --event "Test|Hello|there"`);
    expect(sent.status === 0, "It does not receive", sent.stderr);
    await sudo("sh -c 'systemctl stop other; systemctl restart imagehub'");
    await until("it is healthy", isHealthy, 20_000);
    return lineWith(stderr, "What answers at");
  });

  await account.step("by hand: sudo imagehub service uninstall", async () => {
    const { status, stdout, stderr } = await sudo(`${PROGRAM} service uninstall`);
    expect(status === 0 && stdout.includes("The service is stopped and gone"), "Failed", stderr);
    expect(!existsSync(join(node.root, UNIT_FILE)), "The unit is there", "");
    const listens = (await node.ssh("ss -tln")).stdout.includes(":5555");
    expect(
      !listens && existsSync(join(node.root, "home/ops/imagehub_data/logs")),
      "The hub runs, or its data is gone",
      "",
    );
    return lineWith(stdout, "The service is stopped");
  });

  await account.step("MIGRATION.md: without Ansible", async () => {
    await anotherHub(node, "2021-09-24 08:27:13,477 ~ Garage|Temp|76 F");
    const unit = readFileSync(join(node.root, UNIT_FILE), "utf8");
    const refused = await sudo(`${PROGRAM} service uninstall`);
    expect(refused.stderr.includes("is not of imagehub's making"), "It takes the unit away", refused.stderr);
    const { status, stdout, stderr } = await follow("MIGRATION.md", "service install --config", "second");
    expect(status === 0 && stdout.includes("The hub runs, is healthy"), "Failed", stdout + stderr);
    const kept = readFileSync(join(node.root, `${UNIT_FILE}.replaced`), "utf8");
    expect(kept === unit, "The unit of the other hub is not kept", kept);
    expect((await sudo("ss -tlpn | grep 5555")).stdout.includes("imagehub"), "The other hub listens", "");
    return lineWith(stdout, "Kept ");
  });
}
