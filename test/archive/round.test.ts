import { describe, expect, spyOn, test } from "bun:test";
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { restoreDay } from "../../src/archive/restore.ts";
import { archiveDays, dueDates, type RoundOptions } from "../../src/archive/round.ts";
import { ReadError } from "../../src/archive/content.ts";
import type { Member } from "../../src/archive/layout.ts";
import { ArchiveRoot } from "../../src/archive/root.ts";
import { Source } from "../../src/archive/source.ts";
import { UnchangedDays } from "../../src/archive/unchanged.ts";
import { verifyDay } from "../../src/archive/verify.ts";
import { readDays } from "../../src/catalog/catalog.ts";
import { imageName } from "../../src/protocol/names.ts";
import { Folder } from "../../src/os/folder.ts";
import { DataDirectory, Part } from "../../src/store/data-directory.ts";
import { JPEG, judge, nameOf, Place, run, TODAY } from "../support/archive/days.ts";
import { forEachTest } from "../support/for-each-test.ts";
import { Later } from "../support/machine/later.ts";
import { guardAt } from "../support/store/data-guard.ts";

let place: Place;
forEachTest(
  () => new Place(),
  (made) => (place = made),
);

const archive = async (options: Partial<RoundOptions> = {}) =>
  await archiveDays(place.settings, place.directory, { today: TODAY, ...options });

const OLD = "2021-09-22";
const DAY = "2021-09-23";

const imagePath = (date: string, camera: string, second = 0): string =>
  `images/${date}/${nameOf(date, camera, second)}`;

