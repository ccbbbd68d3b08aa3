import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { lacks, PARTS, PROGRAMS, type Program } from "../../scripts/lib/available.ts";
import { runCli } from "../support/hub/cli.ts";
import { ExfatDisk, lacksMount, SmallDisk } from "../support/machine/file-system.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { answered, get, httpOf, WITH_HTTP } from "../support/hub/http.ts";
import { Sender } from "../support/peers/sender.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { tempDir } from "../support/machine/temp.ts";
import { LoopDisk } from "../faults/disk.ts";

setDefaultTimeout(120_000);

/** A hub and a camera. */
class Bench implements AsyncDisposable {
  readonly sender: Sender;
  sent = 0;

  private constructor(
    readonly hub: Hub,
    readonly data: string,
  ) {
    this.sender = new Sender(hub.port, { timeoutMs: 5000 });
  }

  static async start(data: string, program: Program = "source", settings = {}): Promise<Bench> {
    const hub = await startHub({
      program,
      env: WITH_HTTP,
      settings: { hub: { data_directory: data, ...settings } },
    });
    return new Bench(hub, data);
  }

  /** Sends an image and an event. @returns both replies */
  async send(): Promise<(string | null)[]> {
    this.sent += 1;
    const image = await this.sender.jpg("Barn|jpg|", { size: 20_000, seed: this.sent });
    const event = await this.sender.event(`Barn|Count|${this.sent}`);
    return [image.reply, event.reply];
  }

  /** Images and events that stand at the path now. */
  stored(): [images: number, events: number] {
    const images = join(this.data, "images");
    const names = existsSync(images)
      ? readdirSync(images, { recursive: true, encoding: "utf8" })
      : [];
    const log = join(this.data, "logs/imagehub.log");
    const lines = existsSync(log) ? readFileSync(log, "utf8").split("\n") : [];
    return [
      names.filter((name) => name.endsWith(".jpg")).length,
      lines.filter((line) => line.includes(" ~ Barn|")).length,
    ];
  }

  async expectStored(): Promise<void> {
    const [images, events] = this.stored();
    expect(await this.send()).toEqual(["OK", "OK"]);
    expect(this.stored()).toEqual([images + 1, events + 1]);
  }

  async expectRefused(problem: string): Promise<void> {
    const reply = `ERROR cannot store: ${problem}`;
    expect(await this.send()).toEqual([
      expect.stringContaining(reply),
      expect.stringContaining(reply),
    ]);
  }

  /** Waits until /healthz says so. */
  async expectHealth(wanted: number, problem = "ok"): Promise<void> {
    const [status, text] = await answered(
      async () => await get(`${httpOf(this.hub)}/healthz`),
      ([found]) => found === wanted,
    );
    expect([status, text]).toEqual([wanted, expect.stringContaining(problem)]);
  }

  /** What the hub has logged of the data directory: at warn, and at info. */
  said(): [warnings: number, infos: number] {
    return [
      linesWith(this.hub, " warn  Nothing can be stored: ").length,
      linesWith(this.hub, "is back; the hub").length,
    ];
  }

