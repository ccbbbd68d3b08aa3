/**
 * The disk with the data directory disappears under load and comes back: it is unmounted, covered
 * by another one, or moved. Below its mount point, or on the other disk, is the tree of a hub that
 * has stored there today. So only the hub's own check keeps it from using that tree.
 *
 * Without `this.data.check()` in `whole-file.ts`: "unmounted (stored): 494 files were written
 * elsewhere" and as many "acknowledged and lost". Without the one in `event-log.ts`: "covered
 * (stored): 251 lines were written elsewhere".
 */

import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "../../support/machine/temp.ts";
import { atExit, command } from "../../../scripts/lib/at-exit.ts";
import { LoopDisk } from "../disk.ts";
import { FaultHub } from "../hub.ts";
import { filesBelow, judge, logLines, problemsOf } from "../judge.ts";
import type { Outcome, Row, Run } from "../row.ts";
import { type Entry, Senders } from "../senders.ts";

/** Seconds until the hub must be back: it checks once a second. */
const BACK_S_MAX = 3;

const SAID_GONE = "Nothing can be stored: ";
const SAID_BACK = "is back; the hub continues";

const OLD_LINE = "2018-12-30 23:13:31,620 ~ Of|another|disk";

interface Trouble {
  readonly name: string;
  readonly make: (place: Place) => void;
  readonly heal: (place: Place) => void;
}

/** Where the disk is, and what is in its place when it is gone. */
interface Place {
  readonly disk: LoopDisk;
  readonly data: string;
  readonly day: string;
}

/** What a hub has left that stored at this path while the disk was missing. */
function makeTree({ data, day }: Place): void {
  mkdirSync(join(data, "images", day), { recursive: true });
  mkdirSync(join(data, "logs"));
  writeFileSync(join(data, "logs/imagehub.log"), `${OLD_LINE}\n`);
}

const TROUBLES: readonly Trouble[] = [
  {
    name: "unmounted",
    make: ({ disk }) => command("umount", "--lazy", disk.path),
    heal: ({ disk }) => disk.mount(),
  },
  {
    name: "covered",
    make: (place) => {
      // Made elsewhere, so that it is there from the first moment.
      command("mount", "--bind", join(place.disk.path, "../other"), place.disk.path);
    },
    heal: ({ disk }) => command("umount", "--lazy", disk.path),
  },
  {
    name: "moved",
    make: ({ data }) => renameSync(data, `${data}.away`),
    heal: ({ data }) => renameSync(`${data}.away`, data),
  },
];

async function suffer(
  run: Run,
  ack: string,
  trouble: Trouble,
): Promise<Outcome & { elsewhere: number; backS: number }> {
  using home = tempDir();
  const undo = atExit(() => home[Symbol.dispose]());
  using disk = new LoopDisk({ bytes: 128 * 2 ** 20 });
  const data = join(disk.path, "data");
  const problems: string[] = [];
  await using hub = new FaultHub({ program: run.program, data, settings: { ack } });
  await hub.start();
  await using senders = new Senders(hub.address, {
    images: 4,
    events: 2,
    size: 12_000,
    pauseMs: 10,
  });
  await senders.firstOk(0, "image");
  const [day = ""] = readdirSync(join(data, "images"));
  const place: Place = { disk, data, day };
  // The tree below: it shows when the disk is unmounted, and also covers it.
  const other = join(disk.path, "../other");
  makeTree({ ...place, data: join(other, "data") });
  command("mount", "--make-private", disk.path);
  const below = join(home.path, "below");
  mkdirSync(below);
  command("mount", "--bind", join(disk.path, ".."), below);
  try {
    makeTree({ ...place, data: join(below, "mounted/data") });
  } finally {
    command("umount", below);
  }

  await Bun.sleep(300);
  trouble.make(place);
  const madeS = Date.now() / 1000;
  await Promise.all([hub.says(SAID_GONE), Bun.sleep(run.short ? 500 : 4000)]);
  const elsewhere = trouble.name === "moved" ? [] : filesBelow(data);
  const lines = trouble.name === "moved" ? [] : logLines(data);
  const healedS = Date.now() / 1000;
  trouble.heal(place);
  const [image, event] = await Promise.all([
    senders.firstOk(healedS, "image"),
    senders.firstOk(healedS, "event"),
  ]);
  const backS =
    Math.max(image ?? Number.POSITIVE_INFINITY, event ?? Number.POSITIVE_INFINITY) - healedS;
  if (backS > BACK_S_MAX) problems.push(`service came back after ${backS} s`);
  await hub.says(SAID_BACK);
  const journal = await senders.stop();

  const during = (kind: Entry["kind"]): Entry[] =>
    // Earlier requests are answered a moment later.
    journal.filter((entry) => entry.kind === kind && entry.at > madeS + 0.1 && entry.at < healedS);
  for (const kind of ["image", "event"] as const) {
    const entries = during(kind);
    if (entries.length === 0) problems.push(`no ${kind} was answered`);
    const oks = entries.filter((entry) => entry.reply === "OK").length;
    if (oks > 0) problems.push(`${oks} of ${entries.length} ${kind}s were answered OK`);
  }
  const silent = journal.filter((entry) => entry.reply === null).length;
  if (silent > 0) problems.push(`${silent} requests got no answer`);
  const written = elsewhere.filter((path) => !path.endsWith("imagehub.log"));
  if (written.length > 0) problems.push(`${written.length} files were written elsewhere`);
  if (lines.length > 1) problems.push(`${lines.length - 1} lines were written elsewhere`);
  const hasOldLine = logLines(data).includes(OLD_LINE);
  if (hasOldLine) problems.push("the log of another disk was taken for the hub's own");
  problems.push(...problemsOf(judge(data, journal)));
  for (const text of [SAID_GONE, SAID_BACK]) {
    const said = hub.output.split("\n").filter((line) => line.includes(text)).length;
    if (said !== 1) problems.push(`the log has ${said} lines with "${text}"`);
  }
  if ((await hub.stop()) !== 0) problems.push("the hub did not end with 0");
  undo();
  return {
    figure: "",
    problems: problems.map((problem) => `${trouble.name} (${ack}): ${problem}`),
    elsewhere: written.length,
    backS,
  };
}

export const missing: Row = {
  name: "missing",
  cause: "the disk unmounted, covered by another, its directory moved; then back",
  mustHold: "ERROR, nothing written elsewhere, said once, back unaided",
  needs: ["loop"],
  run: async (run) => {
    const results = [];
    for (const ack of run.short ? ["stored"] : ["stored", "synced"]) {
      for (const trouble of TROUBLES) {
        const result = await suffer(run, ack, trouble);
        run.say(
          `${trouble.name} (${ack}): ${result.elsewhere} files elsewhere, back after ${result.backS.toFixed(2)} s`,
        );
        results.push(result);
      }
    }
    const elsewhere = results.reduce((total, result) => total + result.elsewhere, 0);
    const backS = Math.max(...results.map((result) => result.backS)).toFixed(2);
    return {
      figure: `${results.length} times: ${elsewhere} files elsewhere, service back after at most ${backS} s`,
      problems: results.flatMap((result) => result.problems),
    };
  },
};