describe.each(["tree", "tar"] as const)("archiveDays with format %s", (format) => {
  forEachTest(
    () => ({ [Symbol.dispose]: () => undefined }),
    () => (place.format = format),
  );

  test("copies images and logs of days that are over, the oldest first", async () => {
    place.image(DAY, "Barn");
    place.image(DAY, "Gate", 1, "another");
    place.image(OLD, "Barn");
    place.image(TODAY, "Barn");
    place.log(DAY);
    const lines: string[] = [];
    const log = { info: (line: string) => void lines.push(line), warn: () => undefined };
    expect(await archive({ log })).toEqual({
      days: [OLD, DAY],
      files: 4,
      bytes: 2 * JPEG.byteLength + 7 + 38,
      mended: 0,
      foreign: 0,
      problems: [],
      isStopped: false,
      isAway: false,
    });
    expect(lines).toEqual([`Archived ${OLD}`, `Archived ${DAY}`]);
    expect(judge(place.archive)).toEqual([
      imagePath(OLD, "Barn"),
      imagePath(DAY, "Barn"),
      imagePath(DAY, "Gate", 1),
      `logs/imagehub.log.${DAY}`,
    ]);
    expect(place.names()).toEqual(
      format === "tree"
        ? [
            imagePath(OLD, "Barn"),
            imagePath(DAY, "Barn"),
            imagePath(DAY, "Gate", 1),
            `logs/imagehub.log.${DAY}`,
            `manifests/${OLD}.sha256`,
            `manifests/${DAY}.sha256`,
          ]
        : [
            `${OLD}.tar`,
            `${OLD}.tar.sha256`,
            `${DAY}.tar`,
            `${DAY}.tar.sha256`,
            `manifests/${OLD}.sha256`,
            `manifests/${DAY}.sha256`,
          ],
    );
  });

  test("copies nothing twice", async () => {
    place.image(DAY, "Barn");
    await archive();
    const before = run(place.archive, "find", ".", "-printf", "%p %T@ %i\n");
    expect(await archive()).toMatchObject({ days: [], files: 0, problems: [] });
    expect(await archive({ dates: [DAY] })).toMatchObject({ days: [], files: 0, problems: [] });
    expect(run(place.archive, "find", ".", "-printf", "%p %T@ %i\n")).toBe(before);
  });

  test("adds what came to a day later", async () => {
    place.image(DAY, "Barn");
    await archive();
    place.image(DAY, "Late", 5, "late");
    place.log(DAY);
    expect(await archive()).toMatchObject({ days: [DAY], files: 2, problems: [] });
    expect(judge(place.archive)).toEqual([
      imagePath(DAY, "Barn"),
      imagePath(DAY, "Late", 5),
      `logs/imagehub.log.${DAY}`,
    ]);
    if (format === "tar") expect(place.names()).toContain(`${DAY}-2.tar`);
    // A tar tells of all that was archived before it, too.
    if (format === "tar") {
      const text = run(place.archive, "tar", "xOf", `${DAY}-2.tar`, `manifests/${DAY}.sha256`);
      expect(text).toBe(readFileSync(join(place.archive, `manifests/${DAY}.sha256`), "utf8"));
    }
  });

  test("keeps what is archived when the day is deleted here", async () => {
    place.image(DAY, "Barn");
    await archive();
    rmSync(place.directory.dateFolder(DAY), { recursive: true });
    place.image(DAY, "Late");
    expect(await archive()).toMatchObject({ days: [DAY], files: 1 });
    expect(judge(place.archive)).toEqual([imagePath(DAY, "Barn"), imagePath(DAY, "Late")]);
  });

  test("reports a file that has changed since, and archives the others", async () => {
    const name = place.image(DAY, "Barn");
    await archive();
    const path = join(place.directory.dateFolder(DAY), name);
    writeFileSync(path, Buffer.concat([JPEG.subarray(0, -3), Buffer.from("xyz")]));
    const later = Date.now() / 1000 + 60;
    utimesSync(path, later, later);
    place.image(DAY, "Late");
    expect(await archive()).toMatchObject({
      days: [DAY],
      files: 1,
      problems: [
        `Cannot archive ${DAY}: ${imagePath(DAY, "Barn")} is archived with another content, which stays as it is`,
      ],
    });
    expect(judge(place.archive)).toEqual([imagePath(DAY, "Barn"), imagePath(DAY, "Late")]);
    // One with another size shows when the day is named, whatever its time is.
    writeFileSync(path, "short");
    utimesSync(path, 1000, 1000);
    expect((await archive({ dates: [DAY] })).problems).toHaveLength(1);
  });

  test("reports an event log that another hub has archived, and leaves both", async () => {
    place.image(DAY, "Barn");
    place.log(DAY);
    await archive();
    const log = place.directory.datedLog(20_210_923);
    const problems = [
      `Cannot archive ${DAY}: logs/imagehub.log.${DAY} is archived with another content, which stays as it is: give each hub an archive of its own`,
    ];
    for (const text of ["of another length\n", `${DAY} 08:00:00,001 ~ Gate|Temp|7\n`]) {
      writeFileSync(log, text);
      utimesSync(log, 1000, 1000);
      // One of the same length shows when the day is named.
      const isSame = text.length === 38;
      expect(await archive(isSame ? { dates: [DAY] } : {})).toMatchObject({ files: 0, problems });
    }
    expect(judge(place.archive)).toHaveLength(2);
  });

  test("leaves out what is not the hub's", async () => {
    const folder = place.directory.dateFolder(DAY);
    place.image(DAY, "Barn");
    for (const name of ["notes.txt", nameOf(OLD, "Barn"), nameOf(DAY, "Back\\slash")])
      place.put(join(folder, name), "x");
    place.put(join(folder, ".incoming-1-2-3"), "unfinished");
    symlinkSync("/etc/passwd", join(folder, nameOf(DAY, "Link")));
    mkdirSync(join(folder, nameOf(DAY, "Folder")));
    Bun.spawnSync(["mkfifo", join(folder, nameOf(DAY, "Pipe"))]);
    place.image(OLD, "Barn");
    renameSync(place.directory.dateFolder(OLD), join(place.path, "elsewhere"));
    symlinkSync(join(place.path, "elsewhere"), place.directory.dateFolder(OLD));
    expect(await archive()).toMatchObject({ days: [DAY], files: 1, foreign: 6, problems: [] });
    expect(judge(place.archive)).toEqual([imagePath(DAY, "Barn")]);
  });

  test("names that are long or not ASCII keep what they are", async () => {
    const cameras = [
      "Ä".repeat(100),
      "x".repeat(220),
      `日本語-${"é".repeat(60)}`,
      "a_b",
      "'\"$(x)",
      imageName("no \udce9 character"),
    ];
    for (const camera of cameras) place.image(DAY, camera, 0, camera);
    expect(await archive()).toMatchObject({ files: 6, foreign: 0, problems: [] });
    expect(judge(place.archive)).toEqual(cameras.map((each) => imagePath(DAY, each)).toSorted());
    expect(await archive({ dates: [DAY] })).toMatchObject({ files: 0, problems: [] });
  });

  test("a name that is not UTF-8 is not the hub's, also if it looks like one that is", async () => {
    const folder = place.directory.dateFolder(DAY);
    place.image(DAY, "Barn\uFFFD");
    for (const camera of ["Barn", "Gate"])
      run(folder, "bash", "-c", `echo x > "$(printf '${nameOf(DAY, `${camera}\\xe9`)}')"`);
    expect(readdirSync(folder)).toHaveLength(3);
    expect(await archive()).toMatchObject({ days: [DAY], files: 1, foreign: 2, problems: [] });
    expect(judge(place.archive)).toEqual([imagePath(DAY, "Barn\uFFFD")]);
  });

  test("looks again at a day that was whole only if something has changed", async () => {
    const unchanged = new UnchangedDays(place.directory);
    place.image(DAY, "Barn");
    const looked: string[] = [];
    const onProgress = (date: string): void => void looked.push(date);
    const round = async () => await archive({ unchanged, onProgress });
    expect(await round()).toMatchObject({ files: 1 });
    using _ = new Later();
    await round();
    looked.length = 0;
    expect(await round()).toMatchObject({ files: 0, problems: [] });
    expect(looked).toEqual([]);
    place.image(DAY, "Gate", 1, "another");
    expect(await round()).toMatchObject({ days: [DAY], files: 1 });
    await round();
    rmSync(join(place.archive, "manifests"), { recursive: true });
    expect(await round()).toMatchObject({ days: [DAY] });
  });

  test("copies again what is missing in the archive, and finds it without a look at each", async () => {
    const unchanged = new UnchangedDays(place.directory);
    for (let second = 0; second < 3; second++) place.image(DAY, "Barn", second);
    place.log(DAY);
    const lines: string[] = [];
    const log = { info: (line: string) => void lines.push(line), warn: () => undefined };
    const round = async () => await archive({ unchanged, log });
    await round();
    using _ = new Later();
    expect(await round()).toMatchObject({ files: 0 });
    const all = judge(place.archive);
    const [image, record] = [all[1]!, all[3]!];
    const isTree = format === "tree";
    for (const [lost, files] of isTree
      ? ([
          [image, 1],
          [record, 1],
          [`images/${DAY}`, 3],
        ] as const)
      : ([[`${DAY}.tar`, 4]] as const)) {
      rmSync(join(place.archive, lost), { recursive: true });
      expect(await archive({ isDryRun: true })).toMatchObject({ files });
      expect(await round()).toMatchObject({ days: [], files, mended: 0, problems: [] });
      expect(judge(place.archive)).toEqual(all);
      expect(lines.at(-1)).toBe(`Copied files of ${DAY} to the archive again`);
      using looks = spyOn(Folder.prototype, "entry");
      expect(await round()).toMatchObject({ files: 0 });
      // Twice here, and never in the archive.
      const copies = looks.mock.calls.filter(([name]) => name === image.split("/").at(-1));
      expect(copies).toHaveLength(2);
    }
  });

  test("says what is missing in the archive and is another one here", async () => {
    const name = place.image(DAY, "Barn");
    await archive();
    rmSync(join(place.archive, format === "tree" ? imagePath(DAY, "Barn") : `${DAY}.tar`));
    writeFileSync(join(place.directory.dateFolder(DAY), name), "another");
    expect((await archive()).problems).toEqual([
      `Cannot archive ${DAY}: ${imagePath(DAY, "Barn")} is damaged or missing in the archive, and has another content here`,
    ]);
  });

  test("says that it has made a lost manifest, and copied nothing", async () => {
    place.image(DAY, "Barn");
    await archive();
    rmSync(join(place.archive, `manifests/${DAY}.sha256`));
    const lines: string[] = [];
    const log = { info: (line: string) => void lines.push(line), warn: () => undefined };
    expect(await archive({ log })).toMatchObject({ days: [DAY], files: 0 });
    expect(lines).toEqual([`Made the manifest of ${DAY}: the archive had all of its files`]);
  });

  test("counts damaged copies also when it changes nothing", async () => {
    place.image(DAY, "Barn");
    await archive();
    for (const name of place.names().filter((each) => /\.(?:jpg|tar)$/.test(each))) {
      const bytes = readFileSync(join(place.archive, name));
      bytes[20_000]! ^= 1;
      writeFileSync(join(place.archive, name), bytes);
    }
    expect(await archive({ dates: [DAY], isDryRun: true })).toMatchObject({ files: 1, mended: 1 });
  });

  test("continues what an earlier run had no time for", async () => {
    place.image(DAY, "Barn");
    place.image(DAY, "Gate", 1, "another");
    let asked = 0;
    const stopped = await archive({ shouldStop: () => ++asked > 1 });
    expect(stopped).toMatchObject({ days: [], isStopped: true });
    expect(judge(place.archive)).toEqual([]);
    expect(place.names().filter((name) => name.startsWith("."))).toEqual([]);
    expect(await archive()).toMatchObject({ days: [DAY], files: format === "tree" ? 1 : 2 });
    expect(judge(place.archive)).toHaveLength(2);
  });

  test("takes over whole files that have no manifest", async () => {
    place.image(DAY, "Barn");
    place.image(DAY, "Gate", 1, "another");
    await archive();
    rmSync(join(place.archive, "manifests"), { recursive: true });
    rmSync(join(place.archive, `${DAY}.tar.sha256`), { force: true });
    expect(await archive()).toMatchObject({ days: [DAY], files: 0, problems: [] });
    expect(judge(place.archive)).toHaveLength(2);
  });

  test("makes no manifest over a file in the archive that is another one", async () => {
    place.image(DAY, "Barn");
    await archive();
    rmSync(join(place.archive, "manifests"), { recursive: true });
    place.image(DAY, "Barn", 0, Buffer.concat([JPEG.subarray(0, -1), Buffer.from("x")]));
    expect(await archive()).toMatchObject({
      days: [],
      problems: [
        `Cannot archive ${DAY}: ${imagePath(DAY, "Barn")} is in the archive with another content; move that away`,
      ],
    });
    expect(judge(place.archive)).toEqual([]);
  });

  test("does not replace a damaged manifest", async () => {
    place.image(DAY, "Barn");
    place.image(OLD, "Barn");
    await archive();
    const manifest = join(place.archive, `manifests/${OLD}.sha256`);
    writeFileSync(manifest, readFileSync(manifest, "utf8").slice(0, -5));
    place.image(DAY, "Late");
    const { days, problems } = await archive();
    expect(days).toEqual([DAY]);
    expect(problems).toEqual([
      expect.stringContaining(`Cannot archive ${OLD}: ${manifest} is damaged. If the images`),
    ]);
    rmSync(manifest);
    expect(await archive()).toMatchObject({ days: [OLD], files: 0, problems: [] });
  });

  test("says what it would do, and does nothing", async () => {
    place.image(DAY, "Barn");
    const round = await archive({ isDryRun: true });
    expect(round).toMatchObject({ days: [DAY], files: 1, bytes: JPEG.byteLength });
    expect(place.names()).toEqual([]);
  });

  test("tells how far it has come", async () => {
    for (let second = 0; second < 3; second++) place.image(DAY, "Barn", second);
    const told: unknown[] = [];
    await archive({ onProgress: (...words) => told.push(words) });
    expect(told).toEqual([0, 1, 2].map((done) => [DAY, done, 3]));
  });
});

