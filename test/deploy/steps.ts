/**
 * The steps of the deployment test: what a person does to a node from the first installation on,
 * while cameras send.
 *
 * @module
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { atExit } from "../../scripts/lib/at-exit.ts";
import { judge, problemsOf } from "../faults/judge.ts";
import { Senders } from "../faults/senders.ts";
import { CHECKOUT } from "../../scripts/lib/available.ts";
import { Account, type DeployOptions, expect, type Line, lineWith, StepError } from "./account.ts";
import { type Play, Site } from "./ansible.ts";
import { handSteps } from "./by-hand.ts";
import { writeSums } from "../../scripts/layout.ts";
import { ARCHIVE, addArchiveDisk, seesArchiveDisk } from "./archive-disk.ts";
import { Container, type Output, run, until } from "./container.ts";
import { bring } from "./package.ts";
import { anotherHub, blocks, project } from "./versions.ts";

function recap({ ok, changed, failed }: Play): string {
  return `ok=${ok} changed=${changed} failed=${failed}`;
}

/** Does all steps. @returns one line per step */
export async function deploySteps(options: DeployOptions): Promise<readonly Line[]> {
  const account = new Account(options);
  const scratch = mkdtempSync(join(CHECKOUT, ".cache/deploy-"));
  atExit(() => rmSync(scratch, { recursive: true, force: true }));
  for (const steps of options.short ? [siteSteps] : [siteSteps, bareSteps, handSteps]) {
    try {
      await steps(account, scratch);
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
    }
  }
  return account.lines;
}

