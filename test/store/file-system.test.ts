import { describe, expect, test } from "bun:test";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { diskOf, fileSystemOf, missingMountOf } from "../../src/store/file-system.ts";
import { lacksMount, SmallDisk } from "../support/machine/file-system.ts";
import { tempDir } from "../support/machine/temp.ts";

describe.skipIf(lacksMount())("fileSystemOf", () => {
  test("names the file system of a path, also where that is not there, or a link", () => {
    using disk = new SmallDisk("size=64k");
    using temp = tempDir();
    symlinkSync(disk.path, join(temp.path, "link"));
    const named = `tmpfs at ${disk.path} (imagehub-test)`;
    for (const path of [disk.path, join(disk.path, "not/there"), join(temp.path, "link")])
      expect(fileSystemOf(path)).toBe(named);
    // A name that begins like the mount point.
    expect(fileSystemOf(`${disk.path}-b`)).not.toBe(named);
  });
});

describe.skipIf(lacksMount())("diskOf", () => {
  test("is the same for all mounts of a disk, and another one for another disk", () => {
    using disk = new SmallDisk("size=64k");
    using temp = tempDir();
    const before = diskOf(temp.path);
    expect(before).toMatch(/^\d+:\d+$/);
    expect(diskOf(disk.path)).not.toBe(before);
    expect(diskOf(join(disk.path, "not/there"))).toBe(diskOf(disk.path));
    Bun.spawnSync(["mount", "--bind", temp.path, temp.path]);
    try {
      expect(fileSystemOf(temp.path)).toContain(` at ${temp.path} `);
      expect(diskOf(temp.path)).toBe(before);
    } finally {
      Bun.spawnSync(["umount", temp.path]);
    }
  });
});

/** What is found with this as /etc/fstab. */
function missing(text: string, path: string): string | undefined {
  using temp = tempDir();
  const fstab = join(temp.path, "fstab");
  writeFileSync(fstab, text);
  return missingMountOf(path, fstab);
}

describe("missingMountOf", () => {
  const point = "/media/my disk";
  const line = (options: string): string =>
    `UUID=12 ${point.replace(" ", "\\040")} ext4 ${options} 0 2\n`;
  test.each<[what: string, text: string, path: string, isMissing: boolean]>([
    ["at a path", line("defaults,nofail"), point, true],
    ["above a path", line("defaults,nofail"), join(point, "a/b"), true],
    ["that is only mounted by hand", line("noauto,user"), point, false],
    ["beside a path", line("defaults"), `${point}-b`, false],
    ["in a comment", `# ${line("defaults")}`, point, false],
    ["that is mounted", "proc /proc proc defaults 0 0\n", "/proc/a", false],
    ["of the root", "/dev/x / ext4 defaults 0 1\n", point, false],
    ["that is none", "/dev/x none swap sw 0 0\n\nx\n", point, false],
  ])("knows a disk %s", (_, text, path, isMissing) => {
    expect(missing(text, path)).toBe(isMissing ? point : undefined);
  });

  test("finds none where there is no such file", () => {
    expect(missingMountOf(point, "/proc/none")).toBeUndefined();
  });
});
