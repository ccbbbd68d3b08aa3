/**
 * The hub at midnight, end to end: in a time zone in which midnight is a few seconds away.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lacks, PARTS, PROGRAMS, runsNatively } from "../../scripts/lib/available.ts";
import { startHub } from "../support/hub/hub.ts";
import { Sender } from "../support/peers/sender.ts";
import { tempDir } from "../support/machine/temp.ts";
import { zoneBeforeMidnight } from "../../scripts/lib/zone.ts";

setDefaultTimeout(120_000);

const BARN = join(import.meta.dir, "../fixtures/Barn-2021-04-19T23.43.20.867255.jpg");

/** Seconds until midnight when the hub is started. */
const BEFORE_MIDNIGHT_S = 10;

describe.each(PROGRAMS.filter(runsNatively))("hub (%s) over midnight", (program) => {
  describe.skipIf(lacks("python", ...PARTS[program]))("with senders all the while", () => {
    test("turns the log over and changes folders at the first message of the day", async () => {
      using home = tempDir();
      const logs = join(home.path, "imagehub_data/logs");
      mkdirSync(logs, { recursive: true });
      // The hub was down for years: its last log still has the name of a current one.
      const old = "2021-09-23 00:16:44,839 ~ BackDeck|Temp|63 F\n";
      writeFileSync(join(logs, "imagehub.log"), old);

      const { zone, behindS } = zoneBeforeMidnight(BEFORE_MIDNIGHT_S);
      const today = (): string => new Date(Date.now() - behindS * 1000).toISOString().slice(0, 10);
      const firstDay = today();
      await using hub = await startHub({ program, dir: home.path, timezone: zone });
      await using sender = new Sender(hub.port);
      const sent: string[] = [];
      const send = async (): Promise<void> => {
        const text = `Barn|Count|${sent.length}`;
        expect((await sender.event(text)).reply).toBe("OK");
        sent.push(text);
        expect((await sender.jpg("Barn|jpg|moving", { file: BARN })).reply).toBe("OK");
      };
      expect(today()).toBe(firstDay);
      while (today() === firstDay) {
        await send();
        // A node's pace: at full speed, the day would reach its maximum of images.
        await Bun.sleep(20);
      }
      await send();
      const lastDay = today();

      const names = readdirSync(logs).toSorted();
      expect(names).toEqual([
        "imagehub.log",
        "imagehub.log.2021-09-23",
        `imagehub.log.${firstDay}`,
      ]);
      expect(readFileSync(join(logs, "imagehub.log.2021-09-23"), "utf8")).toBe(old);
      const first = readFileSync(join(logs, `imagehub.log.${firstDay}`), "utf8")
        .trimEnd()
        .split("\n");
      const last = hub.log();
      expect(first.every((line) => line.startsWith(`${firstDay} `))).toBe(true);
      expect(last.every((line) => line.startsWith(`${lastDay} `))).toBe(true);
      const texts = [...first, ...last].map((line) => line.slice(line.indexOf(" ~ ") + 3));
      expect(texts.filter((text) => text.includes("|"))).toEqual(sent);

      const images = hub.images();
      expect(images).toHaveLength(sent.length);
      expect(new Set(images.map((image) => image.folder))).toEqual(new Set([firstDay, lastDay]));
      for (const { folder, name } of images) expect(name).toStartWith(`Barn-${folder}T`);
      expect(await hub.stop()).toBe(0);
    });
  });
});
