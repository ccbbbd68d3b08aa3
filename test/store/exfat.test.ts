import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TEMPORARY_PREFIX } from "../../src/store/data-directory.ts";
import { createShared } from "../../src/shared/memory.ts";
import { lacks, PARTS, PROGRAMS, type Program } from "../../scripts/lib/available.ts";
import { FakeClock, utcMicros } from "../support/machine/fake-clock.ts";
import { ExfatDisk, lacksMount } from "../support/machine/file-system.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith } from "../support/hub/output.ts";
import { answered, get, httpOf, WITH_HTTP } from "../support/hub/http.ts";
import { Sender } from "../support/peers/sender.ts";
import type { StoreImage } from "../support/store/store-worker.ts";
import { StoreThread } from "../support/store/store-thread.ts";

setDefaultTimeout(120_000);

/** How the names of images begin that come of a node's name. */
const NODES: readonly [node: string, begins: string][] = [
  ["Barn Door", "Barn-Door-"],
  ['a"b*c:d<e>f?g|h', "a-b-c-d-e-f-g-h-"],
  // What stands behind the `|` is not the node's any more.
  ["Café 日本 😀", "Café-日本-😀-"],
  ["dots. . .", "dots.-.-.-"],
  // What Windows takes for a device.
  ["con.sole", "con-sole-"],
];

const imagesIn = (data: string): string[] =>
  readdirSync(join(data, "images")).flatMap((day) => readdirSync(join(data, "images", day)));

function startOn(
  disk: ExfatDisk,
  program: Program,
  settings: Record<string, unknown> = {},
): Promise<Hub> {
  const data_directory = join(disk.path, "imagehub");
  return startHub({ program, env: WITH_HTTP, settings: { hub: { data_directory, ...settings } } });
}

async function sendThree(hub: Hub): Promise<void> {
  await using sender = new Sender(hub.port);
  for (let count = 0; count < 3; count++)
    expect((await sender.jpg("Barn|jpg|", { size: 1000 })).reply).toBe("OK");
}

/** Ten under each name. */
function imagesOf(thread: string): StoreImage[] {
  return Array.from({ length: 60 }, (_, index) => ({
    name: "Barn:Door",
    micros: utcMicros("2026-11-22T12:00:00") + Math.floor(index / 10),
    bytes: Buffer.from(`${thread} ${index} `.repeat(500)),
  }));
}

describe.skipIf(lacks("python", "exfat") || lacksMount())("on exFAT through FUSE", () => {
  describe.each(PROGRAMS.filter((program) => program !== "arm64"))("a hub (%s)", (program) => {
    test.skipIf(lacks(...PARTS[program]))(
      "stores images and events whole, under names that fit, also after a restart",
      async () => {
        using disk = new ExfatDisk();
        const data = join(disk.path, "imagehub");
        for (const [round, ack] of ["stored", "synced"].entries()) {
          // What a crash has left.
          if (round > 0) writeFileSync(join(data, "logs", `${TEMPORARY_PREFIX}0-0-0`), "half");
          await using hub = await startOn(disk, program, { ack });
          expect(linesWith(hub, "unfinished")).toHaveLength(round);
          expect(await get(`${httpOf(hub)}/healthz`)).toEqual([200, "ok\n"]);
          await using sender = new Sender(hub.port);
          const hashes: string[] = [];
          for (const [node] of NODES) {
            const { reply, sha256 } = await sender.jpg(`${node.replace("|", "-")}|jpg|`, {
              size: 45_000,
            });
            expect(reply).toBe("OK");
            hashes.push(sha256);
          }
          expect((await sender.event(`Barn|Round|${round}`)).reply).toBe("OK");
          expect(await hub.stop()).toBe(0);
          const images = imagesIn(data);
          expect(images).toHaveLength((round + 1) * NODES.length);
          for (const [, begins] of NODES)
            expect(images.filter((name) => name.startsWith(begins))).toHaveLength(round + 1);
          const [day = ""] = readdirSync(join(data, "images"));
          const stored = images.map((name) =>
            Bun.SHA256.hash(readFileSync(join(data, "images", day, name)), "hex"),
          );
          for (const hash of hashes) expect(stored).toContain(hash);
          expect(readdirSync(join(data, "logs"))).toEqual(["imagehub.log"]);
          expect(readFileSync(join(data, "logs/imagehub.log"), "utf8")).toContain(
            ` ~ Barn|Round|${round}\n`,
          );
        }
      },
    );
  });

  test("a hub counts a folder's images on over a restart, and says which disk is full", async () => {
    using disk = new ExfatDisk();
    for (let round = 0; round < 2; round++) {
      await using hub = await startOn(disk, "source", { max_images_write: 4 });
      await sendThree(hub);
      expect(imagesIn(join(disk.path, "imagehub"))).toHaveLength([3, 4][round]!);
    }
    await using hub = await startOn(disk, "source");
    disk.fill();
    await using sender = new Sender(hub.port);
    const { reply } = await sender.jpg("Barn|jpg|", { size: 400_000 });
    expect(reply).toStartWith(
      "ERROR cannot store: no space left on the device (write: ENOSPC) on fuseblk at ",
    );
    expect(reply).toEndWith(` at ${disk.path} (${disk.device})`);
    expect(imagesIn(join(disk.path, "imagehub")).filter((name) => name.startsWith("."))).toEqual(
      [],
    );
    const [status, text] = await answered(
      async () => await get(`${httpOf(hub)}/healthz`),
      ([, reasons]) => reasons.includes("Could not store"),
    );
    expect([status, text]).toEqual([
      503,
      expect.stringContaining(`at ${disk.path} (${disk.device})`),
    ]);
  });

  test("two threads that store under one name at once lose nothing, and a log turns over", async () => {
    using disk = new ExfatDisk();
    const clock = FakeClock.at("2026-11-22T12:00:00");
    const start = {
      data: disk.path,
      shared: createShared(1),
      clock: clock.state,
    };
    const logs = join(disk.path, "logs");
    mkdirSync(join(disk.path, "images"));
    using one = await StoreThread.start(start);
    using other = await StoreThread.start(start);
    const results = await Promise.all([one.store(imagesOf("one")), other.store(imagesOf("other"))]);
    expect(new Set(results.flat())).toEqual(new Set(["granted"]));
    const folder = join(disk.path, "images/2026-11-22");
    const stored = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
    const sent = ["one", "other"].flatMap((thread) =>
      imagesOf(thread).map(({ bytes }) => bytes.toString()),
    );
    expect(stored.toSorted()).toEqual(sent.toSorted());

    for (const text of ["first", "second", "third"]) {
      expect(await one.append([text])).toEqual(["ok"]);
      clock.advance(86_400);
    }
    expect(readdirSync(logs).toSorted()).toEqual([
      "imagehub.log",
      "imagehub.log.2026-11-22",
      "imagehub.log.2026-11-23",
    ]);
    expect(readFileSync(join(logs, "imagehub.log.2026-11-23"), "utf8")).toBe(
      "2026-11-23 12:00:00,000 ~ second\n",
    );
  });
});
