/**
 * The steps of the deployment test without Ansible: what a person with one machine does, according
 * to README.md, MIGRATION.md and the README of the deployed folder.
 *
 * @module
 */

import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Account, expect, lineWith } from "./account.ts";
import { Container, type Output, until } from "./container.ts";
import { ARCHIVE, addArchiveDisk, seesArchiveDisk } from "./archive-disk.ts";
import { anotherHub, blocks } from "./versions.ts";

const PROGRAM = "/opt/imagehub/imagehub";
const UNIT_FILE = "/etc/systemd/system/imagehub.service";

/** A node of one person, and then another one with a Python hub on it. */
export async function handSteps(account: Account, scratch: string): Promise<void> {
  const { architecture } = account;
  const binary = `imagehub-linux-${architecture}`;
  await using node = await Container.boot({ hostname: "pi", user: "ops", architecture });
  const sudo = async (line: string): Promise<Output> => await node.ssh(`sudo ${line}`);
  const mainPid = async (): Promise<string> =>
    (await sudo("systemctl show --property=MainPID --value imagehub")).stdout.trim();
  const isHealthy = async (): Promise<boolean> =>
    (await node.ssh(`${PROGRAM} status`)).status === 0;
  const install = async (words = ""): Promise<Output> =>
    await sudo(`${PROGRAM} service install${words}`);

  /** Changes a setting in the service's file. */
  const setting = async (key: string, value: string): Promise<void> => {
    const done = await node.ssh(
      String.raw`sed -i 's#^\( *${key}:\).*#\1 ${value}#' hub.yaml && grep -c '${key}: ${value}$' hub.yaml`,
    );
    expect(done.stdout === "1\n", `${key} is not set`, done.stdout + done.stderr);
  };

  /** Does what a page says about a version. */
  const follow = async (page: string, line: string, version: string): Promise<Output> => {
    copyFileSync(join(scratch, version, "imagehub", binary), join(node.root, "home/ops", binary));
    const block = blocks(page).find((text) => text.includes(line)) ?? "false";
    return await node.ssh(`set -e\n${block.replaceAll("imagehub-linux-arm64", binary)}`);
  };
  const byHand = async (version: string): Promise<Output> =>
    await follow("deploy/README.md", "service install", version);

  await account.step("by hand: sudo imagehub service install", async () => {
    const { status, stdout, stderr } = await byHand("first");
    expect(
      status === 0 && stdout.includes("The hub is running and healthy"),
      "Failed",
      stdout + stderr,
    );
    const shown = await sudo(`${PROGRAM} service status`);
    expect(
      shown.status === 0 && shown.stdout.includes("starts with the machine"),
      "Is not so",
      shown.stdout,
    );
    return `${lineWith(stdout, "The hub is running")} ${lineWith(shown.stdout, "service").replaceAll(/\s+/gu, " ")}`;
  });

  await account.step("by hand: service install again, and by another person", async () => {
    const before = await mainPid();
    await sudo("sh -c 'useradd -m bo && echo \"bo ALL=(ALL) NOPASSWD:ALL\" > /etc/sudoers.d/bo'");
    for (const whose of ["", "sudo -u bo "]) {
      const { status, stdout, stderr } = await node.ssh(`${whose}sudo ${PROGRAM} service install`);
      expect(status === 0, "Failed", stderr);
      expect(
        stdout.includes("It is running already, and nothing has changed"),
        "It has changed something",
        stdout,
      );
    }
    expect((await mainPid()) === before, "It has restarted the hub", "");
    expect(!existsSync(join(node.root, "home/bo/imagehub.yaml")), "It has taken the hub over", "");
    return "It is running already, and nothing has changed";
  });

  await account.step(
    "by hand: a new version, and another settings file that an option names",
    async () => {
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
      const change = "The settings file was /home/ops/imagehub.yaml and is now /home/ops/hub.yaml";
      expect(
        moved.status === 0 && moved.stdout.includes(change),
        "It does not say so",
        moved.stdout,
      );
      return `${version.trim()}; ${change}`;
    },
  );

  await account.step("by hand: another program has port 8550", async () => {
    await sudo("systemctl stop imagehub");
    await sudo("systemd-run --unit=other python3 -m http.server 8550 --bind 127.0.0.1");
    await until(
      "it listens",
      async () => (await node.ssh("ss -tln")).stdout.includes(":8550"),
      20_000,
    );
    const { status, stderr } = await install();
    expect(
      status === 1 && stderr.includes("The service is installed, but"),
      "It does not say so",
      stderr,
    );
    expect(stderr.includes("set another http.listen"), "It does not say what to do", stderr);
    const sent = await node.ssh(`${PROGRAM} send --event "Test|Hello|there"`);
    expect(sent.status === 0, "It does not receive", sent.stderr);
    await sudo("sh -c 'systemctl stop other; systemctl restart imagehub'");
    await until("it is healthy", isHealthy, 20_000);
    return lineWith(stderr, "What answers at");
  });

  await account.step("by hand: another program has port 5555", async () => {
    await sudo("systemctl stop imagehub");
    await sudo("systemd-run --unit=other python3 -m http.server 5555");
    await until(
      "it listens",
      async () => (await node.ssh("ss -tln")).stdout.includes(":5555"),
      20_000,
    );
    const { status, stderr } = await install();
    await sudo("sh -c 'systemctl stop other; systemctl restart imagehub'");
    await until("it is healthy", isHealthy, 20_000);
    const line = lineWith(stderr, "Port 5555 is in use by process");
    expect(status === 1 && line.includes("(python3)"), "It does not name the program", stderr);
    return line;
  });

  await account.step("by hand: status by another user, with another http.listen", async () => {
    await setting("listen", "127.0.0.1:8551");
    await sudo("chmod 711 /home/ops");
    await sudo("systemctl restart imagehub");
    await until("it is healthy", isHealthy, 20_000);
    const asBo = `sudo -u bo env HOME=/home/bo ${PROGRAM} status`;
    const readable = await node.ssh(asBo);
    expect(
      readable.stdout.includes("at http://127.0.0.1:8551: healthy"),
      "Not asked",
      readable.stderr,
    );
    await sudo("chmod 700 /home/ops");
    const secret = await node.ssh(asBo);
    expect(secret.status === 75, "It is something else", secret.stdout + secret.stderr);
    expect(
      secret.stderr.includes("Ask as root (sudo"),
      "It does not say what to do",
      secret.stderr,
    );
    return `healthy; with /home/ops closed: ${lineWith(secret.stderr, "Cannot read the settings of the service")}`;
  });

  await account.step("by hand: the page for other machines", async () => {
    const option = " --http-listen 0.0.0.0:8551";
    const refused = await install(option);
    const advice = "change it there and set http.token_file to imagehub.token";
    expect(refused.status === 64 && refused.stderr.includes(advice), "It is taken", refused.stderr);
    await setting("listen", "0.0.0.0:8551");
    await setting("token_file", "imagehub.token");
    for (let times = 0; times < 2; times++) {
      const { status, stdout, stderr } = await install(option);
      expect(status === 0, "Failed", stdout + stderr);
    }
    const token = await sudo(
      "sh -c 'cd /home/ops; stat -c \"%a %U\" imagehub.token; cat imagehub.token'",
    );
    expect(/^600 ops\n[0-9a-f]{64}\n$/.test(token.stdout), "It is no token", token.stdout);
    const shown = await sudo(`${PROGRAM} service status`);
    return lineWith(shown.stdout, "page");
  });

  await account.step("by hand: the cap of the day is spent", async () => {
    const folder = "/home/ops/imagehub_data/images/$(date +%F)";
    await node.ssh(`mkdir -p ${folder} && touch ${folder}/a.jpg`);
    await setting("max_images_write", "1");
    const { status, stdout, stderr } = await install();
    const line = lineWith(stdout, "CAP REACHED");
    expect(status === 0 && line.includes("has 1 of 1 images"), "It does not warn", stdout + stderr);
    const shown = (await sudo("systemctl status imagehub")).stdout;
    expect(shown.includes("CAP REACHED"), "systemctl status does not", shown);
    await setting("max_images_write", "5000");
    return line;
  });

  await account.step("by hand: an archive whose disk comes and goes", async () => {
    await addArchiveDisk(node);
    await setting("directory", ARCHIVE);
    const { status, stdout, stderr } = await install(" --min-free '5 %'");
    expect(
      status === 64 && stderr.includes("sets keep.min_free to 0, not 5 %"),
      "It takes a rule for a file that is there",
      stdout + stderr,
    );
    const done = await install();
    expect(
      done.status === 0 && done.stdout.includes("      min_free: 5 %\n"),
      "It fails, or offers no rule",
      done.stdout + done.stderr,
    );
    return await seesArchiveDisk(node, async () => {
      await until("it is healthy", isHealthy, 20_000);
    });
  });

  await account.step(
    "by hand: data behind a link to a disk of /etc/fstab that is not mounted",
    async () => {
      const [disk, point] = ["/srv/disk one", "/mnt/my disk"];
      const entry = String.raw`/srv/disk\040one /mnt/my\040disk none bind,noauto 0 0`;
      await sudo(`sh -c 'mkdir -p "${disk}/cam" "${point}"; chown ops: "${disk}/cam"'`);
      await node.ssh(`echo '${entry}' | sudo tee -a /etc/fstab; ln -s '${point}/cam' cameras`);
      await setting("data_directory", "/home/ops/cameras");
      const { status, stdout, stderr } = await install();
      expect(
        status === 0 && stdout.includes(`Mounted ${point}`),
        "It is not mounted",
        stdout + stderr,
      );
      const stored = (): boolean => existsSync(join(node.root, disk, "cam/logs"));
      expect(stored(), "The data is elsewhere", stdout);
      expect((await sudo(`umount "${point}"`)).status === 0, "It is not unmounted", "");
      await until("the hub has stopped", async () => (await mainPid()) === "0", 20_000);
      const other = await sudo(
        `sh -c 'mkdir -p /srv/two/cam; chown ops: /srv/two/cam; mount --bind /srv/two "${point}"'`,
      );
      expect(other.status === 0, "Another one cannot be mounted", other.stderr);
      await until("it is healthy", isHealthy, 20_000);
      expect(existsSync(join(node.root, "srv/two/cam/logs")), "The other disk gets nothing", "");
      // At once, while the hub is still stopping when it must start again.
      const before = await mainPid();
      await sudo(`sh -c 'umount "${point}" && mount --bind /srv/two "${point}"'`);
      await until("another hub runs", async () => !["0", before].includes(await mainPid()), 20_000);
      await until("it is healthy", isHealthy, 20_000);
      return `${lineWith(stdout, "Mounted")}; unmounted: the hub stops; another disk mounted there: the hub stores on that`;
    },
  );

  await account.step("by hand: service install with a disk that is gone", async () => {
    const point = "/mnt/my disk";
    await sudo(`umount "${point}"`);
    await until("the hub has stopped", async () => (await mainPid()) === "0", 20_000);
    // systemd creates a missing source of a bind mount, and waits for a device. An image file is
    // simply missing.
    await sudo("sed -i 's/ none bind,/ ext4 loop,/' /etc/fstab");
    const { status, stderr } = await install();
    expect(
      status === 73 && stderr.includes("is on a disk that is not mounted"),
      "It is not refused",
      stderr,
    );
    expect(
      !existsSync(join(node.root, point, "cam")),
      "A folder is made below the mount point",
      "",
    );
    await sudo("sed -i 's/ ext4 loop,/ none bind,/' /etc/fstab");
    const again = await install();
    expect(again.status === 0, "It does not work with the disk", again.stdout + again.stderr);
    return lineWith(stderr, "is on a disk that is not mounted");
  });

  await account.step("by hand: sudo imagehub service uninstall", async () => {
    const { status, stdout, stderr } = await sudo(`${PROGRAM} service uninstall`);
    expect(status === 0 && stdout.includes("The service is stopped and removed"), "Failed", stderr);
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
    expect(
      refused.stderr.includes("was not made by imagehub"),
      "It takes the unit away",
      refused.stderr,
    );
    const { status, stdout, stderr } = await follow(
      "MIGRATION.md",
      "service install --config",
      "second",
    );
    const again = await follow("MIGRATION.md", "service install --config", "second");
    expect(again.status === 0, "It cannot be done twice", again.stderr);
    expect(
      status === 0 && stdout.includes("The hub is running and healthy"),
      "Failed",
      stdout + stderr,
    );
    const kept = readFileSync(join(node.root, `${UNIT_FILE}.replaced`), "utf8");
    expect(kept === unit, "The unit of the other hub is not kept", kept);
    expect(
      (await sudo("ss -tlpn | grep 5555")).stdout.includes("imagehub"),
      "The other hub listens",
      "",
    );
    return lineWith(stdout, "Kept ");
  });
}
