/**
 * Hubs whose disk was thrown away: what the bucket gives back of it, and what is found if it does
 * not have all.
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { lacks, PARTS, type Program } from "../../scripts/lib/available.ts";
import { EXIT } from "../../src/errors.ts";
import { size } from "../../src/log/amounts.ts";
import { Bucket } from "../../src/s3/bucket.ts";
import type { Target } from "../../src/s3/target.ts";
import { run } from "../support/archive/days.ts";
import { type CliResult, runCli, startCli } from "../support/hub/cli.ts";
import { startHub } from "../support/hub/hub.ts";
import { answered, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { judgeReplica, keysIn, replicateTo } from "../support/hub/replica.ts";
import { lacksMount, SmallDisk } from "../support/machine/file-system.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Ceph, makeBucket } from "../support/peers/ceph.ts";
import { Sender } from "../support/peers/sender.ts";
import { StoreProxy } from "../support/peers/store-proxy.ts";
import { BARN, FIXTURES, sha256 } from "./stored.ts";

setDefaultTimeout(120_000);

const NATIVE: Program = process.arch === "arm64" ? "arm64" : "x64";

const DAYS = ["2021-09-22", "2021-09-23"] as const;
const [FIRST, DAY] = DAYS;
const LOG = `imagehub.log.${DAY}`;

const nameOf = (date: string, second: number): string =>
  `Old-${date}T10.${String(Math.floor(second / 60)).padStart(2, "0")}.${String(second % 60).padStart(2, "0")}.000000.jpg`;

/** The path of an image of {@link DAY}. */
const pathOf = (second: number): string => `images/${DAY}/${nameOf(DAY, second)}`;

/** A line of the event log. */
const record = (date: string, n: number): string => `${date} 08:00:00,00${n} ~ Gate|n|${n}\n`;

/** A home with settings for a bucket, and a data directory that may be thrown away. */
class BucketHome implements Disposable {
  readonly #temp = tempDir();
  readonly path = this.#temp.path;
  readonly data: string;
  timezone = "UTC";

  constructor(
    readonly target: Target,
    { data, ...others }: Readonly<Record<string, unknown>> = {},
  ) {
    this.data = typeof data === "string" ? data : join(this.path, "imagehub_data");
    const hub = { data_directory: this.data, replicate: replicateTo(target, others) };
    writeFileSync(join(this.path, "imagehub.yaml"), stringify({ hub }));
    mkdirSync(join(this.data, "images"), { recursive: true });
  }

  /** Puts a file into the data directory. */
  put(path: string, content: Uint8Array | string): void {
    mkdirSync(dirname(join(this.data, path)), { recursive: true });
    writeFileSync(join(this.data, path), content);
  }

  /** Takes the disk away, and puts a new one in its place. @returns where the former one is */
  newDisk(): string {
    const former = join(this.path, "former");
    renameSync(this.data, former);
    mkdirSync(this.data);
    return former;
  }

  async cli(...args: readonly string[]): Promise<CliResult> {
    const { timezone, path } = this;
    return await runCli(args, { home: path, env: { TZ: timezone }, program: NATIVE });
  }

  async restore(...args: readonly string[]): Promise<CliResult> {
    return await this.cli("restore", "--from-bucket", ...args);
  }

  /** Waits until what the hub knows to be in the bucket of a day is as wanted. */
  async journal(date: string, isSo: (text: string) => boolean): Promise<void> {
    const path = join(this.data, ".imagehub/replicated", date);
    await answered(async () => (existsSync(path) ? readFileSync(path, "utf8") : ""), isSo);
  }

  [Symbol.dispose](): void {
    this.#temp[Symbol.dispose]();
  }
}

/** Puts objects into a bucket, by their keys. */
async function fill(
  target: Target,
  objects: Readonly<Record<string, Uint8Array | string>>,
): Promise<void> {
  const bucket = new Bucket(target);
  const all = Object.entries(objects);
  const putOthers = async (): Promise<void> => {
    for (let next = all.pop(); next !== undefined; next = all.pop()) {
      const body = new Uint8Array(Buffer.from(next[1]));
      expect(await bucket.put(next[0], { body, contentType: "image/jpeg" })).toBe("stored");
    }
  };
  await Promise.all(Array.from({ length: 16 }, putOthers));
}