/** Overwrites a byte of the copy of an image in the archive. */
function damage(camera: string): void {
  const isTree = place.format === "tree";
  const path = join(place.archive, isTree ? imagePath(DAY, camera) : `${DAY}.tar`);
  const bytes = readFileSync(path);
  const at = isTree ? 0 : bytes.indexOf(JPEG, bytes.indexOf(imagePath(DAY, camera)));
  bytes[at + 1000]! ^= 1;
  writeFileSync(path, bytes);
}

describe.each(["tree", "tar"] as const)("archiveDays with a damaged copy in a %s", (format) => {
  forEachTest(
    () => ({ [Symbol.dispose]: () => undefined }),
    () => (place.format = format),
  );

  test.each(["tree", "tar"] as const)("replaces it as %s when its day is named", async (next) => {
    place.image(DAY, "Barn");
    place.image(DAY, "Gate", 1, "another");
    await archive();
    damage("Barn");
    place.format = next;
    expect(await archive()).toMatchObject({ files: 0, mended: 0 });
    const would = await archive({ dates: [DAY], isDryRun: true });
    expect(would).toMatchObject({ files: 1, problems: [] });
    expect(await archive({ dates: [DAY] })).toMatchObject({ files: 1, mended: 1, problems: [] });
    expect(await archive({ dates: [DAY] })).toMatchObject({ files: 0, mended: 0, problems: [] });
    rmSync(place.directory.dateFolder(DAY), { recursive: true });
    const restored = await restoreDay(place.archive, place.directory, DAY);
    expect(restored).toMatchObject({ files: 2, problems: [] });
    // A tar stays as it is.
    expect(place.names().filter((name) => name.endsWith("-2.tar"))).toHaveLength(
      format === "tar" && next === "tar" ? 1 : 0,
    );
    if (format === "tree") expect(judge(place.archive)).toHaveLength(2);
  });

  test("leaves it if the image here is another one", async () => {
    place.image(DAY, "Barn");
    await archive();
    damage("Barn");
    place.image(DAY, "Barn", 0, Buffer.concat([JPEG.subarray(0, -1), Buffer.from("x")]));
    expect(await archive({ dates: [DAY] })).toMatchObject({
      files: 0,
      problems: [
        `Cannot archive ${DAY}: ${imagePath(DAY, "Barn")} is damaged or missing in the archive, and has another content here`,
      ],
    });
  });
});

