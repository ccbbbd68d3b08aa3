/**
 * A hub that keeps order in its data directory, end to end, on a disk of its own.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { freePort } from "../../scripts/lib/free-port.ts";
import { daysAfter } from "../../src/protocol/calendar.ts";
import { parseRecord } from "../../src/catalog/record.ts";
import { LoopDisk } from "../faults/disk.ts";
import { FaultHub } from "../faults/hub.ts";
import { judge, logLines, problemsOf } from "../faults/judge.ts";
import { Senders } from "../faults/senders.ts";
import { answered, get, httpOf, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { startHub } from "../support/hub/hub.ts";
import { lacksMount } from "../support/machine/file-system.ts";
import { tempDir } from "../support/machine/temp.ts";
import { addImage, dataDirectory, datesOf, namesOf } from "../support/store/days.ts";
import type { DataDirectory } from "../../src/store/data-directory.ts";

setDefaultTimeout(120_000);

/** Fills days before a date. @returns their dates, the earliest first */
function fillDays(
  directory: DataDirectory,
  today: string,
  days: number,
  images: number,
  bytes: number,
): string[] {
  return Array.from({ length: days }, (_, index) => {
    const date = daysAfter(today, index - days);
    for (let image = 0; image < images; image++) {
      const minutes = Math.floor((image * 1440) / images);
      const time = [Math.floor(minutes / 60), minutes % 60]
        .map((part) => String(part).padStart(2, "0"))
        .join(":");
      addImage(directory, date, time, `Old-${image % 3}`, bytes);
    }
    return date;
  });
}

/** Today in UTC, which the hubs here have as their zone. */
const today = (): string => new Date().toISOString().slice(0, 10);

describe.skipIf(lacksMount())("a disk that is filled by cameras", () => {
  test.each([
    ["space", { bytes: 64 * 2 ** 20 }, 100_000],
    ["inodes", { bytes: 64 * 2 ** 20, inodes: 1500 }, 1000],
  ] as const)("prunes itself back when it runs out of %s", async (_, options, size) => {
    using disk = new LoopDisk(options);
    const data = `${disk.path}/data`;
    const directory = dataDirectory(data);
    const isSmall = "inodes" in options;
    const dates = fillDays(directory, today(), 12, 100, isSmall ? 10 : 40_000);
    await using hub = new FaultHub({
      program: process.arch === "x64" ? "x64" : "arm64",
      data,
      settings: { keep: { min_free: "15 %" } },
      env: { TZ: "UTC" },
    });
    await hub.start();
    await using senders = new Senders(hub.address, { images: 4, events: 1, size, pauseMs: 20 });
    // Days are left that make room until the senders have stopped, however slow this machine is.
    for (let tries = 0; tries < 4000 && datesOf(directory).includes(dates[2]!); tries++)
      await Bun.sleep(10);
    // What is refused meanwhile is taken again unaided.
    expect(await senders.firstOk(Date.now() / 1000, "image")).toBeDefined();
    const journal = await senders.stop();
    expect(await hub.stop()).toBe(0);

    expect(datesOf(directory)).not.toContain(dates[2]);
    expect(problemsOf(judge(data, journal, /^Old-/))).toEqual([]);
    const records = logLines(data)
      .map((line) => parseRecord(line.slice(line.indexOf("~") + 2)))
      .filter((record) => record !== undefined);
    expect(new Set(records.map(({ reason }) => reason))).toEqual(new Set(["min_free"]));
    const left = dates.reduce((sum, date) => sum + namesOf(directory, date).length, 0);
    expect(records.reduce((sum, { count }) => sum + count, 0)).toBe(12 * 100 - left);
  });
});

