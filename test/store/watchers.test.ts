import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  type FSWatcher,
  mkdirSync,
  readdirSync,
  statSync,
  watch,
} from "node:fs";
import { join } from "node:path";
import { lacks, PARTS, type Program, PROGRAMS } from "../../scripts/lib/available.ts";
import { FakeClock, utcMicros } from "../support/machine/fake-clock.ts";
import { type Ability, ExfatDisk, lacksMount } from "../support/machine/file-system.ts";
import { startHub } from "../support/hub/hub.ts";
import { until } from "../support/hub/output.ts";
import { Sender } from "../support/peers/sender.ts";
import { StoreThread } from "../support/store/store-thread.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Watcher } from "../support/peers/watcher.ts";

setDefaultTimeout(120_000);

const JPG = /^[^.#].*\.jpg$/;
const COUNT = 20;

/** How a file gets its name, and what is told of it then by each program; nothing else may be. */
const LINKED = { inotifywait: "CLOSE_WRITE,CLOSE", watchdog: "closed" } as const;
const MOVED = { inotifywait: "MOVED_TO", watchdog: "created" } as const;
type How = typeof LINKED | typeof MOVED;

/** Both programs in one folder. */
class Watchers implements AsyncDisposable {
  private constructor(
    private readonly inotifywait: Watcher,
    private readonly watchdog: Watcher,
  ) {}

  static async start(folder: string): Promise<Watchers> {
    return new Watchers(
      await Watcher.start("inotifywait", folder),
      await Watcher.start("watchdog", folder),
    );
  }

  /** That each name was told once, and no other but what is hidden, a few times. */
  async expect(names: readonly string[], how: How): Promise<void> {
    const wanted = names.toSorted();
    const { inotifywait, watchdog } = this;
    expect(
      await inotifywait.seenLike(JPG, names.length, ["CLOSE_WRITE,CLOSE", "MOVED_TO"]),
    ).toEqual(wanted);
    expect(await inotifywait.seenLike(JPG, names.length, [how.inotifywait])).toEqual(wanted);
    expect(await watchdog.seenLike(JPG, names.length, [how.watchdog])).toEqual(wanted);
    const others = inotifywait
      .seen(["CLOSE_WRITE,CLOSE", "MOVED_TO"])
      .filter((name) => !JPG.test(name));
    for (const name of others) expect(name).toMatch(/^(?:#\d+|\.incoming-.*)$/);
    // What each thread tries once a day, and nothing for each image.
    expect(others.length).toBeLessThan(10);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.inotifywait[Symbol.asyncDispose]();
    await this.watchdog[Symbol.asyncDispose]();
  }
}

/** Sends images to a hub and judges what those saw who watched. */
async function expectSeen(
  program: Program,
  data: string,
  settings: Record<string, unknown>,
  how: How,
): Promise<void> {
  await using hub = await startHub({
    program,
    settings: { hub: { data_directory: data, ...settings } },
  });
  const images = join(data, "images");
  // As on any day but for its first image.
  mkdirSync(join(images, hub.today()));
  await using watchers = await Watchers.start(images);
  await using sender = new Sender(hub.port);
  for (let seed = 0; seed < COUNT; seed++)
    expect((await sender.jpg("Barn Door|jpg|", { size: 30_000, seed })).reply).toBe("OK");
  await until(hub, () => readdirSync(join(images, hub.today())).length === COUNT);
  await watchers.expect(readdirSync(join(images, hub.today())), how);
}

describe.skipIf(lacks("python", "watchers"))("who watches the images", () => {
  const acks = PROGRAMS.filter((program) => program !== "arm64").flatMap((program) =>
    ["stored", "synced", "received"].map((ack) => [program, ack] as const),
  );
  test.each(acks.filter(([program, ack]) => program !== "source" || ack === "stored"))(
    "is told of each one once, with its name (%s, %s)",
    async (program, ack) => {
      if (lacks(...PARTS[program])) return;
      using temp = tempDir();
      await expectSeen(program, join(temp.path, "data"), { ack }, LINKED);
    },
  );

  test.skipIf(lacks("exfat") || lacksMount())(
    "is told of them on exFAT, where they are moved to it",
    async () => {
      using disk = new ExfatDisk();
      await expectSeen("source", join(disk.path, "imagehub"), {}, MOVED);
    },
  );

  /** What a file system has not, and how files get their names then. */
  const poorer: [lost: Ability[], how: How][] = [
    [["O_TMPFILE"], LINKED],
    [["O_TMPFILE", "hard links"], MOVED],
    [["O_TMPFILE", "hard links", "RENAME_NOREPLACE"], MOVED],
    [["AT_EMPTY_PATH"], LINKED],
  ];
  test.each(poorer)("is told of each one once on a file system without %j", async (lost, how) => {
    using temp = tempDir();
    const folder = join(temp.path, "images/2026-11-22");
    mkdirSync(folder, { recursive: true });
    using thread = await StoreThread.start({ data: temp.path, lost });
    await using watchers = await Watchers.start(folder);
    const micros = utcMicros("2026-11-22T12:00:00");
    const images = Array.from({ length: COUNT }, (_, fill) => ({
      name: "Barn",
      micros,
      bytes: Buffer.alloc(1000, fill),
    }));
    expect(new Set(await thread.store(images))).toEqual(new Set(["granted"]));
    await watchers.expect(
      readdirSync(folder).filter((name) => JPG.test(name)),
      how,
    );
  });
});

describe.skipIf(lacks("watchers"))("who watches the logs", () => {
  test.each<[lost: Ability[]]>([[[]], [["hard links"]]])(
    "is told of each dated one once when the log turns over, without %j",
    async (lost) => {
      using temp = tempDir();
      const logs = join(temp.path, "logs");
      mkdirSync(logs);
      const clock = FakeClock.at("2026-11-22T12:00:00");
      const start = { data: temp.path, clock: clock.state, lost };
      using thread = await StoreThread.start(start);
      await thread.append(["first"]);
      await using watcher = await Watcher.start("inotifywait", logs);
      for (let day = 0; day < 3; day++) {
        clock.advance(86_400);
        expect(await thread.append(["text"])).toEqual(["ok"]);
      }
      const dated = [
        "imagehub.log.2026-11-22",
        "imagehub.log.2026-11-23",
        "imagehub.log.2026-11-24",
      ];
      expect(
        await watcher.seenLike(/^imagehub\.log\./, 3, ["CLOSE_WRITE,CLOSE", "MOVED_TO"]),
      ).toEqual(dated);
    },
  );
});

/**
 * `fs.watch`, on which Node-RED and chokidar stand, tells only that a name was made or written to.
 */
test("who takes the first thing that fs.watch tells of is told an image's name", async () => {
  await using hub = await startHub();
  const folder = join(hub.dataDir, "images", hub.today());
  await using sender = new Sender(hub.port);
  // The first image of the day shows where its file can be begun.
  expect((await sender.jpg("Barn|jpg|", { size: 30_000 })).reply).toBe("OK");
  for (let seed = 1; seed < 6; seed++) {
    const first = Promise.withResolvers<string>();
    const watcher: FSWatcher = watch(folder, (_, name) => first.resolve(name ?? ""));
    expect((await sender.jpg("Barn|jpg|", { size: 30_000, seed })).reply).toBe("OK");
    expect(await first.promise).toMatch(JPG);
    watcher.close();
  }
});

test.skipIf(process.getuid?.() !== 0)(
  "an image has the group that the folder of its day gives, also where the data directory gives another",
  async () => {
    using temp = tempDir();
    await using hub = await startHub({ settings: { hub: { data_directory: temp.path } } });
    const folder = join(temp.path, "images", hub.today());
    mkdirSync(folder);
    const gid = 4;
    chownSync(folder, 0, gid);
    chmodSync(folder, 0o2775);
    await using sender = new Sender(hub.port);
    for (let seed = 0; seed < 3; seed++)
      expect((await sender.jpg("Barn|jpg|", { size: 30_000, seed })).reply).toBe("OK");
    expect(readdirSync(folder).map((name) => statSync(join(folder, name)).gid)).toEqual([
      gid,
      gid,
      gid,
    ]);
  },
);