test("archiveDays ends a repair of a tar that had no time for the checksum", async () => {
  place.format = "tar";
  place.image(DAY, "Barn");
  await archive();
  damage("Barn");
  await archive({ dates: [DAY] });
  rmSync(join(place.archive, `${DAY}-2.tar.sha256`));
  expect(await archive({ isDryRun: true })).toMatchObject({ files: 0 });
  expect(place.names()).not.toContain(`${DAY}-2.tar.sha256`);
  expect(await archive()).toMatchObject({ files: 0, problems: [] });
  run(place.archive, "sha256sum", "--check", "--strict", "--quiet", `${DAY}-2.tar.sha256`);
});

test("archiveDays leaves one image that cannot be read out of the tar, and writes that once", async () => {
  place.format = "tar";
  for (let second = 0; second < 3; second++) place.image(DAY, "Barn", second);
  const bad = place.image(DAY, "Gate");
  const opened: string[] = [];
  const open = Reflect.get(Source.prototype, "open") as (this: Source, member: Member) => number;
  using _ = spyOn(Source.prototype, "open").mockImplementation(function (this: Source, member) {
    opened.push(member.name);
    if (member.name === bad && isBad) throw new ReadError("input/output error");
    return open.call(this, member);
  });
  let isBad = true;
  const refused = {
    days: [],
    problems: [expect.stringContaining(`${imagePath(DAY, "Gate")} cannot be read`)],
  };
  expect(await archive()).toMatchObject({ ...refused, files: 3 });
  expect(place.names()).toEqual([`${DAY}.tar`, `${DAY}.tar.sha256`]);
  opened.length = 0;
  expect(await archive()).toMatchObject({ ...refused, files: 0 });
  // The others are not read again, as the day cannot be whole.
  expect([place.names().length, opened]).toEqual([2, [bad]]);
  isBad = false;
  expect(await archive()).toMatchObject({ days: [DAY], files: 1, problems: [] });
  expect(judge(place.archive)).toHaveLength(4);
  const text = run(place.archive, "tar", "xOf", `${DAY}-2.tar`, `manifests/${DAY}.sha256`);
  expect(text).toBe(readFileSync(join(place.archive, `manifests/${DAY}.sha256`), "utf8"));
});

