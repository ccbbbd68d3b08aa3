/**
 * Programs watch the images while cameras send. Each image must be reported once, under its final
 * name, when it is whole.
 *
 * Without `this.files.announce(path)` in `image-store.ts`: "stored: 1336 of 1336 images were not
 * told of".
 */

import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { Watcher } from "../../support/peers/watcher.ts";
import { tempDir } from "../../support/machine/temp.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { FaultHub } from "../hub.ts";
import { filesBelow, judge, problemsOf } from "../judge.ts";
import type { Outcome, Row, Run } from "../row.ts";
import { Senders } from "../senders.ts";

async function look(run: Run, ack: string): Promise<Outcome & { images: number; told: number }> {
  using owned = tempDir();
  const undo = atExit(() => owned[Symbol.dispose]());
  const data = join(owned.path, "data");
  const problems: string[] = [];
  await using hub = new FaultHub({ program: run.program, data, settings: { ack } });
  await hub.start();
  // Today's folder must exist before it can be watched.
  const first = new Senders(hub.address, { images: 1, size: 1000 });
  await first.firstOk(0, "image");
  const journal = await first.stop();
  await first[Symbol.asyncDispose]();
  const images = join(data, "images");
  const [day = ""] = readdirSync(images);
  const before = new Set(readdirSync(join(images, day)));
  await using watcher = await Watcher.start("inotifywait", join(images, day));
  await using senders = new Senders(hub.address, { images: 4, size: 45_000, pauseMs: 2 });
  await Bun.sleep(run.short ? 1000 : 20_000);
  journal.push(...(await senders.stop()));
  if ((await hub.stop()) !== 0) problems.push("the hub did not end with 0");

  const stored = filesBelow(images)
    .map((path) => basename(path))
    .filter((name) => !before.has(name));
  const told = await watcher.seenLike(/^[^.#].*\.jpg$/, 0, ["CLOSE_WRITE,CLOSE", "MOVED_TO"]);
  const counts = new Map<string, number>();
  for (const name of told) counts.set(name, (counts.get(name) ?? 0) + 1);
  const not = stored.filter((name) => !counts.has(name)).length;
  const twice = [...counts.values()].filter((count) => count > 1).length;
  if (not > 0) problems.push(`${not} of ${stored.length} images were not told of`);
  if (twice > 0) problems.push(`${twice} of ${stored.length} images were told of more than once`);
  if (counts.size > stored.length)
    problems.push(`${counts.size} names were told of, and ${stored.length} stand`);
  problems.push(...problemsOf(judge(data, journal)));
  undo();
  return {
    figure: "",
    problems: problems.map((problem) => `${ack}: ${problem}`),
    images: stored.length,
    told: told.length,
  };
}

export const watchers: Row = {
  name: "watchers",
  cause: "inotifywait on the day's folder under load",
  mustHold: "each image told of once, under its final name",
  needs: ["watchers"],
  run: async (run) => {
    const results: Awaited<ReturnType<typeof look>>[] = [];
    for (const ack of run.short ? ["stored"] : ["stored", "synced"])
      results.push(await look(run, ack));
    const sum = (count: (result: (typeof results)[number]) => number): number =>
      results.reduce((total, result) => total + count(result), 0);
    return {
      figure: `${sum(({ images }) => images)} images, told of ${sum(({ told }) => told)} times`,
      problems: results.flatMap(({ problems }) => problems),
    };
  },
};
