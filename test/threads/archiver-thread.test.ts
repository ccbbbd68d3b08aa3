import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { defaultSettings } from "../../src/config/schema.ts";
import { createShared, type Shared } from "../../src/shared/memory.ts";
import type { ArchiverMessage } from "../../src/shared/messages.ts";
import { WorkLock } from "../../src/store/work-lock.ts";
import { CHECKOUT } from "../../scripts/lib/available.ts";
import { LoopDisk } from "../faults/disk.ts";
import { judge, nameOf, Place, run } from "../support/archive/days.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { lacksMount } from "../support/machine/file-system.ts";
import { guardAt } from "../support/store/data-guard.ts";

setDefaultTimeout(60_000);

const DAY = "2021-09-23";

/** The memory of a hub that was started with the data directory as it is now. */
function adopted(): Shared {
  const shared = createShared(1);
  guardAt(place.directory.path, shared);
  return shared;
}

let place: Place;
forEachTest(
  () => new Place(),
  (made) => (place = made),
);

/**
 * Lets a thread do a round.
 *
 * @param shared with the identity of the data directory
 * @returns its messages
 */
async function round(stop = false, shared = adopted()): Promise<ArchiverMessage[]> {
  const worker = new Worker(join(CHECKOUT, "src/threads/archiver-thread.ts"));
  const messages: ArchiverMessage[] = [];
  const ended = Promise.withResolvers<void>();
  worker.onmessage = ({ data }: MessageEvent<ArchiverMessage>) => {
    messages.push(data);
    if (data.type === "archived" || data.type === "busy") ended.resolve();
  };
  const settings = {
    ...defaultSettings(),
    data_directory: place.directory.path,
    archive: place.settings,
  };
  worker.postMessage({ type: "round", settings, shared });
  if (stop) worker.postMessage({ type: "stop" });
  await ended.promise;
  worker.terminate();
  return messages;
}

test("the archiver does a round, and says what it has done", async () => {
  place.image(DAY, "Barn", 0, "image");
  expect(await round()).toEqual([
    {
      type: "log",
      level: "info",
      message: `Archived ${DAY}`,
      fields: { files: 1, bytes: 5, foreign: 0 },
    },
    {
      type: "archived",
      round: {
        days: [DAY],
        files: 1,
        bytes: 5,
        mended: 0,
        foreign: 0,
        problems: [],
        isStopped: false,
        isAway: false,
      },
    },
  ]);
  expect(judge(place.archive)).toHaveLength(1);
  // The lock is free again.
  expect(await round()).toMatchObject([{ type: "archived", round: { files: 0 } }]);
});

test("the archiver leaves the work to another process that does it", async () => {
  place.image(DAY, "Barn");
  using lock = WorkLock.tryToTake(place.directory, "archive");
  expect(lock).toBeDefined();
  expect(await round()).toEqual([{ type: "busy" }]);
  expect(place.names()).toEqual([]);
});

test("the archiver stops when it is asked to", async () => {
  for (let second = 0; second < 50; second++) place.image(DAY, "Barn", second);
  expect((await round(true)).at(-1)).toMatchObject({ round: { days: [], isStopped: true } });
  expect(judge(place.archive)).toEqual([]);
});

test("the archiver says what is wrong with the archive", async () => {
  place.archive = join(place.path, "none");
  const [line, end] = await round();
  expect(line).toMatchObject({ type: "log", level: "warn" });
  expect(end).toMatchObject({ round: { problems: [expect.stringContaining("is not there")] } });
});

test("the archiver says what is wrong with the data directory", async () => {
  Bun.spawnSync(["rm", "-r", place.directory.images]);
  const [line, end] = await round();
  expect(line).toMatchObject({ message: expect.stringContaining("images") });
  expect(end).toMatchObject({ type: "archived", round: { files: 0 } });
});

test("the archiver makes nothing where the data directory was", async () => {
  place.image(DAY, "Barn");
  const shared = adopted();
  const { path } = place.directory;
  renameSync(path, `${path}-away`);
  expect((await round(false, shared)).at(-1)).toMatchObject({
    round: { problems: [expect.stringContaining("is not there any more")] },
  });
  expect(existsSync(path)).toBe(false);
  // Another one is there now.
  mkdirSync(join(path, "images"), { recursive: true });
  expect((await round(false, shared)).at(-1)).toMatchObject({
    round: { problems: [expect.stringContaining("is another one than at the start")] },
  });
  expect([readdirSync(path), place.names()]).toEqual([["images"], []]);
});

test.skipIf(lacksMount())("the archiver archives nothing of a disk that covers it", async () => {
  using disk = new LoopDisk({ bytes: 16 * 2 ** 20 });
  place.image(DAY, "Barn");
  const shared = adopted();
  place.put(join(disk.path, "images", DAY, nameOf(DAY, "Other")), "other");
  run("/", "mount", "--bind", disk.path, place.directory.path);
  try {
    expect((await round(false, shared)).at(-1)).toMatchObject({ round: { files: 0 } });
    expect(readdirSync(disk.path).toSorted()).toEqual(["images", "lost+found"]);
  } finally {
    run("/", "umount", place.directory.path);
  }
  expect(place.names()).toEqual([]);
});