/** A manifest, as sha256sum writes it. */
const manifestOf = (members: Readonly<Record<string, Uint8Array | string>>): string =>
  Object.entries(members)
    .map(([path, content]) => `${sha256(Buffer.from(content))}  ${path}\n`)
    .toSorted()
    .join("");

const IMAGE = readFileSync(BARN);

describe.skipIf(lacks("ceph", "python", ...PARTS[NATIVE]))("a new disk", () => {
  let store: Ceph;
  beforeAll(async () => {
    store = await Ceph.start();
  });
  afterAll(async () => {
    await store?.[Symbol.asyncDispose]();
  });

  test("is filled byte for byte, and the hub goes on as if nothing had happened", async () => {
    await using proxy = await StoreProxy.start(store.address.endpoint);
    const target = { ...(await makeBucket(store.address)), endpoint: new URL(proxy.endpoint) };
    using home = new BucketHome(target);
    for (const date of DAYS)
      for (const second of [0, 1, 2]) home.put(`images/${date}/${nameOf(date, second)}`, IMAGE);
    mkdirSync(join(home.data, "logs"));
    copyFileSync(join(FIXTURES, LOG), join(home.data, "logs", LOG));
    utimesSync(join(home.data, "logs", LOG), 1_632_500_000, 1_632_500_000);
    const options = {
      program: NATIVE,
      dir: home.path,
      env: WITH_HTTP,
      settings: { hub: { replicate: replicateTo(target) } },
    };
    let today: string;
    {
      await using hub = await startHub(options);
      home.timezone = hub.timezone;
      today = hub.today();
      await using sender = new Sender(hub.port);
      for (let count = 0; count < 9; count++)
        expect((await sender.jpg(`Barn|jpg|${count}`, { file: BARN })).reply).toBe("OK");
      expect((await sender.event("Gate|n|1")).reply).toBe("OK");
      await answered(
        async () => await keysIn(target, "barn/manifests/"),
        (keys) => keys.length === DAYS.length,
      );
      await answered(
        async () => (await statusOf(hub)).replication,
        (now) => now?.images === 15,
      );
      expect(await hub.stop()).toBe(EXIT.ok);
    }
    const well = `3 days, 16 files (${bytesOf(16)}) read; 16 files in the bucket: all is well\n`;
    proxy.requests.length = 0;
    expect(await home.cli("verify", "--bucket")).toEqual({ status: 0, stdout: well, stderr: "" });
    // Five kinds of names, the images of three days, today's lines, two manifests.
    expect(proxy.requests.filter((line) => !line.startsWith("GET "))).toEqual([]);
    expect(proxy.requests).toHaveLength(5 + 3 + 1 + 2);

    // A day without a manifest, and a file that somebody has changed here.
    const changed = `images/${today}/${readdirSync(join(home.data, "images", today)).at(-1)}`;
    const bytes = readFileSync(join(home.data, changed));
    writeFileSync(join(home.data, changed), bytes.with(500, bytes[500]! ^ 1));
    expect(await home.cli("verify", "--bucket")).toMatchObject({
      status: EXIT.failure,
      stderr: `${changed} here is not what was put into the bucket\n`,
    });
    writeFileSync(join(home.data, changed), bytes);

    const former = home.newDisk();
    const { status, stdout, stderr } = await home.restore();
    expect([status, stderr]).toEqual([EXIT.ok, ""]);
    expect(stdout).toStartWith("Restored 17 files");
    expect(stdout).toContain("\nbarn/ in the bucket belongs to another data directory, on ");
    run(home.path, "diff", "-r", join(former, "images"), join(home.data, "images"));
    expect(readdirSync(join(home.data, "logs")).toSorted()).toEqual(["imagehub.log", LOG]);
    run(home.path, "cmp", join(former, "logs", LOG), join(home.data, "logs", LOG));
    // The last line may have come while the hub ended.
    const log = readFileSync(join(home.data, "logs/imagehub.log"), "utf8");
    expect(readFileSync(join(former, "logs/imagehub.log"), "utf8")).toStartWith(log);
    expect(log).toContain("Gate|n|1\n");
    const [image = ""] = readdirSync(join(home.data, "images", today));
    const times = [former, home.data].map((data) => statSync(join(data, "images", today, image)));
    expect(Math.abs(times[0]!.mtimeMs - times[1]!.mtimeMs)).toBeLessThan(1000);

    expect((await home.restore()).stdout).toStartWith(
      "Restored 0 files (0 bytes) of 3 days; there already: 17 files\n",
    );
    expect(await home.cli("verify", "--bucket")).toEqual({ status: 0, stdout: well, stderr: "" });
    expect((await home.cli("replicate", "adopt")).status).toBe(EXIT.ok);

    const before = await keysIn(target);
    proxy.requests.length = 0;
    await using hub = await startHub(options);
    for (const date of DAYS)
      await home.journal(date, (text) => text.includes(`manifests/${date}.sha256`));
    await home.journal(today, (text) => text.split("\n").length > 9);
    const { replication } = await statusOf(hub);
    expect(replication).toMatchObject({ images: 0, differences: 0 });
    expect(await hub.stop()).toBe(EXIT.ok);
    expect(proxy.requests.filter((line) => /^PUT .*\/images\//u.test(line))).toEqual([]);
    expect(linesWith(hub, "differs")).toEqual([]);
    const added = (await keysIn(target)).filter((key) => !before.includes(key));
    expect(added.filter((key) => !key.startsWith(`barn/logs/${today}/`))).toEqual([]);
    const { different, segments } = await judgeReplica(target, home.data);
    expect(different).toEqual([]);
    expect(segments[today]).toStartWith(log);
    expect(segments[today]?.match(/Starting imagehub/gu)).toHaveLength(2);
  });

  test("goes on after kill -9, with a store that fails, and no file is ever half", async () => {
    await using proxy = await StoreProxy.start(store.address.endpoint);
    const target = await makeBucket(store.address);
    using home = new BucketHome({ ...target, endpoint: new URL(proxy.endpoint) });
    rmSync(join(home.data, "images"), { recursive: true });
    const count = 320;
    const members = Object.fromEntries(
      Array.from({ length: count }, (_, second) => [
        pathOf(second),
        Buffer.alloc(9000, `${second} `),
      ]),
    );
    const objects = Object.entries(members).map(([path, bytes]) => [`barn/${path}`, bytes]);
    await fill(target, Object.fromEntries(objects));
    await fill(target, { [`barn/manifests/${DAY}.sha256`]: manifestOf(members) });
    const folder = join(home.data, "images", DAY);
    const there = (): string[] => {
      const names = new Bun.Glob(`*`).scanSync({ cwd: home.data, dot: true });
      expect([...names].filter((name) => name.startsWith(".incoming"))).toEqual([]);
      try {
        return readdirSync(folder);
      } catch {
        return [];
      }
    };
    {
      const args = ["restore", "--from-bucket", "--path", home.path];
      await using child = startCli(args, { home: home.path, program: NATIVE });
      // The first 256 get their names together.
      while (proxy.requests.length < 300 && child.exitCode === null) {
        there();
        await Bun.sleep(1);
      }
      child.kill("SIGKILL");
      await child.exited;
    }
    const some = there();
    expect(some.length).toBe(256);
    for (const name of some)
      expect(readFileSync(join(folder, name)).equals(members[`images/${DAY}/${name}`]!)).toBe(true);
    proxy.faults.push("busy", "cut", "busy", "cut", "lost", "busy", "cut", "cut", "busy", "lost");
    const { status, stdout, stderr } = await home.restore(DAY);
    expect([status, stdout.split("\n")[0]]).toEqual([
      EXIT.ok,
      `Restored ${count - some.length} files (${size((count - some.length) * 9000)}) of 1 day; there already: ${some.length} files`,
    ]);
    expect(stderr).toContain("; trying again\n");
    expect(there().length).toBe(count);
    for (const [path, bytes] of Object.entries(members))
      expect(readFileSync(join(home.data, path)).equals(bytes)).toBe(true);
    expect(readdirSync(join(home.data, ".imagehub/restore"))).toEqual([]);
  });

  describe("with a bucket that is not as it was", () => {
    /** A day with five images, of which one is damaged there, one missing, and one changed here. */
    async function setUp(): Promise<BucketHome> {
      const target = await makeBucket(store.address);
      const home = new BucketHome(target);
      const all = [0, 1, 2, 3, 4].map((second) => [pathOf(second), IMAGE] as const);
      for (const [name, bytes] of all) home.put(name, bytes);
      const changed = Buffer.from(IMAGE);
      changed[changed.length >> 1]! ^= 1;
      home.put(pathOf(2), changed);
      const manifest = manifestOf(Object.fromEntries(all));
      await fill(target, {
        [`barn/${pathOf(0)}`]: changed,
        [`barn/${pathOf(2)}`]: IMAGE,
        [`barn/${pathOf(3)}`]: IMAGE,
        [`barn/${pathOf(4)}`]: IMAGE,
        [`barn/${pathOf(5)}`]: IMAGE,
        [`barn/manifests/${DAY}.sha256`]: manifest,
        "barn/hub.json": "{}",
        [`barn/days/${DAY}.json`]: "{}",
        "barn/test/2021-09-24T10.00.00.000Z.txt": "a test",
      });
      return home;
    }

    const FOUND: [string, string, string, string] = [
      `barn/${pathOf(0)} in the bucket is not what its manifest says`,
      `barn/${pathOf(1)} is missing in the bucket, though its manifest has it`,
      `${pathOf(2)} is not what its manifest in the bucket says`,
      `barn/${pathOf(5)} in the bucket is in no manifest`,
    ];

    test("verify names each object and each file that is wrong", async () => {
      using home = await setUp();
      // One that waits is no fault.
      home.put(pathOf(6), IMAGE);
      const first = await home.cli("verify", "--bucket", DAY);
      expect([first.status, first.stderr.trimEnd().split("\n").toSorted()]).toEqual([
        EXIT.failure,
        FOUND.toSorted(),
      ]);
      expect(first.stdout).toEndWith("5 files in the bucket, and 1 not there yet: 4 problems\n");
      // Keys that are nobody's, and lines that are missing or not those here.
      const foreign = [
        "notes.txt",
        "images/x.jpg",
        `images/${DAY}/beach.jpg`,
        `days/x`,
        "logs/y/z",
      ];
      await fill(home.target, Object.fromEntries(foreign.map((key) => [`barn/${key}`, "x"])));
      await fill(home.target, {
        "barn/logs/2021-09-24/000000000000": record("2021-09-24", 1),
        "barn/logs/2021-09-24/000000000099": record("2021-09-24", 3),
        [`barn/logs/${FIRST}/000000000000`]: record(FIRST, 1),
      });
      home.put("logs/imagehub.log", record(FIRST, 7));
      const { stdout, status } = await home.cli("verify", "--bucket", "--json");
      const { problems, days } = JSON.parse(stdout);
      expect([status, problems.toSorted()]).toEqual([
        EXIT.failure,
        [
          ...FOUND,
          `barn/days/x in the bucket is not the hub's`,
          `barn/images/${DAY}/beach.jpg in the bucket is not the hub's`,
          "barn/images/x.jpg in the bucket is not the hub's",
          "barn/logs/y/ in the bucket is not the hub's",
          "barn/notes.txt in the bucket is not the hub's",
          `barn/logs/${FIRST}/000000000000 in the bucket has other lines than logs/imagehub.log here`,
          `Lines are missing before barn/logs/2021-09-24/000000000099 in the bucket: ${99 - record("2021-09-24", 1).length} bytes of the log`,
        ].toSorted(),
      ]);
      expect(days.map((day: { date: string }) => day.date)).toEqual([FIRST, DAY, "2021-09-24"]);
      expect(days[1].bucket).toMatchObject({ objects: 5, waiting: 1 });
    });

    test("verify --deep reads what is no longer here", async () => {
      using home = await setUp();
      rmSync(join(home.data, "images", DAY), { recursive: true });
      const wrong = [FOUND[1], FOUND[3]];
      const shallow = await home.cli("verify", "--bucket");
      expect(shallow.stderr.trimEnd().split("\n").toSorted()).toEqual(wrong.toSorted());
      const deep = await home.cli("verify", "--bucket", "--deep");
      expect(deep.stderr.trimEnd().split("\n").toSorted()).toEqual([FOUND[0], ...wrong].toSorted());
      expect((await home.cli("verify", "--deep")).status).toBe(EXIT.usage);
    });

    test("restore brings back the rest, says what is wrong, and overwrites nothing", async () => {
      using home = await setUp();
      const changed = readFileSync(join(home.data, pathOf(2)));
      for (const second of [0, 1, 3]) rmSync(join(home.data, pathOf(second)));
      const dry = await home.restore("--dry-run");
      expect(dry.stdout).toStartWith(
        `Would restore 3 files (${bytesOf(3, false)}) of 1 day; there already: 1 file\n`,
      );
      const { status, stdout, stderr } = await home.restore("--protect");
      expect([status, stderr.trimEnd().split("\n").toSorted()]).toEqual([
        EXIT.failure,
        [
          FOUND[0],
          FOUND[1],
          `${pathOf(2)} is stored with another content, which stays as it is`,
        ].toSorted(),
      ]);
      expect(stdout).toStartWith(
        `Restored 2 files (${bytesOf(2, false)}) of 1 day; there already: 1 file\nProtected: 3 images\n`,
      );
      expect(readFileSync(join(home.data, pathOf(2))).equals(changed)).toBe(true);
      expect(readdirSync(join(home.data, "images", DAY)).toSorted()).toEqual(
        [2, 3, 4, 5].map((second) => nameOf(DAY, second)),
      );
    });
  });

  test("gets the lines of days that were open, also when its hub has begun another log", async () => {
    const target = await makeBucket(store.address);
    const lines = (date: string): string => [1, 2, 3].map((n) => record(date, n)).join("");
    const at = (date: string, count: number): string =>
      `barn/logs/${date}/${String(count * record(date, 1).length).padStart(12, "0")}`;
    await fill(
      target,
      Object.fromEntries(
        DAYS.flatMap((date) => [
          [at(date, 0), record(date, 1)],
          [at(date, 1), record(date, 2) + record(date, 3)],
        ]),
      ),
    );
    using home = new BucketHome(target);
    const own = "2021-09-24 09:00:00,000 ~ Gate|n|9\n";
    home.put("logs/imagehub.log", own);
    expect((await home.restore()).stdout).toContain(
      `logs/imagehub.log has been begun already, so the lines of ${DAY} are in logs/${LOG}\n`,
    );
    const logs = (): Record<string, string> =>
      Object.fromEntries(
        readdirSync(join(home.data, "logs")).map((name) => [
          name,
          readFileSync(join(home.data, "logs", name), "utf8"),
        ]),
      );
    const first = { [`imagehub.log.${FIRST}`]: lines(FIRST) };
    expect(logs()).toEqual({ "imagehub.log": own, ...first, [LOG]: lines(DAY) });
    // Without one, the hub goes on with the last day's.
    for (const name of ["imagehub.log", LOG]) rmSync(join(home.data, "logs", name));
    expect((await home.restore()).status).toBe(EXIT.ok);
    expect(logs()).toEqual({ "imagehub.log": lines(DAY), ...first });
    appendFileSync(join(home.data, "logs/imagehub.log"), record(DAY, 4));
    expect((await home.restore()).stdout).toStartWith(
      "Restored 0 files (0 bytes) of 2 days; there already: 2 files\n",
    );
    // One that differs stays.
    writeFileSync(join(home.data, "logs", `imagehub.log.${FIRST}`), own);
    const { stderr } = await home.restore(FIRST);
    expect(stderr).toBe(
      `logs/imagehub.log.${FIRST} has other lines than the bucket, and stays as it is\n`,
    );
    expect(logs()[`imagehub.log.${FIRST}`]).toBe(own);
    // A hub that has adopted the folder goes on after those lines.
    await fill(target, { [at(DAY, 3)]: record(DAY, 5) });
    home.put("logs/imagehub.log", record(DAY, 5) + record(DAY, 6));
    expect((await home.cli("verify", "--bucket", DAY)).stderr).toBe("");
    expect((await home.restore(DAY)).status).toBe(EXIT.ok);
    expect(logs()[LOG]).toBe(lines(DAY));
    expect((await home.restore(DAY)).stdout).toStartWith(
      "Restored 0 files (0 bytes) of 1 day; there already: 1 file\n",
    );
    expect((await home.cli("verify", "--bucket", DAY)).stderr).toBe("");
  });

  test("is filled under a running hub, which then adopts the folder and puts nothing twice", async () => {
    await using proxy = await StoreProxy.start(store.address.endpoint);
    const target = { ...(await makeBucket(store.address)), endpoint: new URL(proxy.endpoint) };
    const members = Object.fromEntries([0, 1, 2].map((second) => [pathOf(second), IMAGE]));
    const owner = '{"id": "0aa6f45c-5e3b-4f5e-9a3e-6e1f4f1f3f11", "host": "pi-former"}';
    await fill(target, {
      ...Object.fromEntries(Object.keys(members).map((path) => [`barn/${path}`, IMAGE])),
      [`barn/manifests/${DAY}.sha256`]: manifestOf(members),
      "barn/hub.json": owner,
    });
    using home = new BucketHome(target);
    await using hub = await startHub({
      program: NATIVE,
      dir: home.path,
      env: WITH_HTTP,
      settings: { hub: { replicate: replicateTo(target) } },
    });
    await until(hub, () => linesWith(hub, "belongs to another data directory").length === 1);
    expect((await home.restore()).stdout).toContain(
      "\nbarn/ in the bucket belongs to another data directory, on pi-former. If that hub is gone",
    );
    expect((await home.cli("replicate", "adopt")).status).toBe(EXIT.ok);
    await using sender = new Sender(hub.port);
    expect((await sender.jpg("Barn|jpg|", { file: BARN })).reply).toBe("OK");
    await home.journal(DAY, (text) => text.includes(`manifests/${DAY}.sha256`));
    const state = await answered(
      async () => (await statusOf(hub)).replication,
      (now) => now?.images === 1,
    );
    expect(state?.differences).toBe(0);
    // Whose the folder was is of no interest any more.
    expect(state!.connected_since! > state!.last_error!.time).toBe(true);
    expect(proxy.requests.filter((line) => /^PUT .*\/images\//u.test(line))).toHaveLength(1 + 3);
    expect(await home.cli("verify", "--bucket", DAY)).toMatchObject({ status: EXIT.ok });
  });

  test("gets the folder of another hub if that is asked for", async () => {
    const target = await makeBucket(store.address);
    await fill(target, { [`cellar/images/${DAY}/${nameOf(DAY, 0)}`]: IMAGE });
    using home = new BucketHome(target);
    expect(await home.restore()).toEqual({
      status: EXIT.failure,
      stdout: "",
      stderr: `The bucket ${target.bucket} has no days in barn/; it has cellar/\n`,
    });
    expect((await home.restore("--hub", "../x")).status).toBe(EXIT.usage);
    expect((await home.cli("restore", DAY, "--hub", "cellar")).status).toBe(EXIT.usage);
    const json = await home.restore("--hub", "cellar", FIRST, DAY, "--json");
    expect(JSON.parse(json.stdout)).toEqual({
      dry_run: false,
      days: [{ date: DAY, files: 1, bytes: IMAGE.length, same: 0 }],
      files: 1,
      bytes: IMAGE.length,
      same: 0,
      problems: [`${FIRST} is not in cellar/ of the bucket`],
      notes: [],
      stopped: false,
    });
    using stranger = new BucketHome({ ...target, secretKey: "WRONG" });
    for (const command of [
      ["restore", "--from-bucket"],
      ["verify", "--bucket"],
    ]) {
      const { status, stderr } = await stranger.cli(...command);
      expect([status, stderr]).toEqual([
        EXIT.refused,
        expect.stringContaining("does not accept the secret key"),
      ]);
    }
  });

  test.skipIf(lacksMount())("that is full has whole files, and says what is missing", async () => {
    const target = await makeBucket(store.address);
    const images = Array.from({ length: 30 }, (_, n) => [
      `barn/images/${DAY}/${nameOf(DAY, n)}`,
      IMAGE,
    ]);
    await fill(target, {
      ...Object.fromEntries(images),
      [`barn/images/${FIRST}/${nameOf(FIRST, 0)}`]: IMAGE,
    });
    using few = new SmallDisk("nr_inodes=22");
    using home = new BucketHome(target, { data: few.path });
    const full = await home.restore();
    expect(full.status).toBe(EXIT.failure);
    expect(full.stderr).toStartWith("The disk is full: ");
    const names = readdirSync(join(few.path, "images", DAY));
    expect(names.length).toBeWithin(5, 20);
    expect(full.stdout).toStartWith(`Restored ${names.length} files`);
    for (const name of names)
      expect(readFileSync(join(few.path, "images", DAY, name)).equals(IMAGE)).toBe(true);
    using small = new SmallDisk("size=1m");
    using other = new BucketHome(target, { data: small.path });
    const { status, stderr } = await other.restore();
    expect(status).toBe(EXIT.failure);
    expect(stderr).toMatch(/^2021-09-23 is not restored: .* are needed, .* are free\n$/u);
    expect((await other.restore(FIRST)).status).toBe(EXIT.ok);
  });
});

/** Images, and the event log of a day, as they are told. */
function bytesOf(files: number, hasLog = true): string {
  const log = hasLog ? statSync(join(FIXTURES, LOG)).size - IMAGE.length : 0;
  return size(files * IMAGE.length + log);
}