describe.skipIf(lacksMount())("a disk that something else fills", () => {
  const settings = { hub: { keep: { min_free: "10 %" } } };

  test("costs as many images as are needed, however fast it fills", async () => {
    using disk = new LoopDisk({ bytes: 256 * 2 ** 20 });
    const directory = dataDirectory(`${disk.path}/imagehub_data`);
    const dates = fillDays(directory, today(), 20, 120, 50_000);
    await using hub = await startHub({ dir: disk.path, env: WITH_HTTP, timezone: "UTC", settings });
    await answered(
      async () => await statusOf(hub),
      ({ kept }) => kept !== null,
    );
    const { bavail, bsize } = statfsSync(disk.path);
    // Ten megabytes less than the rule asks for, in a moment.
    const bytes = bavail * bsize - 0.1 * 256 * 2 ** 20 + 10e6;
    Bun.spawnSync(["fallocate", "-l", String(Math.floor(bytes)), `${disk.path}/other.bin`]);
    await answered(
      async () => await statusOf(hub),
      ({ kept }) => (kept?.pruned["min_free"]?.count ?? 0) > 0,
    );
    await Bun.sleep(3000);
    const left = dates.filter((date) => namesOf(directory, date).length > 0).length;
    // Two days are 12 MB; four of them would be far too many.
    expect(left).toBeGreaterThanOrEqual(16);
    expect((await statusOf(hub)).notices.join()).not.toContain("cannot be kept");
  });

  test("does not delete image after image if that frees nothing", async () => {
    using disk = new LoopDisk({ bytes: 256 * 2 ** 20 });
    const directory = dataDirectory(`${disk.path}/imagehub_data`);
    const dates = fillDays(directory, today(), 20, 120, 50_000);
    const held = dates.flatMap((date) =>
      namesOf(directory, date).map((name) =>
        openSync(`${directory.dateFolder(date)}/${name}`, "r"),
      ),
    );
    try {
      const { bavail, bsize } = statfsSync(disk.path);
      const bytes = Math.floor(bavail * bsize - 20e6);
      Bun.spawnSync(["fallocate", "-l", String(bytes), `${disk.path}/other.bin`]);
      await using hub = await startHub({
        dir: disk.path,
        env: WITH_HTTP,
        timezone: "UTC",
        settings,
      });
      await answered(
        async () => (await statusOf(hub)).notices.join(),
        (notices) => notices.includes("deleting frees nothing"),
      );
      await Bun.sleep(8000);
      const left = dates.reduce((sum, date) => sum + namesOf(directory, date).length, 0);
      expect(left).toBeGreaterThan(held.length - 300);
    } finally {
      for (const fd of held) closeSync(fd);
    }
  });
});

describe("a hub without rules", () => {
  test("deletes nothing, and says when the disk will be full", async () => {
    using home = tempDir();
    const directory = dataDirectory(`${home.path}/imagehub_data`);
    const dates = fillDays(directory, today(), 9, 4, 1000);
    // A sparse file, so that a day seems to take half of what the disk has left.
    const disk = Bun.spawnSync(["stat", "-f", "-c", "%a %S", home.path]).stdout.toString();
    const [blocks = 0, bytes = 0] = disk.trim().split(" ").map(Number);
    const [name] = namesOf(directory, dates[8]!);
    Bun.spawnSync([
      "truncate",
      "-s",
      String(Math.floor(blocks * bytes)),
      `${directory.dateFolder(dates[8]!)}/${name}`,
    ]);
    await using hub = await startHub({ dir: home.path, env: WITH_HTTP, timezone: "UTC" });
    const status = await answered(
      async () => await statusOf(hub),
      ({ kept }) => kept !== null,
    );
    expect(status.kept).toMatchObject({ days: 9, images: 36, pruned: {} });
    expect(status.disk.full_in_days).toBeCloseTo(7, 0);
    const line = /^The disk will be full in [67] days at this week's rate; see keep.min_free$/;
    expect(status.notices[0]).toMatch(line);
    const [code, health] = await get(`${httpOf(hub)}/healthz`);
    expect([code, health.split("\n")[0]]).toEqual([200, "ok"]);
    expect(health.split("\n")[1]).toMatch(line);
    expect(hub.output()).toContain("The disk will be full in");
    expect(datesOf(directory)).toEqual(dates);
  });
});

