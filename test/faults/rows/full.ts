/**
 * The disk takes nothing for a while: it is full, without inodes or read-only, or its folder is
 * removed. Then it recovers.
 *
 * With `Outcome.stored` instead of `Outcome.failed` in `fail` of `store.ts`: "201 of 201 images
 * were answered OK" and "371 acknowledged and lost".
 */

import { constants, copyFileSync, mkdirSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "../../support/machine/temp.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { LoopDisk } from "../disk.ts";
import { FaultHub } from "../hub.ts";
import { filesBelow, judge, problemsOf } from "../judge.ts";
import type { Outcome, Row, Run } from "../row.ts";
import { type Entry, Senders } from "../senders.ts";

interface Trouble {
  readonly name: string;
  readonly make: (disk: LoopDisk, data: string) => void;
  readonly heal: (disk: LoopDisk, data: string) => void;
  /** Whether images are refused meanwhile. They are not if the hub helps itself. */
  readonly imagesRefused: boolean;
  readonly eventsRefused: boolean;
}

const TROUBLES: readonly Trouble[] = [
  {
    name: "ENOSPC",
    make: (disk) => disk.fill(),
    heal: (disk) => disk.makeRoom(),
    imagesRefused: true,
    // The log's last block may have room for a while.
    eventsRefused: false,
  },
  {
    name: "no inodes",
    make: (disk) => disk.fillInodes(),
    heal: (disk) => disk.makeRoom(),
    imagesRefused: true,
    eventsRefused: false,
  },
  {
    name: "read-only",
    // The kernel makes a disk read-only even while files are being written; a remount is refused
    // then.
    make: (disk) => {
      for (let tries = 0; ; tries++) {
        try {
          return disk.remount("ro");
        } catch (error) {
          if (tries === 200) throw error;
        }
      }
    },
    heal: (disk) => disk.remount("rw"),
    imagesRefused: true,
    eventsRefused: true,
  },
  {
    name: "folder removed",
    make: (_, data) => {
      // Move it instead, so that what was stored can be judged.
      renameSync(`${data}/images`, `${data}/before-images`);
      renameSync(`${data}/logs`, `${data}/before-logs`);
    },
    heal: () => undefined,
    imagesRefused: false,
    eventsRefused: false,
  },
];

/** Seconds until images must be stored again. */
const BACK_S_MAX = 2;

async function suffer(
  run: Run,
  ack: string,
  trouble: Trouble,
): Promise<Outcome & { falseOks: number; backS: number }> {
  using disk = new LoopDisk({ bytes: 96 * 2 ** 20, inodes: 40_000 });
  // The images and logs are on the disk. A file that the hub keeps open elsewhere disturbs nobody.
  using home = tempDir();
  const undo = atExit(() => home[Symbol.dispose]());
  const data = home.path;
  for (const name of ["images", "logs"]) {
    mkdirSync(`${disk.path}/data/${name}`, { recursive: true });
    symlinkSync(`${disk.path}/data/${name}`, `${data}/${name}`);
  }
  const problems: string[] = [];
  await using hub = new FaultHub({ program: run.program, data, settings: { ack } });
  await hub.start();
  await using senders = new Senders(hub.address, {
    images: 4,
    events: 2,
    heartbeats: 1,
    size: 12_000,
    pauseMs: 10,
  });
  await senders.firstOk(0, "image");
  await Bun.sleep(200);
  trouble.make(disk, data);
  const madeS = Date.now() / 1000;
  await Bun.sleep(run.short ? 700 : 3000);
  const healedS = Date.now() / 1000;
  trouble.heal(disk, data);
  const [image, event] = await Promise.all([
    senders.firstOk(healedS, "image"),
    senders.firstOk(healedS, "event"),
  ]);
  const backS =
    Math.max(image ?? Number.POSITIVE_INFINITY, event ?? Number.POSITIVE_INFINITY) - healedS;
  if (backS > BACK_S_MAX) problems.push(`service came back after ${backS} s`);
  await Bun.sleep(200);
  const journal = await senders.stop();

  const during = (kind: Entry["kind"]): Entry[] =>
    // Earlier requests are answered a moment later.
    journal.filter((entry) => entry.kind === kind && entry.at > madeS + 0.1 && entry.at < healedS);
  const kinds = [
    ["image", trouble.imagesRefused],
    ["event", trouble.eventsRefused],
  ] as const;
  for (const [kind, refused] of kinds) {
    const entries = during(kind);
    const oks = entries.filter((entry) => entry.reply === "OK").length;
    if (entries.length === 0) problems.push(`no ${kind} was answered`);
    if (refused && oks > 0) problems.push(`${oks} of ${entries.length} ${kind}s were answered OK`);
  }
  const silent = journal.filter((entry) => entry.reply === null).length;
  if (silent > 0) problems.push(`${silent} requests got no answer`);
  const odd = journal.find(
    (entry) => entry.reply !== null && !/^(?:OK$|ERROR \S)/.test(entry.reply),
  );
  if (odd !== undefined) problems.push(`a reply of another form: ${odd.reply}`);
  if (during("heartbeat").some((entry) => entry.reply !== "OK"))
    problems.push("heartbeats were not answered OK");

  if (trouble.name === "folder removed") mergeBack(data);
  const findings = judge(data, journal);
  problems.push(...problemsOf(findings));
  const errors = hub.output.split("\n").filter((line) => line.includes("Could not store")).length;
  const seconds = healedS - madeS;
  if (errors > 2 * (seconds + 2)) problems.push(`${errors} error lines in ${seconds.toFixed(1)} s`);
  if (trouble.imagesRefused && errors === 0) problems.push("the log has no line about it");
  if ((await hub.stop()) !== 0) problems.push("the hub did not end with 0");
  undo();
  return {
    figure: "",
    problems: problems.map((problem) => `${trouble.name} (${ack}): ${problem}`),
    falseOks: findings.lost.length,
    backS,
  };
}

/** Puts what was moved away beside what was stored since, for the judge. */
function mergeBack(data: string): void {
  for (const path of filesBelow(`${data}/before-images`)) {
    const to = join(data, "images", path.slice(`${data}/before-images/`.length));
    copyFileSync(path, to, constants.COPYFILE_EXCL);
  }
  copyFileSync(
    `${data}/before-logs/imagehub.log`,
    `${data}/logs/imagehub.log.before`,
    constants.COPYFILE_EXCL,
  );
}

export const full: Row = {
  name: "full",
  cause: "ENOSPC, no inodes, read-only, folder removed; then healed",
  mustHold: "ERROR, events truthful, service back unaided",
  needs: ["loop"],
  run: async (run) => {
    const results = [];
    for (const ack of run.short ? ["stored"] : ["stored", "synced"]) {
      for (const trouble of TROUBLES) {
        const result = await suffer(run, ack, trouble);
        run.say(
          `${trouble.name} (${ack}): ${result.falseOks} false OKs, back after ${result.backS.toFixed(2)} s`,
        );
        results.push(result);
      }
    }
    const falseOks = results.reduce((total, result) => total + result.falseOks, 0);
    const backS = Math.max(...results.map((result) => result.backS)).toFixed(2);
    return {
      figure: `${results.length} troubles: ${falseOks} false OKs, service back after at most ${backS} s`,
      problems: results.flatMap((result) => result.problems),
    };
  },
};