/** A node of the site, with sentinelcam_base. */
async function siteSteps(account: Account, scratch: string): Promise<void> {
  const { architecture } = account;
  const binary = `imagehub-linux-${architecture}`;
  await using node = await Container.boot({ hostname: "data1", user: "ops", architecture });
  const site = new Site(node, join(scratch, "site"), true);
  const { play, sudo, status, version, mainPid, starts } = actions(account, site, node);

  // As at the site, except that another folder of the container is mounted there.
  const disk = "/home/ops/sentinelcam";
  const data = join(node.root, "srv/ssd/imagehub");
  const oldLine = "2021-09-24 08:27:13,477 ~ Garage|Temp|76 F";
  await account.step("another hub is in the place of the Python hub", async () => {
    await mountFolder(node, "/srv/ssd", disk);
    await anotherHub(node, oldLine, "/srv/ssd");
    const keep =
      blocks("MIGRATION.md").find((block) => block.includes("mkdir ~/python-hub")) ?? "false";
    // A second run, when the new hub is there, must not lose the copy of the old one.
    for (const spoilt of ["true", "echo new > ~/imagehub/imagehub/imagehub.py.new"]) {
      const kept = await node.ssh(`set -e\n${spoilt}\n${keep}`);
      expect(kept.status === 0, "MIGRATION.md: the way back cannot be kept", kept.stderr);
    }
    await node.ssh("rm ~/imagehub/imagehub/imagehub.py.new");
    expect(
      (await node.ssh("ls ~/python-hub/imagehub/imagehub")).stdout === "imagehub.py\n",
      "MIGRATION.md: the copy is not the first one",
      "",
    );
    return (await sudo("ss -tlpn | grep 5555")).stdout.trim().replaceAll(/\s+/gu, " ");
  });

  await account.step("python devops/scripts/sync/deploy.py imagehub (its rules)", async () => {
    const names = await bring(await project(scratch, "first", architecture), node, scratch);
    return `${names.length} files packed, among them ${binary} and SHA256SUMS`;
  });

  const rehearse = async (): Promise<string> => {
    const done = await play("--check", "--diff");
    expect(done.failed === 0 && done.changed > 0, "Does not work", done.output);
    const found = await sudo(
      "sh -c 'ls /opt/imagehub; cat /etc/systemd/system/imagehub.service /home/ops/imagehub.yaml'",
    );
    expect(
      !found.stdout.includes("patience") && !found.stdout.includes("/opt"),
      "It has changed the node",
      found.stdout,
    );
    return `${recap(done)}, and nothing done`;
  };
  await account.longStep("deploy-imagehub.yaml --check --diff on a node without it", rehearse);
  await account.longStep(
    "deploy-imagehub.yaml --check --diff when only the build is there",
    async () => {
      await node.ssh("rsync -a ~/sentinelcam/current_deployment/imagehub/ ~/imagehub/");
      return await rehearse();
    },
  );

  await account.longStep(
    "deploy-imagehub.yaml: a first version that exits at once; and again, with the code of the other hub gone",
    async () => {
      await bring(await project(scratch, "exits", architecture), node, scratch);
      const listener = async (): Promise<string> => (await sudo("ss -tlpn | grep 5555")).stdout;
      for (const end of ["brought back, and runs", "brought back and does NOT run"]) {
        const isGone = end.includes("NOT");
        if (isGone)
          await node.ssh(
            "rm -r ~/imagehub/imagehub ~/sentinelcam/current_deployment/imagehub/imagehub",
          );
        const done = await play("--extra-vars", "imagehub_healthy_within=15");
        expect(done.failed === 1, "It did not fail", done.output);
        expect(done.output.includes(end), "It does not say so", done.output);
        if (isGone) {
          await node.ssh(
            "cp -a ~/python-hub/imagehub/imagehub ~/imagehub/ && " +
              "cp -a ~/python-hub/imagehub/imagehub ~/sentinelcam/current_deployment/imagehub/ && " +
              "sudo systemctl reset-failed imagehub; sudo systemctl restart imagehub",
          );
        }
        await until(
          "the other hub listens",
          async () => (await listener()).includes("python3"),
          20_000,
        );
      }
      const enabled = (await sudo("systemctl is-enabled imagehub")).stdout.trim();
      expect(enabled === "enabled", "The other hub does not start at boot", enabled);
      const part = await play("--tags", "deploy");
      expect(
        part.output.includes("is not installed on this node yet"),
        "A part is not refused",
        part.output,
      );
      await bring(join(scratch, "first"), node, scratch);
      return `brought back, and runs; then: brought back and does NOT run; --tags deploy: ${recap(part)}`;
    },
  );

  await account.step("deploy-imagehub.yaml: first install", async () => {
    const done = await play();
    expect(done.failed === 0 && done.changed > 0, "Failed", done.output);
    expect(await status(), "Is not healthy", done.output);
    expect((await version()) === "first", "Is not the first version", await version());
    return `${recap(done)}, healthy, ${(await sudo("systemctl is-enabled imagehub")).stdout.trim()}`;
  });

  await account.step("its settings file is the document's", async () => {
    const written = readFileSync(join(node.root, "home/ops/imagehub.yaml"), "utf8");
    const example = readFileSync(join(import.meta.dir, "imagehub.yaml"), "utf8");
    expect(written === example, "It is another one", written);
    return "byte for byte";
  });

  await using senders = new Senders(`tcp://${node.address}:5555`, {
    images: 4,
    events: 1,
    heartbeats: 1,
    pauseMs: 250,
    // Longer than any step leaves the port without a hub: a request without a reply after this time
    // is lost.
    timeoutMs: 60_000,
    before: node.inNetwork,
  });

  await account.step(
    "deploy-imagehub.yaml: second run, with modes that others have set",
    async () => {
      const before = await mainPid();
      const build = "/home/ops/imagehub /home/ops/sentinelcam/current_deployment/imagehub";
      await sudo(`sh -c 'chmod 2775 /home/ops/sentinelcam/imagehub && chmod 775 ${build}'`);
      const done = await play();
      expect(done.failed === 0 && done.changed === 0, "It has changed something", done.output);
      expect((await mainPid()) === before, "It has restarted the hub", done.output);
      const modes = await sudo("stat -c %a /home/ops/sentinelcam/imagehub /home/ops/imagehub");
      expect(modes.stdout === "2775\n775\n", "It has changed a mode", modes.stdout);
      return `${recap(done)}, not restarted`;
    },
  );

  const cap = "imagehub_max_images_write: 100000";
  site.edit((text) => `${text}${cap}\n`);
  const page = "imagehub_http_listen: 0.0.0.0:8550";
  await account.longStep(`--tags config --check --diff with ${cap}`, async () => {
    const done = await play("--tags", "config", "--check", "--diff");
    expect(done.failed === 0 && done.changed === 1, "Not one change", done.output);
    expect(
      done.output.includes("+  max_images_write: 100000"),
      "The difference is not shown",
      done.output,
    );
    return `${recap(done)}, shows +  max_images_write: 100000`;
  });

  await account.step(`--tags config with ${cap} and ${page}`, async () => {
    const before = await mainPid();
    site.edit((text) => `${text}${page}\n`);
    const done = await play("--tags", "config");
    expect(done.failed === 0 && done.changed > 0, "Failed", done.output);
    expect((await mainPid()) !== before, "The hub was not restarted", done.output);
    const written = readFileSync(join(node.root, "home/ops/imagehub.yaml"), "utf8");
    expect(written.includes("max_images_write: 100000 "), "It is not written", written);
    const token = (await sudo("cat /home/ops/imagehub.token")).stdout.trim();
    const mode = (await sudo("stat -c '%a %U' /home/ops/imagehub.token")).stdout;
    expect(mode === "600 ops\n" && /^\w{64}$/.test(token), "It is no token", mode);
    expect(!done.output.includes(token), "It shows the token", "");
    const asked = async (secret: string): Promise<string> => {
      const address = `http://${node.address}:8550/healthz`;
      const header = `Authorization: Bearer ${secret}`;
      return (await run([...node.inNetwork, "curl", "-sS", "-H", header, address])).stdout;
    };
    expect((await asked(token)) === "ok\n", "It does not show its page", await asked(token));
    expect((await asked(`${token}x`)) !== "ok\n", "It takes any token", "");
    return `${recap(done)}, restarted`;
  });

  await account.step("--tags config with an archive whose disk comes and goes", async () => {
    await addArchiveDisk(node);
    site.edit((text) => `${text}imagehub_archive: {directory: ${ARCHIVE}}\n`);
    const done = await play("--tags", "config");
    expect(done.failed === 0 && (await status()), "Failed", done.output);
    const again = await play("--tags", "config");
    expect(again.failed === 0 && again.changed === 0, "A second run changes it", again.output);
    return await seesArchiveDisk(node, async () => await until("it is healthy", status, 20_000));
  });

  await account.longStep(
    "--tags config after a run that broke off when it had written the settings",
    async () => {
      const later = "imagehub_max_images_write: 200000";
      site.edit((text) => text.replace(cap, later));
      await sudo(
        "sed -i s/100000/200000/ /home/ops/imagehub.yaml && sudo chown ops:ops /home/ops/imagehub.yaml",
      );
      const before = await mainPid();
      const done = await play("--tags", "config");
      expect(
        done.failed === 0 && (await mainPid()) !== before,
        "The hub was not restarted",
        done.output,
      );
      const again = await play("--tags", "config");
      expect(
        again.failed === 0 && again.changed === 0,
        "A second run changes something",
        again.output,
      );
      return `${recap(done)}, restarted; again: ${recap(again)}`;
    },
  );

  await account.longStep("--tags config with a wrong setting (imagehub_queuemax: 0)", async () => {
    const before = [
      await mainPid(),
      readFileSync(join(node.root, "home/ops/imagehub.yaml"), "utf8"),
    ];
    const done = await play("--tags", "config", "--extra-vars", "imagehub_queuemax=0");
    const after = [
      await mainPid(),
      readFileSync(join(node.root, "home/ops/imagehub.yaml"), "utf8"),
    ];
    expect(done.failed === 1 && done.output.includes("queuemax"), "It is not refused", done.output);
    expect(Bun.deepEquals(before, after), "Something has changed", after.join("\n"));
    expect(done.output.includes("Nothing has been changed"), "It does not say so", done.output);
    return `${recap(done)}: ${/[^"]*queuemax[^"\\]*/u.exec(done.output)?.[0].trim() ?? ""}`;
  });

  await account.longStep(
    "a new version and other settings, and the executable cannot be replaced",
    async () => {
      await bring(await project(scratch, "second", architecture), node, scratch);
      // Nothing can be renamed onto a mount point.
      const mounted = await sudo("mount --bind /opt/imagehub/imagehub /opt/imagehub/imagehub");
      expect(mounted.status === 0, "It can be replaced", mounted.stderr);
      const before = readFileSync(join(node.root, "home/ops/imagehub.yaml"), "utf8");
      const done = await play("--extra-vars", "imagehub_queuemax=600");
      await sudo("umount --lazy /opt/imagehub/imagehub");
      expect(done.failed === 1, "It did not fail", done.output);
      expect(
        done.output.includes("brought back and is healthy"),
        "It does not say so",
        done.output,
      );
      const after = readFileSync(join(node.root, "home/ops/imagehub.yaml"), "utf8");
      expect(after === before, "The settings are not as they were", after);
      expect(
        (await version()) === "first" && (await status()),
        "The hub is not as it was",
        done.output,
      );
      return `${recap(done)}: ${/This failed: [^"]*/u.exec(done.output)?.[0] ?? ""}`;
    },
  );

  await account.step("deploy.py, --tags deploy: a new version", async () => {
    await bring(await project(scratch, "second", architecture), node, scratch);
    const before = await starts();
    const done = await play("--tags", "deploy");
    expect(done.failed === 0 && (await version()) === "second", "It is not in force", done.output);
    // sentinelcam_base has notified its handler too.
    expect((await starts()) === before + 1, "The hub was not started just once", done.output);
    expect(await status(), "Is not healthy", done.output);
    const again = await play("--tags", "deploy");
    expect(
      again.failed === 0 && again.changed === 0,
      "A second run changes something",
      again.output,
    );
    return `${recap(done)}, restarted once, --version says (${await version()}); again: ${recap(again)}`;
  });

  await account.longStep("back to the version before, by hand", async () => {
    const line = /^sudo .*imagehub\.previous.*$/mu.exec(
      readFileSync(join(CHECKOUT, "deploy/ansible/README.md"), "utf8"),
    )?.[0];
    expect(line !== undefined, "The README does not say how", "");
    const back = await node.ssh(line ?? "");
    expect(back.status === 0, "Failed", back.stderr);
    await until("it is healthy", status, 20_000);
    expect((await version()) === "first", "It is another one", await version());
    const done = await play("--tags", "deploy");
    expect(
      done.failed === 0 && (await version()) === "second",
      "It is not installed again",
      done.output,
    );
    return `--version says (first); --tags deploy again: ${recap(done)}, it says (second)`;
  });

  await account.longStep("--tags deploy: a damaged executable", async () => {
    const path = `/home/ops/sentinelcam/current_deployment/imagehub/${binary}`;
    await node.ssh(`printf x | dd of=${path} bs=1 seek=5000000 conv=notrunc`);
    const done = await play("--tags", "deploy");
    expect(
      done.failed === 1 && done.output.includes("its SHA-256 is"),
      "It is not refused",
      done.output,
    );
    expect(
      (await version()) === "second" && (await status()),
      "The hub is not as it was",
      done.output,
    );
    return `${recap(done)}: ${/Cannot install [^"]*/u.exec(done.output)?.[0] ?? ""}`;
  });

  for (const [broken, how] of [
    ["exits", "that exits at once"],
    ["deaf", "whose health never comes"],
  ] as const) {
    await account.step(`--tags deploy: a version ${how}`, async () => {
      await bring(await project(scratch, broken, architecture), node, scratch);
      const done = await play(
        "--tags",
        "deploy",
        "--extra-vars",
        `imagehub_healthy_within=${node.isEmulated ? 40 : 15}`,
      );
      expect(done.failed === 1, "It did not fail", done.output);
      expect(
        done.output.includes("brought back and is healthy"),
        "It does not say so",
        done.output,
      );
      expect(
        (await version()) === "second" && (await status()),
        "The hub is not as it was",
        done.output,
      );
      return `failed=${done.failed}: ${/imagehub did not become healthy [^"]*/u.exec(done.output)?.[0] ?? ""}; What ran before has been brought back and is healthy`;
    });
  }

  await account.longStep("deploy-imagehub.yaml: the version in force again", async () => {
    await bring(join(scratch, "second"), node, scratch);
    const before = await mainPid();
    const done = await play();
    expect(done.failed === 0 && (await version()) === "second", "Failed", done.output);
    return `${recap(done)}, ${(await mainPid()) === before ? "not restarted" : "restarted"}`;
  });

  await account.step("sudo systemctl status imagehub", async () => {
    const { status: exit, stdout } = await sudo("systemctl status imagehub");
    expect(exit === 0 && stdout.includes("active (running)"), "It does not run", stdout);
    return lineWith(stdout, "Active:");
  });

  await account.step("sudo journalctl -u imagehub", async () => {
    const { stdout } = await sudo("journalctl -u imagehub --no-pager -o cat");
    expect(stdout.includes("Listening on"), "It does not say that it listens", stdout);
    return `${stdout.split("\n").length - 1} lines, such as ${lineWith(stdout, "Listening on")}`;
  });

  await account.longStep("sudo journalctl -u imagehub -f", async () => {
    const { status: exit, stdout } = await sudo("timeout 3 journalctl -u imagehub -f");
    expect(exit === 124 && stdout.includes("imagehub["), "It does not follow the log", stdout);
    return `${stdout.trim().split("\n").length} lines, and goes on until it is ended`;
  });

  await account.step("sudo systemctl restart imagehub", async () => {
    const before = await mainPid();
    const done = await sudo("systemctl restart imagehub");
    expect(done.status === 0 && (await mainPid()) !== before, "It was not restarted", done.stderr);
    await until("it is healthy", status, 20_000);
    return "exit status 0, another process, healthy";
  });

  await account.step(
    "sudo systemctl reload imagehub, with wrong settings and with right ones",
    async () => {
      const before = await mainPid();
      await sudo("sh -c 'cp -p imagehub.yaml right.yaml; echo \"  prot: 1\" >> imagehub.yaml'");
      const refused = await sudo("systemctl reload imagehub");
      const { stdout } = await sudo("journalctl -u imagehub -n 5 --no-pager -o cat");
      expect(refused.status !== 0, "It says that it has worked", stdout);
      expect(
        stdout.includes("hub.prot is not a setting"),
        "The log does not say what is wrong",
        stdout,
      );
      await sudo("mv right.yaml imagehub.yaml");
      const done = await sudo("systemctl reload imagehub");
      expect(done.status === 0, "It fails with right settings", done.stderr);
      expect((await mainPid()) === before && (await status()), "The hub is not as it was", "");
      return `exit status ${refused.status}, ${lineWith(stdout, "hub.prot")}; then 0`;
    },
  );

  await account.step(`sudo umount ${disk} and mount, while cameras send`, async () => {
    const isActive = async (): Promise<boolean> =>
      (await node.ssh("systemctl is-active imagehub")).stdout.trim() === "active";
    const gone = await sudo(`umount ${disk}`);
    expect(gone.status === 0, "It is not unmounted", gone.stderr);
    await until("the hub has stopped", async () => (await mainPid()) === "0", 20_000);
    const below = await node.ssh(`find ${disk} -type f`);
    expect(below.stdout === "", "Files are below the mount point", below.stdout);
    const shown = (await node.ssh("systemctl is-active imagehub")).stdout.trim();
    await sudo(`mount ${disk}`);
    await until("the hub runs again", async () => (await isActive()) && (await status()), 20_000);
    // Without the unit's ExecStopPost=, the hub would stay stopped: systemd drops a start that
    // comes while it is stopping.
    const before = await mainPid();
    await node.ssh(`sudo umount ${disk} && sudo mount ${disk}`);
    await until("another hub runs", async () => !["0", before].includes(await mainPid()), 20_000);
    await until("it is healthy", async () => (await isActive()) && (await status()), 20_000);
    return `${shown} without the disk; runs again with it, also when that is back before the hub has stopped`;
  });

  await account.longStep("telnet data1 5555, from another machine", async () => {
    const { stdout, stderr } = await run(
      [...node.inNetwork, "timeout", "3", "busybox", "telnet"].concat(node.address, "5555"),
    );
    expect(stdout.includes("Connected to"), "It does not connect", stdout + stderr);
    return lineWith(stdout, "Connected to");
  });

  await account.longStep("sudo ss -tulpn | grep 5555", async () => {
    const { stdout } = await sudo("ss -tulpn | grep 5555");
    expect(stdout.includes("imagehub"), "It is not the hub", stdout);
    return stdout.trim().replaceAll(/\s+/gu, " ");
  });

  await account.longStep("df -h ~/sentinelcam", async () => {
    const { status: exit, stdout } = await node.ssh("df -h ~/sentinelcam");
    expect(exit === 0, "Failed", stdout);
    return stdout.trim().split("\n").at(-1)?.replaceAll(/\s+/gu, " ") ?? "";
  });

  await account.longStep("a hub stopped with SIGSTOP", async () => {
    const before = await mainPid();
    await sudo(`kill -STOP ${before}`);
    await until(
      "the watchdog has restarted it",
      async () => !["0", before].includes(await mainPid()),
      90_000,
    );
    await until("it is healthy", status, 20_000);
    const { stdout } = await sudo("journalctl -u imagehub --no-pager -o cat");
    return `${lineWith(stdout, "Watchdog timeout")}; healthy again`;
  });

  await account.longStep("--tags status,health", async () => {
    const done = await play("--tags", "status,health");
    expect(done.failed === 0 && done.changed === 0, "Failed", done.output);
    return recap(done);
  });

  await account.step("the data of the hub before it", async () => {
    expect(
      readFileSync(join(data, "images/2021-09-24/Barn-2021-09-24T08.27.13.477000.jpg"), "utf8") ===
        "old",
      "gone",
      "",
    );
    const log = readFileSync(join(data, "logs/imagehub.log.2021-09-24"), "utf8");
    expect(log === `${oldLine}\n`, "The old log has changed", log);
    return "its image is there; its event log was closed under its own day, with what stood in it";
  });

  await account.step("what the senders were told, and what stands", async () => {
    const journal = await senders.stop();
    const replies = Map.groupBy(journal, ({ reply }) => reply ?? "no reply within 60 s");
    const counts = [...replies].map(([reply, entries]) => `${entries.length} ${reply}`).join(", ");
    const findings = judge(data, journal);
    const problems = problemsOf(findings);
    // The hub's own notices are not in the senders' journal. Nothing else may be in the log that
    // was not sent.
    expect(findings.lost.length === 0, "Acknowledged and lost", problems.join("\n"));
    const slowest = Math.max(...journal.map(({ ms }) => ms));
    return (
      `${counts}; ${findings.acknowledged} acknowledged images and events, ${findings.lost.length} lost; ` +
      `longest wait ${(slowest / 1000).toFixed(1)} s`
    );
  });

  await account.step("MIGRATION.md: the way back", async () => {
    for (let times = 0; times < 2; times++) {
      const done = await node.ssh(`set -e\n${blocks("MIGRATION.md").at(-1) ?? "false"}`);
      expect(done.status === 0, "Failed", done.stderr);
    }
    await until(
      "the other hub listens",
      async () => (await sudo("ss -tlpn | grep 5555")).stdout.includes("python3"),
      20_000,
    );
    return (await sudo("ss -tlpn | grep 5555")).stdout.trim().replaceAll(/\s+/gu, " ");
  });
}

