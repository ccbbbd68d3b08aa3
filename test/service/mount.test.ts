import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { mountPointOf, realPath, writablePlaceFor } from "../../src/service/mount.ts";
import { tempDir } from "../support/machine/temp.ts";

/**
 * As in /proc/self/mountinfo: a disk, another one on it with a space in its name, and a bind mount.
 */
const MOUNTS = String.raw`22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
30 22 8:17 / /mnt/disk rw shared:2 - ext4 /dev/sdb1 rw
31 30 8:33 / /mnt/disk/my\040stick rw shared:3 - vfat /dev/sdc1 rw
32 22 8:1 /var/cameras /srv/cameras rw shared:1 - ext4 /dev/sda1 rw
`;

test.each<[place: string, point: string | undefined]>([
  ["/home/ops/imagehub", undefined],
  ["/mnt", undefined],
  ["/mnt/disk", "/mnt/disk"],
  ["/mnt/disk/imagehub/that/is/not/there", "/mnt/disk"],
  ["/mnt/disk2/imagehub", undefined],
  ["/mnt/disk/my stick/imagehub", "/mnt/disk/my stick"],
  ["/srv/cameras/imagehub", "/srv/cameras"],
])("mountPointOf says where the disk of %s is mounted", (place, point) => {
  expect(mountPointOf(place, MOUNTS)).toBe(point);
});

test.each([
  ["/mnt/disk/imagehub/archive", undefined, "/mnt/disk"],
  ["/mnt/disk", undefined, "/mnt/disk"],
  ["/mnt/disk/my stick/archive", "/mnt/disk", "/mnt/disk/my stick"],
  // The service stops when this one is unmounted.
  ["/mnt/disk/archive", "/mnt/disk", "/mnt/disk/archive"],
  ["/srv/archive", "/mnt/disk", "/srv/archive"],
  ["/home/pi/archive", undefined, "/home/pi/archive"],
])("writablePlaceFor %s, with the data on %p: %s", (place, dataMount, writable) => {
  const mounts = `${MOUNTS}33 22 8:49 / /home rw shared:3 - ext4 /dev/sdd1 rw\n`;
  expect(writablePlaceFor(place, dataMount, mounts)).toBe(writable);
});

test("mountPointOf knows the mounts of this machine", () => {
  expect(mountPointOf("/proc/self/no-such")).toBe("/proc");
});

test("realPath follows links, also to what is not there", () => {
  using temp = tempDir();
  const path = realPath(temp.path);
  mkdirSync(join(path, "disk/cameras"), { recursive: true });
  symlinkSync("disk", join(path, "data"));
  symlinkSync(join(path, "gone/cameras"), join(path, "dangling"));
  symlinkSync("round", join(path, "round"));
  expect(realPath(join(path, "data/cameras"))).toBe(join(path, "disk/cameras"));
  expect(realPath(join(path, "data/none/at/all"))).toBe(join(path, "disk/none/at/all"));
  expect(realPath(join(path, "dangling"))).toBe(join(path, "gone/cameras"));
  expect(realPath(join(path, "dangling/below"))).toBe(join(path, "gone/cameras/below"));
  expect(realPath(join(path, "round/x"))).toBe(join(path, "round/x"));
});
