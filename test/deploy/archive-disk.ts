/**
 * Whether the service sees the disk of its archive come and go, as a NAS does, without a restart.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "./account.ts";
import type { Container } from "./container.ts";

/** The archive of these steps, and where its disk is mounted. */
export const ARCHIVE = "/mnt/nas/cameras";
const POINT = "/mnt/nas";

/** Puts the disk into /etc/fstab; nothing mounts it by itself. */
export async function addArchiveDisk(node: Container): Promise<void> {
  const entry = `nas ${POINT} tmpfs noauto,mode=777 0 0`;
  await node.ssh(`sudo mkdir ${POINT} && echo '${entry}' | sudo tee -a /etc/fstab`);
}

/**
 * Mounts the disk and unmounts it, while the hub runs that started without it, and while one runs
 * that started with it. The hub's user must be able to write there exactly while it is mounted, in
 * the namespace of the service.
 *
 * @param settled waits until a restarted hub is healthy
 * @returns what it has found
 * @throws {StepError} if the service sees something else
 */
export async function seesArchiveDisk(
  node: Container,
  settled: () => Promise<void>,
): Promise<string> {
  const sudo = async (line: string): Promise<string> => {
    const { status, stdout, stderr } = await node.ssh(`sudo ${line}`);
    expect(status === 0, `Failed: ${line}`, stderr);
    return stdout.trim();
  };
  const mainPid = async (): Promise<string> =>
    await sudo("systemctl show --property=MainPID --value imagehub");
  const canWrite = async (pid: string): Promise<boolean> => {
    const as = `setpriv --reuid=${node.user} --regid=${node.user} --clear-groups`;
    const line = `nsenter --target=${pid} --mount ${as} mkdir -p ${ARCHIVE}/test`;
    return (await node.ssh(`sudo ${line}`)).status === 0;
  };
  const unit = readFileSync(join(node.root, "etc/systemd/system/imagehub.service"), "utf8");
  const lines = unit.split("\n").filter((line) => line.includes(POINT));
  expect(
    lines.length === 1 && /^ReadWritePaths=\S+ -\/mnt\/nas$/u.test(lines[0] ?? ""),
    "The unit names the disk elsewhere, or not at all",
    lines.join("\n"),
  );
  for (const isThereAtStart of [false, true]) {
    if (isThereAtStart) {
      await sudo(`mount ${POINT}`);
      await sudo("systemctl restart imagehub");
      await settled();
    }
    const pid = await mainPid();
    for (const isMounted of isThereAtStart
      ? [true, false, true, false]
      : [false, true, false, true, false]) {
      const isNow = (await node.ssh(`mountpoint -q ${POINT}`)).status === 0;
      if (isNow !== isMounted) await sudo(`${isMounted ? "mount" : "umount"} ${POINT}`);
      const what = `${isMounted ? "mounted" : "not mounted"}, the hub started with${isThereAtStart ? "" : "out"} it`;
      expect((await canWrite(pid)) === isMounted, `The service sees another disk: ${what}`, unit);
    }
    expect((await mainPid()) === pid, "The hub was restarted", "");
  }
  return "mounted: the service writes to it; unmounted: it is gone; without a restart";
}
