/**
 * A machine without a battery for its clock boots. Its clock is in 1970, and is set while the hub
 * runs, or before it starts again. Or the clock was years ahead. `logs` has the maximum number of
 * dated logs, so each rotation deletes the oldest.
 *
 * Without `clockFloor` (returning 0), the row says "records of before are lost": the current log is
 * named after 1970, and is deleted as the oldest.
 */

import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SetClock } from "../../support/machine/set-clock.ts";
import { tempDir } from "../../support/machine/temp.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { FaultHub } from "../hub.ts";
import { judge, logLines, problemsOf } from "../judge.ts";
import type { Row, Run } from "../row.ts";
import { Senders } from "../senders.ts";

const DAY_MS = 86_400_000;

/** Dated logs that a hub keeps. */
const DATED_LOGS_MAX = 995;

/** Records in the current log. */
const RECORDS = 264;

/** Age of the current log, in days: the machine was switched off for this long. */
const AGE_DAYS = 170;

const SAYS_WRONG = "The clock is wrong: it shows 1970-01-01";
const SAYS_RIGHT = "The clock is right again";

interface Case {
  readonly name: string;
  /** The clock when the hub starts. */
  readonly from: string;
  /**
   * Whether the hub is ended by `kill -9` and started again before the clock is set, and whether
   * also when it is set.
   */
  readonly restarts: "never" | "before" | "after";
}

const CASES: readonly Case[] = [
  { name: "1970, set while it runs", from: "1970-01-01T00:00:20", restarts: "never" },
  { name: "1970 twice", from: "1970-01-01T23:59:58", restarts: "before" },
  { name: "1970, set before the next start", from: "1970-01-01T00:00:20", restarts: "after" },
  { name: "2099", from: "2099-03-01T12:00:00", restarts: "never" },
];

const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Makes logs of years. @returns the texts of all records */
function makeLogs(data: string): string[] {
  const logs = join(data, "logs");
  mkdirSync(logs, { recursive: true });
  const last = Date.now() - AGE_DAYS * DAY_MS;
  for (let day = 1; day <= DATED_LOGS_MAX; day++) {
    const date = dateOf(last - day * DAY_MS);
    writeFileSync(join(logs, `imagehub.log.${date}`), `${date} 12:00:00,000 ~ Old|Day|${day}\n`);
  }
  const texts = Array.from({ length: RECORDS }, (_, index) => `Old|Record|${index}`);
  writeFileSync(
    join(logs, "imagehub.log"),
    texts.map((text) => `${dateOf(last)} 12:00:00,000 ~ ${text}\n`).join(""),
  );
  return texts;
}

async function runCase(run: Run, one: Case): Promise<{ figure: string; problems: string[] }> {
  using data = tempDir();
  using clock = new SetClock(0);
  const undo = atExit(() => [data, clock].forEach((each) => each[Symbol.dispose]()));
  const before = makeLogs(data.path);
  // In UTC, so dates match those of this program.
  await using hub = new FaultHub({
    program: run.program,
    data: data.path,
    env: { ...clock.env, TZ: "UTC0" },
  });
  clock.setTo(one.from);
  await hub.start();
  await using senders = new Senders(hub.address, { images: 2, events: 2, size: 4000, pauseMs: 20 });
  await senders.firstOk(0, "event");
  const problems: string[] = [];
  const pauseMs = run.short ? 1500 : 4000;
  await Bun.sleep(pauseMs);
  const isWrong = one.from < "2000";
  if (isWrong && !hub.output.includes(SAYS_WRONG))
    problems.push("the log does not say that the clock is wrong");
  if (!isWrong && hub.output.includes("The clock is wrong"))
    problems.push("the log calls the clock wrong");
  if (one.restarts !== "never") {
    await hub.kill();
    if (one.restarts === "after") clock.set(0);
    await hub.start();
    await senders.firstOk(Date.now() / 1000, "event");
  }
  clock.set(0);
  // A hub that starts again with a correct clock knows nothing of it.
  const says = isWrong && one.restarts !== "after";
  if (says && !(await hub.says(SAYS_RIGHT)))
    problems.push("the log does not say that the clock is right again");
  await senders.firstOk(Date.now() / 1000, "event");
  await Bun.sleep(pauseMs);
  // At midnight, the oldest are deleted again.
  clock.set(DAY_MS / 1000);
  await senders.firstOk(Date.now() / 1000, "event");
  await Bun.sleep(500);
  const journal = await senders.stop();
  if ((await hub.stop()) !== 0) problems.push("the hub did not end with 0");
  const findings = judge(data.path, journal);
  problems.push(...problemsOf(findings));
  const texts = new Set(logLines(data.path).map((line) => line.slice(line.indexOf(" ~ ") + 3)));
  const lost = before.filter((text) => !texts.has(text)).length;
  if (lost > 0) problems.push(`${lost} records of before are lost`);
  const dated = readdirSync(join(data.path, "logs")).length - 1;
  // The one that is too many by now goes in the next round of the keeper.
  if (dated < DATED_LOGS_MAX) problems.push(`${dated} dated logs`);
  undo();
  return {
    figure: `${one.name}: ${findings.lost.length} of ${findings.acknowledged} lost, and ${lost} of ${before.length} records of before`,
    problems: problems.map((problem) => `${one.name}: ${problem}`),
  };
}

export const boot: Row = {
  name: "boot",
  cause: "a start with the clock in 1970, or in 2099, which is set later",
  mustHold: "no event is lost, the log names the wrong clock and its end",
  needs: ["compiler"],
  run: async (run) => {
    // It uses none of this machine's libraries.
    if (run.program !== "source" && run.program !== process.arch)
      return { figure: "left out", problems: [] };
    const figures: string[] = [];
    const problems: string[] = [];
    for (const one of run.short ? CASES.slice(0, 1) : CASES) {
      const result = await runCase(run, one);
      figures.push(result.figure);
      problems.push(...result.problems);
      run.say(result.figure);
    }
    return { figure: figures.join("; "), problems };
  },
};