test("archiveDays archives nothing of today or later, also if it is named", async () => {
  place.image(TODAY, "Barn");
  place.image("2021-09-26", "Barn");
  const named = await archive({ dates: [TODAY, "2021-09-26"] });
  expect([named, await archive()]).toMatchObject([{ files: 0 }, { files: 0 }]);
});

test("archiveDays archives images that are only among the protected ones", async () => {
  const kept = place.image(DAY, "Kept");
  const both = place.image(DAY, "Both", 1);
  const folder = place.directory.keptFolder(DAY);
  mkdirSync(folder, { recursive: true });
  for (const name of [kept, both])
    linkSync(join(place.directory.dateFolder(DAY), name), join(folder, name));
  writeFileSync(join(folder, "notes.txt"), "x");
  rmSync(join(place.directory.dateFolder(DAY), kept));
  const unchanged = new UnchangedDays(place.directory);
  expect(await archive({ unchanged })).toMatchObject({ files: 2, foreign: 0, problems: [] });
  expect(judge(place.archive)).toEqual([imagePath(DAY, "Both", 1), imagePath(DAY, "Kept")]);
  await archive({ unchanged });
  // Also if the folder of the day is gone.
  rmSync(place.directory.dateFolder(DAY), { recursive: true });
  rmSync(join(place.archive, "images"), { recursive: true });
  expect(await archive({ dates: [DAY] })).toMatchObject({ files: 2, problems: [] });
  rmSync(place.archive, { recursive: true });
  ArchiveRoot.init(place.archive, place.directory);
  expect(await archive({ unchanged })).toMatchObject({ days: [DAY], files: 2 });
  const found = await verifyDay(place.settings, place.directory, DAY);
  expect(found).toMatchObject({ files: 2, archived: 2, problems: [] });
  writeFileSync(join(folder, kept), JPEG.subarray(0, -100));
  expect((await verifyDay(place.settings, place.directory, DAY)).problems).toHaveLength(2);
});