  async expectSaid(warnings: number, infos: number): Promise<void> {
    await until(
      this.hub,
      () => this.said()[0] >= warnings && this.said()[1] >= infos,
      "what is to be logged",
    );
    expect(this.said()).toEqual([warnings, infos]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sender[Symbol.asyncDispose]();
    await this.hub[Symbol.asyncDispose]();
  }
}

const missing = (data: string): string => `The data directory ${data} is not there any more: `;
const replaced = (data: string): string =>
  `The data directory ${data} is another one than at the start: `;

function lazily(path: string): void {
  expect(Bun.spawnSync(["umount", "--lazy", path]).success).toBe(true);
}

const programs = PROGRAMS.filter((program) => program !== "arm64");

describe.skipIf(lacks("python"))("a data directory that goes away while the hub runs", () => {
  describe.each(programs)("(%s)", (program) => {
    test.skipIf(lacks(...PARTS[program]))(
      "is neither made again nor written elsewhere when it was moved, and is used again when it is back",
      async () => {
        using temp = tempDir();
        const data = join(temp.path, "data");
        await using bench = await Bench.start(data, program);
        await bench.expectStored();
        await bench.expectHealth(200);
        renameSync(data, `${data}.away`);
        await bench.expectRefused(missing(data));
        await bench.expectHealth(503, missing(data));
        await bench.expectSaid(1, 0);
        await bench.expectRefused(missing(data));
        expect(readdirSync(temp.path)).toEqual(["data.away"]);
        renameSync(`${data}.away`, data);
        await bench.expectSaid(1, 1);
        await bench.expectHealth(200);
        await bench.expectStored();
        expect(bench.stored()).toEqual([2, 2]);
        expect(await bench.hub.stop()).toBe(EXIT.ok);
      },
    );
  });

  test("is not taken for another one with the same tree, nor is that written to", async () => {
    using temp = tempDir();
    const data = join(temp.path, "data");
    await using bench = await Bench.start(data, "source", { ack: "synced" });
    await bench.expectStored();
    renameSync(data, `${data}.away`);
    cpSync(`${data}.away`, data, { recursive: true, filter: (path) => !path.endsWith(".lock") });
    await bench.expectRefused(replaced(data));
    await bench.expectHealth(503, replaced(data));
    expect(bench.stored()).toEqual([1, 1]);
    rmSync(data, { recursive: true });
    renameSync(`${data}.away`, data);
    await bench.expectHealth(200);
    await bench.expectStored();
  });

  test("is locked wherever it is, and the lock is made again when its file was removed", async () => {
    using temp = tempDir();
    const data = join(temp.path, "data");
    await using bench = await Bench.start(data);
    const expectInUse = async (path: string): Promise<void> => {
      const second = await runCli(["run", "--data", path, "--port", String(freePort())], {
        home: join(temp.path, "second"),
      });
      expect(second.status).toBe(EXIT.data);
      expect(second.stderr).toContain(
        `The data directory ${path} is in use by imagehub, process ${bench.hub.pid} on `,
      );
    };
    rmSync(join(data, ".imagehub.lock"));
    await until(
      bench.hub,
      () => linesWith(bench.hub, "The lock file of the data directory was removed").length > 0,
    );
    await expectInUse(data);
    await bench.expectStored();
    await bench.expectHealth(200);
    renameSync(data, `${data}.away`);
    await bench.expectSaid(1, 0);
    await expectInUse(`${data}.away`);
  });

  test("is left to a hub that has taken its lock", async () => {
    using temp = tempDir();
    const data = join(temp.path, "data");
    await using bench = await Bench.start(data);
    // It stands still, so that it cannot make the lock again first.
    process.kill(bench.hub.pid, "SIGSTOP");
    rmSync(join(data, ".imagehub.lock"));
    await using second = await Bench.start(data);
    process.kill(bench.hub.pid, "SIGCONT");
    await second.expectStored();
    await bench.expectHealth(503, `Another hub has locked the data directory ${data}`);
    await bench.expectRefused(`Another hub has locked the data directory ${data}`);
    await bench.expectSaid(1, 0);
    expect(await second.hub.stop()).toBe(EXIT.ok);
    await bench.expectSaid(1, 1);
    await bench.expectStored();
  });
});

describe.skipIf(lacks("python") || lacksMount())("a disk that goes away while the hub runs", () => {
  describe.each(programs)("(%s)", (program) => {
    test.skipIf(lacks(...PARTS[program]))(
      "has nothing written below its mount point, and is used again when it is mounted again",
      async () => {
        using disk = new LoopDisk({ bytes: 64 * 2 ** 20 });
        const data = join(disk.path, "data");
        await using bench = await Bench.start(data, program);
        await bench.expectStored();
        lazily(disk.path);
        await bench.expectRefused(missing(data));
        await bench.expectHealth(503, missing(data));
        await bench.expectSaid(1, 0);
        expect(readdirSync(disk.path)).toEqual([]);
        disk.mount();
        await bench.expectHealth(200);
        await bench.expectSaid(1, 1);
        await bench.expectStored();
        expect(bench.stored()).toEqual([2, 2]);
      },
    );
  });

  test("is not taken for another disk that is mounted over it, even where that has the same tree", async () => {
    using disk = new LoopDisk({ bytes: 64 * 2 ** 20 });
    const data = join(disk.path, "data");
    await using bench = await Bench.start(data);
    await bench.expectStored();
    const [day = ""] = readdirSync(join(data, "images"));
    expect(Bun.spawnSync(["mount", "-t", "tmpfs", "tmpfs", disk.path]).success).toBe(true);
    try {
      mkdirSync(join(data, "images", day), { recursive: true });
      mkdirSync(join(data, "logs"));
      await bench.expectRefused(replaced(data));
      await bench.expectHealth(503, replaced(data));
      expect(bench.stored()).toEqual([0, 0]);
      expect(readdirSync(data).toSorted()).toEqual(["images", "logs"]);
      await bench.expectSaid(1, 0);
    } finally {
      lazily(disk.path);
    }
    await bench.expectHealth(200);
    await bench.expectStored();
    await bench.expectSaid(1, 1);
  });

  test("is known again when it comes back under other numbers", async () => {
    using disk = new LoopDisk({ bytes: 64 * 2 ** 20 });
    using other = new LoopDisk({ bytes: 2 ** 20 * 8 });
    const data = join(disk.path, "data");
    await using bench = await Bench.start(data);
    await bench.expectStored();
    expect(Bun.spawnSync(["sync", "--file-system", disk.path]).success).toBe(true);
    copyFileSync(disk.image, `${disk.image}.again`);
    lazily(disk.path);
    await bench.expectSaid(1, 0);
    expect(Bun.spawnSync(["mount", "-o", "loop", `${disk.image}.again`, disk.path]).success).toBe(
      true,
    );
    await bench.expectHealth(200);
    await bench.expectSaid(1, 1);
    await bench.expectStored();
    expect(bench.stored()).toEqual([2, 2]);
    // And nobody else may have it.
    const second = await runCli(["run", "--data", data, "--port", String(freePort())], {
      home: other.path,
    });
    expect(second.stderr).toContain(`is in use by imagehub, process ${bench.hub.pid} on `);
  });

  test.each([["images"], ["logs"]])("is missed when only %s are on it", async (part) => {
    using temp = tempDir();
    using disk = new SmallDisk("size=16m");
    const data = join(temp.path, "data");
    mkdirSync(join(data, part), { recursive: true });
    const bind = (): void =>
      expect(Bun.spawnSync(["mount", "--bind", disk.path, join(data, part)]).success).toBe(true);
    bind();
    try {
      await using bench = await Bench.start(data);
      await bench.expectStored();
      lazily(join(data, part));
      const problem = `A folder of the data directory ${data} is on another disk than at the start: `;
      await bench.expectHealth(503, problem);
      await bench.expectSaid(1, 0);
      await bench.expectRefused(problem);
      expect(readdirSync(join(data, part))).toEqual([]);
      bind();
      await bench.expectHealth(200);
      await bench.expectStored();
      expect(bench.stored()).toEqual([2, 2]);
    } finally {
      Bun.spawnSync(["umount", "--lazy", join(data, part)], { stderr: "ignore" });
    }
  });
});

describe.skipIf(lacks("python", "exfat") || lacksMount())("a stick with exFAT", () => {
  test("that is pulled out is missed, and used again when it is plugged in again", async () => {
    using disk = new ExfatDisk();
    const data = join(disk.path, "imagehub");
    await using bench = await Bench.start(data);
    await bench.expectStored();
    await Bun.sleep(1200);
    disk.pullOut();
    await bench.expectRefused(missing(data));
    await bench.expectHealth(503, missing(data));
    await bench.expectSaid(1, 0);
    expect(readdirSync(disk.path)).toEqual([]);
    disk.plugIn();
    await bench.expectHealth(200);
    await bench.expectSaid(1, 1);
    await bench.expectStored();
    expect(bench.stored()).toEqual([2, 2]);
  });
});