/**
 * Mounts a folder of the container over another one like a disk: by a systemd unit made from
 * /etc/fstab. It is `noauto`: otherwise systemd would mount it again whenever it starts something
 * that wants local-fs.target, such as a login session.
 */
async function mountFolder(node: Container, folder: string, point: string): Promise<void> {
  const { status, stderr } = await node.ssh(
    `mkdir -p ${point} && sudo mkdir -p ${folder} && sudo chown ops:ops ${folder} && ` +
      `echo "${folder} ${point} none bind,noauto 0 0" | sudo tee -a /etc/fstab && sudo systemctl daemon-reload && sudo mount ${point}`,
  );
  if (status !== 0) throw new StepError(`Cannot mount ${point}\n${stderr}`);
}

/** A bare node: no user, no directories, no sentinelcam_base. */
async function bareSteps(account: Account, scratch: string): Promise<void> {
  await using node = await Container.boot({
    hostname: "pi",
    user: "admin",
    architecture: account.architecture,
  });
  const site = new Site(node, join(scratch, "bare"), false);
  const { play, status, sudo } = actions(account, site, node);
  // As `npm run build -- x64` makes it.
  const source = join(scratch, "first/imagehub");
  for (const other of ["arm64", "x64"]) {
    if (other !== account.architecture)
      rmSync(join(source, `imagehub-linux-${other}`), { force: true });
  }
  await writeSums(source);

  await account.longStep("a node without anything: no build", async () => {
    const done = await play();
    expect(
      done.failed === 1 && done.output.includes("Cannot install imagehub:"),
      "Not refused",
      done.output,
    );
    return `${recap(done)}: ${/Cannot install imagehub:[^"]*/u.exec(done.output)?.[0] ?? ""}`;
  });

  await account.longStep("a node without anything: -e imagehub_source=… --check", async () => {
    const done = await play("--extra-vars", `imagehub_source=${source}`, "--check");
    expect(done.failed === 0, "Failed", done.output);
    return recap(done);
  });

  await account.longStep(
    "a node without anything: -e imagehub_source=…, data_directory elsewhere",
    async () => {
      site.edit((text) => `${text}data_directory: /srv/cameras\n`);
      const done = await play("--extra-vars", `imagehub_source=${source}`);
      expect(done.failed === 0 && (await status()), "Failed", done.output);
      const again = await play("--extra-vars", `imagehub_source=${source}`);
      expect(
        again.failed === 0 && again.changed === 0,
        "A second run changes something",
        again.output,
      );
      const owner = (await sudo("stat -c %U:%G /srv/cameras/images")).stdout.trim();
      return `${recap(done)}, /srv/cameras is ${owner}'s; again: ${recap(again)}`;
    },
  );

  const config = async (...words: string[]): Promise<Play> =>
    await play("--tags", "config", ...words);
  const moveTo = (to: string): void =>
    site.edit((text) => text.replace(/^data_directory: .*$/m, `data_directory: ${to}`));

  await account.longStep("--tags config with another data_directory", async () => {
    moveTo("/srv/more/cameras");
    const alone = await play("--tags", "service");
    expect(alone.failed === 1, "--tags service writes a unit for other settings", alone.output);
    expect(
      alone.output.includes("Run it with --tags config"),
      "It does not say what to do",
      alone.output,
    );
    const done = await config();
    expect(done.failed === 0 && (await status()), "Failed", done.output);
    const there = await sudo("ls /srv/more/cameras");
    expect(there.stdout.includes("logs"), "The data is elsewhere", there.stdout + done.output);
    const again = await config();
    expect(
      again.failed === 0 && again.changed === 0,
      "A second run changes something",
      again.output,
    );
    return `${recap(done)}, healthy; again: ${recap(again)}; --tags service alone before that: refused`;
  });

  await account.longStep(
    "--tags config with another data_directory and a port that cannot be had",
    async () => {
      moveTo("/srv/never/had/cameras");
      const before = (
        await sudo("cat /etc/systemd/system/imagehub.service /home/ops/imagehub.yaml")
      ).stdout;
      const done = await config("--extra-vars", "imagehub_port=22 imagehub_healthy_within=15");
      expect(
        done.failed === 1 && done.output.includes("brought back and is healthy"),
        "Not so",
        done.output,
      );
      const after = (await sudo("cat /etc/systemd/system/imagehub.service /home/ops/imagehub.yaml"))
        .stdout;
      expect(before === after && (await status()), "It is not as it was", after);
      const left = (await node.ssh("ls /srv")).stdout.trim().replaceAll("\n", " ");
      expect(left === "cameras more", "A directory is left", left);
      return `${recap(done)}: brought back and is healthy; in /srv: ${left}`;
    },
  );

  await account.longStep("--tags config with a cap that is spent", async () => {
    moveTo("/srv/more/cameras");
    await sudo(
      'sh -c "cd /srv/more/cameras/images && mkdir -p $(date +%F) && touch $(date +%F)/a.jpg"',
    );
    const done = await config("--extra-vars", "imagehub_max_images_write=1");
    const warning = /WARNING: today's folder[^"]*/u.exec(done.output)?.[0];
    expect(done.failed === 0 && warning !== undefined, "It does not warn", done.output);
    const shown = (await sudo("systemctl status imagehub")).stdout;
    expect(shown.includes("CAP REACHED: today's folder has 1 of"), "systemctl does not", shown);
    return `${recap(done)}: ${warning}; ${lineWith(shown, "Status:")}`;
  });

  await account.longStep(
    "--tags config with the data behind a link to a disk that is not mounted",
    async () => {
      await sudo(
        'sh -c \'mkdir -p /srv/ssd /mnt/my-disk && echo "/srv/ssd /mnt/my-disk none bind,noauto 0 0" >> /etc/fstab && ' +
          "ln -s /mnt/my-disk/hub/data /srv/link'",
      );
      moveTo("/srv/link");
      const done = await config();
      expect(done.failed === 0 && (await status()), "Failed", done.output);
      const there = (await sudo("ls -A /srv/ssd/hub/data")).stdout;
      expect(there.includes("logs"), "The data is elsewhere", there);
      const unit = (await node.ssh("systemctl show -P BindsTo imagehub")).stdout.trim();
      expect(unit === String.raw`"mnt-my\\x2ddisk.mount"`, "It is not bound to its disk", unit);
      const again = await config();
      expect(
        again.failed === 0 && again.changed === 0,
        "A second run changes something",
        again.output,
      );
      return `${recap(done)}, mounted, bound to ${unit}; again: ${recap(again)}`;
    },
  );
}

/** Actions and questions that the steps share. */
function actions(account: Account, site: Site, node: Container) {
  const sudo = async (line: string): Promise<Output> => await node.ssh(`sudo ${line}`);
  return {
    sudo,
    play: async (...words: readonly string[]): Promise<Play> => {
      const play = await site.play(...words);
      account.show(play);
      return play;
    },
    status: async (): Promise<boolean> =>
      (await sudo("/opt/imagehub/imagehub status --config /home/ops/imagehub.yaml")).status === 0,
    version: async (): Promise<string> =>
      /\((?<commit>.*?)\)/u.exec((await node.ssh("/opt/imagehub/imagehub --version")).stdout)
        ?.groups?.["commit"] ?? "",
    /** How often systemd has started the service. */
    starts: async (): Promise<number> =>
      Number(
        (await sudo("journalctl -u imagehub -o cat --no-pager | grep -c '^Started imagehub'"))
          .stdout,
      ),
    mainPid: async (): Promise<string> =>
      (await sudo("systemctl show --property=MainPID --value imagehub")).stdout.trim(),
  };
}
