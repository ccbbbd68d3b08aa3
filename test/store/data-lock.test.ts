import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chownSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { DataDirectoryInUse, DataLock } from "../../src/store/data-lock.ts";
import { createShared } from "../../src/shared/memory.ts";
import { runCli } from "../support/hub/cli.ts";
import { lacksMount, SmallDisk } from "../support/machine/file-system.ts";
import { startHub } from "../support/hub/hub.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { forEachTest } from "../support/for-each-test.ts";

setDefaultTimeout(120_000);

let temp: TempDir;

forEachTest(tempDir, (made) => (temp = made));

const LOCK = ".imagehub.lock";
const holder = (pid: number): string => `imagehub, process ${pid} on ${hostname()}`;

/** What the file says, first who holds it, then what only that process can have written. */
const linesOf = (directory: string): string[] =>
  readFileSync(join(directory, LOCK), "utf8").split("\n");
const UNIQUE = expect.stringMatching(/^[0-9a-f]{8}-/);

function take(directory: string): DataLock {
  const lock = new DataLock(new DataDirectory(directory), createShared(1));
  lock.acquire();
  return lock;
}

describe("DataLock", () => {
  test("leaves who holds it in the file, and keeps it", () => {
    take(temp.path);
    expect(linesOf(temp.path)).toEqual([holder(process.pid), UNIQUE, ""]);
    expect(() => take(temp.path)).toThrow(DataDirectoryInUse);
    expect(() => take(temp.path)).toThrow(
      `The data directory ${temp.path} is in use by ${holder(process.pid)}: stop it, or set another data_directory`,
    );
    expect(linesOf(temp.path)).toEqual([holder(process.pid), UNIQUE, ""]);
  });

  test("takes a file that nobody holds, whatever stands in it", () => {
    writeFileSync(join(temp.path, LOCK), "imagehub, process 1 on another machine\n".repeat(3));
    take(temp.path);
    expect(linesOf(temp.path)).toEqual([holder(process.pid), UNIQUE, ""]);
  });

  test("is for its owner alone, also where an earlier version let others read it", () => {
    writeFileSync(join(temp.path, LOCK), "", { mode: 0o644 });
    take(temp.path);
    expect(statSync(join(temp.path, LOCK)).mode & 0o777).toBe(0o600);
    const other = join(temp.path, "other");
    mkdirSync(other);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(other, 65_534, 65_534);
    take(other);
    const { mode, uid } = statSync(join(other, LOCK));
    expect(mode & 0o777).toBe(0o600);
    if (isRoot) expect(uid).toBe(65_534);
  });

  test("names who really holds it, whoever left a name in the file", async () => {
    const path = join(temp.path, LOCK);
    writeFileSync(path, holder(1));
    await using process = Bun.spawn(
      ["flock", "--exclusive", path, "sh", "-c", "echo locked; read line"],
      {
        stdin: "pipe",
        stdout: "pipe",
      },
    );
    await process.stdout.getReader().read();
    expect(() => take(temp.path)).toThrow(
      `is in use by process ${process.pid} (flock), which is not the hub that wrote ${path}: stop it, or set another data_directory`,
    );
    await process.stdin.end();
    await process.exited;
    take(temp.path);
  });

  test("is taken again where its file was removed, and knows what it wrote and not what another did", () => {
    const lock = take(temp.path);
    expect([lock.isAtPath(), lock.isKnown()]).toEqual([true, true]);
    rmSync(join(temp.path, LOCK));
    expect([lock.isAtPath(), lock.isKnown()]).toEqual([false, false]);
    for (let round = 0; round < 2; round++) {
      rmSync(join(temp.path, LOCK), { force: true });
      expect(lock.reacquire()).toBe(true);
      expect([lock.isAtPath(), lock.isKnown()]).toEqual([true, true]);
      expect(() => take(temp.path)).toThrow(DataDirectoryInUse);
    }
    rmSync(join(temp.path, LOCK));
    take(temp.path);
    expect([lock.isAtPath(), lock.isKnown(), lock.reacquire()]).toEqual([false, false, false]);
  });

  test("keeps nobody off another directory", () => {
    for (const name of ["a", "b"]) {
      mkdirSync(join(temp.path, name));
      take(join(temp.path, name));
    }
  });
});

describe("a data directory that a hub writes to", () => {
  test.each<[what: string, path: (dataDir: string) => string]>([
    ["by its path", (dataDir) => dataDir],
    [
      "by a link to it",
      (dataDir) => {
        symlinkSync(dataDir, join(temp.path, "link"));
        return join(temp.path, "link");
      },
    ],
  ])("ends a second one %s, which says who it is; the first goes on", async (_, path) => {
    await using hub = await startHub({ dir: join(temp.path, "home") });
    const data = path(hub.dataDir);
    const second = await runCli(["run", "--data", data, "--port", String(freePort())], {
      home: join(temp.path, "second"),
    });
    expect(second.status).toBe(EXIT.data);
    expect(second.stderr).toEndWith(
      ` error The data directory ${data} is in use by ${holder(hub.pid)}: stop it, or set another data_directory\n`,
    );
    expect(second.stdout).not.toContain("Listening");
    const sent = await runCli(["send", "--event", "a|b", "--to", `127.0.0.1:${hub.port}`], {
      home: join(temp.path, "second"),
    });
    expect(sent.status).toBe(EXIT.ok);
    expect(await hub.stop()).toBe(EXIT.ok);
    // The second has written nothing: no notice of a start or an end but those of the first.
    expect(hub.log().map((line) => line.replace(/^.* ~ /, "").split(" ")[0])).toEqual([
      "Starting",
      "a|b",
      "Exiting",
    ]);
  });

  test("is free at once when that one has stopped, or was killed", async () => {
    const dir = join(temp.path, "home");
    for (let round = 0; round < 5; round++) {
      await using hub = await startHub({ dir });
      expect(linesOf(hub.dataDir)).toEqual([holder(hub.pid), UNIQUE, ""]);
      if (round % 2 === 0) await hub.kill();
      else expect(await hub.stop()).toBe(EXIT.ok);
    }
  });

  test("ends all but one of those that start at the same time", async () => {
    const dir = join(temp.path, "home");
    const starts = await Promise.allSettled(Array.from({ length: 5 }, () => startHub({ dir })));
    const started = starts.filter((start) => start.status === "fulfilled");
    try {
      expect(started).toHaveLength(1);
      for (const start of starts) {
        if (start.status === "rejected") {
          expect(String(start.reason)).toContain(`ended with status ${EXIT.data}`);
          expect(String(start.reason)).toMatch(
            /is in use by (?:imagehub, process \d+ on|another process)/,
          );
        }
      }
    } finally {
      for (const { value } of started) await value[Symbol.asyncDispose]();
    }
  });

  test.skipIf(lacksMount())(
    "is locked on a disk that is full, so that a hub is there when it heals",
    async () => {
      using disk = new SmallDisk("size=2m");
      const dir = disk.path;
      {
        await using hub = await startHub({ dir });
        await hub.kill();
      }
      disk.fill();
      await using hub = await startHub({ dir });
      const second = await runCli(["run", "--data", hub.dataDir, "--port", String(freePort())], {
        home: join(temp.path, "second"),
      });
      expect(second).toMatchObject({ status: EXIT.data });
      expect(second.stderr).toContain(" is in use by ");
      disk.makeRoom();
      const sent = await runCli(["send", "--event", "a|b", "--to", `127.0.0.1:${hub.port}`], {
        home: join(temp.path, "second"),
      });
      expect(sent.status).toBe(EXIT.ok);
    },
  );
});
