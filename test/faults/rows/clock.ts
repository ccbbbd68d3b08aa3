/**
 * Local time passes midnight and both changes of summer time, and jumps a day forward and back,
 * under load.
 *
 * The jumps of a day are made with the machine's zone file, in the hub's own mount namespace.
 * Names, folders and log lines all use local time, which is then a day later, and the machine's
 * clock is left alone. (libfaketime does not help: the hub takes `clock_gettime` directly from the
 * C library.)
 *
 * With a folder that is named once at the start, the row says "partial files" (a name of another
 * day than its folder). With a rename that replaces in `EventLog.keepAs`, the steps say
 * "acknowledged and lost".
 */

import { basename, join } from "node:path";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tempDir } from "../../support/machine/temp.ts";
import { atExit, command } from "../../../scripts/lib/at-exit.ts";
import { FaultHub } from "../hub.ts";
import { filesBelow, judge, problemsOf } from "../judge.ts";
import type { Row, Run } from "../row.ts";
import { Senders } from "../senders.ts";
import { zoneBeforeMidnight } from "../../../scripts/lib/zone.ts";

const DAY_MS = 86_400_000;

interface Case {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly before?: readonly string[];
  /** What happens while senders send, by milliseconds after their start. */
  readonly steps?: readonly (readonly [atMs: number, act: () => void])[];
  /** The number of date folders and dated logs afterwards. */
  readonly folders: number;
  readonly logs: number;
  /** The hours in the names of images, if they matter. */
  readonly hours?: number;
}

/** Seconds from the start of a hub until the time changes. */
const BEFORE_S = 3;

function pad(value: number): string {
  return String(value).padStart(2, "0");
}

function clockTime(ms: number, addHours: number): string {
  const date = new Date(ms);
  return `${date.getUTCHours() + addHours}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}`;
}

/** A POSIX time zone in which summer time begins or ends in some seconds. */
function zoneBeforeChange(to: "summer" | "winter"): string {
  // About noon, so midnight is far away.
  const behind = new Date().getUTCHours() - 12;
  const at = Date.now() + BEFORE_S * 1000 - behind * 3_600_000;
  const day = (ms: number): number => {
    const date = new Date(ms);
    const leapless = Date.UTC(2001, date.getUTCMonth(), date.getUTCDate());
    return (leapless - Date.UTC(2001, 0, 1)) / DAY_MS + 1;
  };
  const far = to === "summer" ? at + 100 * DAY_MS : at - 100 * DAY_MS;
  // The end of summer time is given in summer time.
  const change = `J${day(at)}/${clockTime(at, to === "summer" ? 0 : 1)}`;
  const other = `J${day(far)}/12`;
  const [begin, end] = to === "summer" ? [change, other] : [other, change];
  return `WIN${behind}SUM${behind - 1},${begin},${end}`;
}

/** Zone files for each offset from UTC, as `zic` makes them. */
function zoneFile(folder: string, hours: number): Buffer {
  const source = join(folder, "source");
  writeFileSync(source, `Zone Test/Test ${hours}:00 - TST\n`);
  command("zic", "-d", folder, source);
  return readFileSync(join(folder, "Test/Test"));
}

async function runCase(run: Run, one: Case): Promise<{ figure: string; problems: string[] }> {
  using data = tempDir();
  const undo = atExit(() => data[Symbol.dispose]());
  const { env, before = [] } = one;
  await using hub = new FaultHub({ program: run.program, data: data.path, env, before });
  await hub.start();
  await using senders = new Senders(hub.address, { images: 4, events: 2, size: 4000, pauseMs: 2 });
  await senders.firstOk(0, "image");
  const started = performance.now();
  for (const [atMs, act] of one.steps ?? []) {
    await Bun.sleep(Math.max(0, started + atMs - performance.now()));
    act();
  }
  await Bun.sleep((BEFORE_S + 1.5) * 1000 - (one.steps === undefined ? 0 : 2500));
  const journal = await senders.stop();
  const findings = judge(data.path, journal);
  const problems = problemsOf(findings);
  const refused = journal.filter((entry) => entry.reply !== "OK").length;
  if (refused > 0) problems.push(`${refused} requests without an OK`);
  if (findings.files !== journal.filter((entry) => entry.kind === "image").length)
    problems.push(`${findings.files} files`);
  const folders = readdirSync(join(data.path, "images"));
  if (folders.length !== one.folders) problems.push(`folders ${folders.join(", ")}`);
  const logs = readdirSync(join(data.path, "logs"));
  if (logs.length !== one.logs + 1) problems.push(`logs ${logs.join(", ")}`);
  const hours = new Set(
    filesBelow(join(data.path, "images")).map(
      (path) => /T(\d\d)\.[^T]*$/.exec(basename(path))?.[1],
    ),
  );
  if (one.hours !== undefined && hours.size !== one.hours)
    problems.push(`hours ${[...hours].join(", ")}`);
  if ((await hub.stop()) !== 0) problems.push("the hub did not end with 0");
  undo();
  return {
    figure: `${one.name} ${findings.files} files, ${folders.length} folders, ${logs.length} logs`,
    problems: problems.map((problem) => `${one.name}: ${problem}`),
  };
}

function midnight(): Case {
  return { name: "midnight", env: { TZ: zoneBeforeMidnight(BEFORE_S).zone }, folders: 2, logs: 1 };
}

function summerTime(to: "summer" | "winter"): Case {
  return { name: `${to} time`, env: { TZ: zoneBeforeChange(to) }, folders: 1, logs: 0, hours: 2 };
}

/** Local time goes a day forward, back, and forward again. The log rotates once. */
function daySteps(folder: string): Case {
  const hour = new Date().getUTCHours();
  const file = join(folder, "localtime");
  // The hour stays the same, and both offsets are within 24 hours of UTC.
  const today = hour < 12 ? 0 : -12;
  const set = (hours: number) => (): void => writeFileSync(file, zoneFile(folder, hours));
  set(today)();
  return {
    name: "a day forth, back, forth",
    env: {},
    before: [
      "unshare",
      "--mount",
      "--propagation",
      "private",
      "sh",
      "-c",
      `mount --bind '${file}' /etc/localtime && unset TZ && exec "$@"`,
      "sh",
    ],
    steps: [
      [1200, set(today + 24)],
      [2400, set(today)],
      [3600, set(today + 24)],
    ],
    folders: 2,
    logs: 1,
  };
}

export const clock: Row = {
  name: "clock",
  cause: "clock steps of a day, both changes of summer time, midnight, under load",
  mustHold: "no overwrite, right folder, log rotated once",
  needs: ["root"],
  run: async (run) => {
    using owned = tempDir();
    const undo = atExit(() => owned[Symbol.dispose]());
    const figures: string[] = [];
    const problems: string[] = [];
    const cases = [
      midnight,
      () => summerTime("summer"),
      () => summerTime("winter"),
      () => daySteps(owned.path),
    ];
    // Midnight has its own end-to-end test.
    for (const make of run.short ? cases.slice(3) : cases) {
      const result = await runCase(run, make());
      figures.push(result.figure);
      problems.push(...result.problems);
      run.say(result.figure);
    }
    undo();
    return { figure: figures.join("; "), problems };
  },
};