test("a command deletes beside a running hub, and only one deletes at a time", async () => {
  using home = tempDir();
  const directory = dataDirectory(`${home.path}/imagehub_data`);
  const dates = fillDays(directory, today(), 5, 3, 1000);
  const env = { TZ: "UTC", IMAGEHUB_KEEP_DAYS: "3" };
  await using hub = await startHub({ dir: home.path, timezone: "UTC" });
  const prune = async (): Promise<[number, string]> => {
    const command = [process.execPath, `${import.meta.dir}/../../src/main.ts`, "prune"];
    const child = Bun.spawn([...command, "--path", home.path], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return [await child.exited, out + err];
  };
  expect(await prune()).toEqual([0, `Pruned 1 day, 3 images, 3.0 kB: days (${dates[0]})\n`]);
  expect(datesOf(directory)).toEqual(dates.slice(1));
  expect(hub.log().at(-1)).toEndWith(` ~ Pruned 1 day, 3 images, 3.0 kB: days (${dates[0]})`);
  expect(await prune()).toEqual([0, "Nothing is due to be deleted\n"]);
  mkdirSync(directory.own, { recursive: true });
  const held = Bun.spawn(["flock", `${directory.own}/prune.lock`, "sleep", "60"]);
  try {
    await Bun.sleep(300);
    const [status, text] = await prune();
    expect(status).toBe(1);
    expect(text).toContain("is deleting images right now");
  } finally {
    held.kill("SIGKILL");
    await held.exited;
  }
  expect(readdirSync(directory.images)).toHaveLength(4);
});

test("a command deletes nothing in a directory that the running hub refuses", async () => {
  using home = tempDir();
  const data = `${home.path}/imagehub_data`;
  fillDays(dataDirectory(data), today(), 5, 3, 1000);
  const env = { TZ: "UTC", IMAGEHUB_HTTP_LISTEN: `127.0.0.1:${freePort()}` };
  await using hub = await startHub({ dir: home.path, timezone: "UTC", env });
  // As if its disk were unmounted, with a former data directory below.
  renameSync(data, `${data}-away`);
  const dates = fillDays(dataDirectory(data), today(), 5, 3, 1000);
  await answered(
    async () => await statusOf(hub),
    (status) => status.data_directory_problem !== null,
  );
  const main = `${import.meta.dir}/../../src/main.ts`;
  symlinkSync(data, `${home.path}/link`);
  for (const options of [[], ["--dry-run"], ["--data", `${home.path}/link`]]) {
    const { exitCode, stderr } = Bun.spawnSync(
      [process.execPath, main, "prune", "--path", home.path, ...options],
      { env: { ...process.env, ...env, IMAGEHUB_KEEP_DAYS: "3" } },
    );
    expect(stderr.toString()).toContain(
      `Nothing is deleted, as the running hub stores nothing here: The data directory ${data} is another one than at the start`,
    );
    expect(exitCode).toBe(73);
  }
  expect(datesOf(dataDirectory(data))).toEqual(dates);
});

describe.skipIf(lacksMount())("a hub with an archive", () => {
  test("deletes only what is archived, also when the archive comes later", async () => {
    using home = tempDir();
    using disk = new LoopDisk({ bytes: 64 * 2 ** 20 });
    const directory = dataDirectory(`${home.path}/imagehub_data`);
    const dates = fillDays(directory, today(), 5, 4, 1000);
    mkdirSync(directory.own);
    const threeDaysAgo = new Date(Date.now() - 3 * 86_400_000).toISOString();
    writeFileSync(`${directory.own}/archive-success`, `${threeDaysAgo}\n`);
    disk.unmount();
    await using hub = await startHub({
      dir: home.path,
      env: WITH_HTTP,
      timezone: "UTC",
      settings: { hub: { keep: { days: 3 }, archive: { directory: disk.path } } },
    });
    const withoutDisk = await answered(
      async () => await statusOf(hub),
      ({ archive, kept }) => kept !== null && archive?.problem !== null,
    );
    expect(withoutDisk.notices.join("\n")).toContain("must be archived (archive.required) first");
    expect(withoutDisk.notices.join("\n")).toContain(
      "The archive has not been up to date for 3 days: ",
    );
    expect(readdirSync(disk.path)).toEqual([]);
    expect(datesOf(directory)).toEqual(dates);
    disk.mount();
    const archived = Bun.spawnSync(
      [process.execPath, `${import.meta.dir}/../../src/main.ts`, "archive", "--path", home.path],
      { env: { ...process.env, TZ: "UTC" } },
    );
    expect([archived.exitCode, archived.stderr.toString()]).toEqual([0, ""]);
    const pruned = Bun.spawnSync(
      [process.execPath, `${import.meta.dir}/../../src/main.ts`, "prune", "--path", home.path],
      { env: { ...process.env, TZ: "UTC" } },
    );
    expect(pruned.stdout.toString()).toBe(`Pruned 1 day, 4 images, 4.0 kB: days (${dates[0]})\n`);
    expect(datesOf(directory)).toEqual(dates.slice(1));
    expect(readdirSync(`${disk.path}/images`).toSorted()).toEqual(dates);
    expect(
      Bun.spawnSync(["sh", "-c", "sha256sum -c --quiet manifests/*"], { cwd: disk.path }).exitCode,
    ).toBe(0);
  });
});
