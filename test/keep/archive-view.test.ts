import { expect, spyOn, test } from "bun:test";
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { archiveDays } from "../../src/archive/round.ts";
import { ArchiveView } from "../../src/keep/archive-view.ts";
import { Pruner } from "../../src/keep/prune.ts";
import { SystemError } from "../../src/os/ffi.ts";
import { Folder } from "../../src/os/folder.ts";
import { LoopDisk } from "../faults/disk.ts";
import { Place, run, TODAY } from "../support/archive/days.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { lacksMount } from "../support/machine/file-system.ts";

const DAY = "2021-09-23";

let place: Place;
forEachTest(
  () => new Place(),
  (made) => (place = made),
);

const fill = async () => await archiveDays(place.settings, place.directory, { today: TODAY });

/** Deletes what is archived of the day. @returns how many images are gone */
async function prune(): Promise<number> {
  using archive = ArchiveView.of(place.settings, place.directory)!;
  const pruner = new Pruner({
    directory: place.directory,
    check: () => undefined,
    protectedNames: () => new Set(),
    copies: archive,
    until: { date: TODAY, micros: 0 },
    isUrgent: () => false,
    shouldStop: () => false,
    isRehearsal: false,
    onFailure: () => undefined,
  });
  const { images } = await pruner.run({
    reason: "days",
    candidates: [{ date: DAY }],
    bytes: Number.MAX_SAFE_INTEGER,
  });
  return images;
}

/** Changes a byte of a file on its disk, behind the back of its file system. */
function rot({ image }: LoopDisk, content: Buffer): void {
  const fd = openSync(image, "r+");
  try {
    const piece = Buffer.alloc(2 ** 20);
    for (let at = 0; readSync(fd, piece, 0, piece.byteLength, at) > 0; at += piece.byteLength) {
      // Files begin at a block.
      for (let block = 0; block < piece.byteLength; block += 1024) {
        if (!piece.subarray(block, block + 1024).equals(content.subarray(0, 1024))) continue;
        writeSync(fd, Buffer.of(content[500]! ^ 1), 0, 1, at + block + 500);
        return;
      }
    }
  } finally {
    closeSync(fd);
  }
  throw new Error("The content is not on the disk");
}

test.skipIf(lacksMount())("an image is deleted only if its copy is good on its disk", async () => {
  using disk = new LoopDisk({ bytes: 16 * 2 ** 20 });
  place.archive = disk.path;
  const content = Buffer.from(crypto.getRandomValues(new Uint8Array(20_000)));
  const name = place.image(DAY, "Barn", 0, content);
  place.image(DAY, "Gate", 1);
  await fill();
  run("/", "sync", "--file-system", disk.path);
  const copy = join(disk.path, "images", DAY, name);
  expect(readFileSync(copy).equals(content)).toBe(true);
  rot(disk, content);
  // It is still in memory as it was.
  expect(readFileSync(copy).equals(content)).toBe(true);
  expect(await prune()).toBe(1);
  expect(run(place.directory.dateFolder(DAY), "ls")).toBe(`${name}\n`);
  // A good copy replaces it, and then the image may go.
  const again = { today: TODAY, dates: [DAY] };
  expect(await archiveDays(place.settings, place.directory, again)).toMatchObject({ mended: 1 });
  expect(await prune()).toBe(1);
});

test("a part of the archive that cannot be read is why nothing is known to be in it", async () => {
  place.image(DAY, "Barn");
  await fill();
  using _ = spyOn(Folder.prototype, "names").mockImplementation(function (this: Folder) {
    throw new SystemError("getdents64", constants.errno.EIO, this.path);
  });
  using archive = ArchiveView.of(place.settings, place.directory)!;
  expect([...archive.dates]).toEqual([]);
  expect(archive.problem).toContain("EIO");
});

test("a log that another hub has archived under this name does not count", async () => {
  place.log(DAY);
  await fill();
  const path = place.directory.datedLog(20_210_923);
  using archive = ArchiveView.of(place.settings, place.directory)!;
  expect([archive.hasLog(DAY), archive.hasLog("2021-09-22")]).toEqual([true, false]);
  place.put(path, readFileSync(path, "utf8").replace("Barn", "Gate"));
  expect(archive.hasLog(DAY)).toBe(false);
});