test("archiveDays says so if nothing is stored of a day that is named", async () => {
  expect((await archive({ dates: [DAY] })).problems).toEqual([
    `Cannot archive ${DAY}: nothing is stored of it`,
  ]);
});

test("archiveDays goes on with a day in the form that is set now", async () => {
  place.image(DAY, "Barn");
  await archive();
  place.format = "tar";
  place.image(DAY, "Late");
  await archive();
  place.format = "tree";
  place.image(DAY, "Later");
  await archive();
  expect(place.names()).toEqual([
    `${DAY}.tar`,
    `${DAY}.tar.sha256`,
    imagePath(DAY, "Barn"),
    imagePath(DAY, "Later"),
    `manifests/${DAY}.sha256`,
  ]);
  expect(judge(place.archive)).toHaveLength(3);
});

test("archiveDays makes a tree that is read like a data directory", async () => {
  place.image(DAY, "Barn");
  place.log(DAY);
  await archive();
  const days = readDays(new DataDirectory(place.archive), { today: TODAY, keeps: false });
  expect(days).toMatchObject([{ date: DAY, images: 1, bytes: JPEG.byteLength, events: 1 }]);
});

test("archiveDays keeps the times of files", async () => {
  const name = place.image(DAY, "Barn");
  utimesSync(join(place.directory.dateFolder(DAY), name), 1_632_391_200, 1_632_391_200);
  await archive();
  expect(statSync(join(place.archive, "images", DAY, name)).mtimeMs).toBe(1_632_391_200_000);
});

test("archiveDays writes through no link in the archive", async () => {
  place.image(DAY, "Barn");
  const elsewhere = join(place.path, "elsewhere");
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, join(place.archive, "images"));
  const { days, problems } = await archive();
  expect(days).toEqual([]);
  expect(problems[0]).toContain("ENOTDIR");
  expect(readdirSync(elsewhere)).toEqual([]);
});

test("archiveDays reads images and logs through links to another disk", async () => {
  place.image(DAY, "Barn");
  place.log(DAY);
  for (const folder of [place.directory.images, place.directory.logs]) {
    renameSync(folder, `${folder}-elsewhere`);
    symlinkSync(`${folder}-elsewhere`, folder);
  }
  expect(await archive()).toMatchObject({ files: 2, problems: [] });
});

test("dueDates counts from the day", () => {
  const dates = ["2024-03-02", "2024-02-28", "2024-02-29", "2024-03-01"];
  expect(dueDates(dates, "2024-03-01", 1)).toEqual(["2024-02-28", "2024-02-29"]);
  expect(dueDates(dates, "2024-03-01", 2)).toEqual(["2024-02-28"]);
  expect(dueDates(dates, "2024-03-31", 30)).toEqual(["2024-02-28", "2024-02-29", "2024-03-01"]);
});

test("archiveDays stops at the file at which another data directory is in the way", async () => {
  for (let second = 0; second < 20; second++) place.image(DAY, "Barn", second);
  const guard = guardAt(place.directory.path);
  const { path } = place.directory;
  const onProgress = (_: string, done: number): void => {
    if (done === 10) renameSync(path, `${path}-away`);
  };
  const stopped = await archive({ onProgress, check: () => guard.check(Part.images) });
  expect(stopped).toMatchObject({
    days: [],
    problems: [expect.stringContaining("is not there any more")],
  });
  expect(place.names()).toHaveLength(10);
  renameSync(`${path}-away`, path);
  expect(await archive()).toMatchObject({ days: [DAY], files: 10 });
});
