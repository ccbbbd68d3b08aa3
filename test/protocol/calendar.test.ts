import { describe, expect, test } from "bun:test";
import {
  Calendar,
  daysAfter,
  type LocalTime,
  sixDigits,
  systemClock,
  threeDigits,
} from "../../src/protocol/calendar.ts";
import { CHECKOUT, lacks, PYTHON } from "../../scripts/lib/available.ts";
import {
  FakeClock,
  LOS_ANGELES,
  UTC,
  utcMicros,
  type Zone,
} from "../support/machine/fake-clock.ts";
import { lacksMount } from "../support/machine/file-system.ts";
import { tempDir } from "../support/machine/temp.ts";

test.each([
  ["2021-12-31", 1, "2022-01-01"],
  ["2024-02-28", 1, "2024-02-29"],
  ["2021-03-01", -1, "2021-02-28"],
  ["2021-03-28", 400, "2022-05-02"],
])("%s and %i days", (date, days, expected) => {
  expect(daysAfter(date, days)).toBe(expected);
});

const times: [utc: string, zone: Zone, local: string][] = [
  ["2018-12-30T23:13:31.620992", UTC, "2018-12-30 23:13:31"],
  ["2026-01-01T00:00:00.000000", UTC, "2026-01-01 00:00:00"],
  ["2025-12-31T23:59:59.999999", UTC, "2025-12-31 23:59:59"],
  ["2028-02-29T01:02:03", UTC, "2028-02-29 01:02:03"],
  ["1970-01-01T00:00:00", UTC, "1970-01-01 00:00:00"],
  ["2107-01-01T00:00:00", UTC, "2107-01-01 00:00:00"],
  ["2026-03-08T09:59:59", LOS_ANGELES, "2026-03-08 01:59:59"],
  ["2026-03-08T10:00:00", LOS_ANGELES, "2026-03-08 03:00:00"],
  ["2026-11-01T08:30:00", LOS_ANGELES, "2026-11-01 01:30:00"],
  ["2026-11-01T09:30:00", LOS_ANGELES, "2026-11-01 01:30:00"],
  ["2026-11-22T07:59:59.999999", LOS_ANGELES, "2026-11-21 23:59:59"],
  ["2026-11-22T08:00:00", LOS_ANGELES, "2026-11-22 00:00:00"],
];

function shown({ date, hour, minute, second }: LocalTime): string {
  return `${date} ${hour}:${minute}:${second}`;
}

test.each(times)(
  "Calendar.local gives the pieces of the wall clock when it is %s",
  (utc, zone, local) => {
    const time = new Calendar(FakeClock.at(utc, zone)).local(utcMicros(utc));
    expect(shown(time)).toBe(local);
    expect(time.day).toBe(Number(time.date.replaceAll("-", "")));
  },
);

test("Calendar.local does not keep a second when the time goes on, back and forth", () => {
  const calendar = new Calendar(FakeClock.at("2026-11-22T00:00:00"));
  const instants = [
    "2026-11-22T00:00:00",
    "2026-11-21T23:59:59",
    "2026-11-22T00:00:00.5",
    "2026-11-22T00:00:01",
  ];
  expect(instants.map((utc) => shown(calendar.local(utcMicros(utc))))).toEqual([
    "2026-11-22 00:00:00",
    "2026-11-21 23:59:59",
    "2026-11-22 00:00:00",
    "2026-11-22 00:00:01",
  ]);
});

test("Calendar.now is the clock's when that is set back", () => {
  const clock = FakeClock.at("2026-11-22T12:00:00.000007");
  const calendar = new Calendar(clock);
  expect(calendar.now()).toBe(utcMicros("2026-11-22T12:00:00.000007"));
  clock.advance(-86_400);
  expect(calendar.now()).toBe(utcMicros("2026-11-21T12:00:00.000007"));
});

const fractions: [micros: number, six: string, three: string][] = [
  [0, "000000", "000"],
  [5, "000005", "000"],
  [999, "000999", "000"],
  [1000, "001000", "001"],
  [999_999, "999999", "999"],
  [1_000_000, "000000", "000"],
  [1_546_211_611_620_992, "620992", "620"],
  [1_546_211_611_000_005, "000005", "000"],
];
test.each(fractions)(
  "sixDigits and threeDigits keep their width when micros are %d",
  (micros, six, three) => {
    expect(sixDigits(micros)).toBe(six);
    expect(threeDigits(micros)).toBe(three);
  },
);

test("systemClock counts whole microseconds and agrees with Date when read between two of its times", () => {
  const before = Date.now();
  const micros = systemClock.micros();
  const after = Date.now();
  expect(Number.isSafeInteger(micros)).toBe(true);
  expect(Math.floor(micros / 1000)).toBeGreaterThanOrEqual(before);
  expect(Math.floor(micros / 1000)).toBeLessThanOrEqual(after);
});

/** Every second near these is checked, and some further away. */
const TURNS = [
  Date.UTC(1970, 0, 1, 12),
  Date.UTC(2026, 2, 8, 7),
  Date.UTC(2026, 2, 8, 10),
  Date.UTC(2026, 2, 29, 1),
  Date.UTC(2026, 3, 4, 15),
  Date.UTC(2026, 9, 3, 15, 30),
  Date.UTC(2026, 9, 25, 1),
  Date.UTC(2026, 10, 1, 6),
  Date.UTC(2026, 10, 1, 9),
  Date.UTC(2027, 0, 1),
  Date.UTC(2028, 1, 29),
  Date.UTC(2038, 0, 19, 3, 14, 8),
  Date.UTC(2106, 1, 7, 6, 28, 16),
].map((milliseconds) => milliseconds / 1000);
const DISTANCES = [
  -86_400, -3601, -3600, -1801, -1800, -2, -1, 0, 1, 2, 1799, 1800, 3599, 3600, 86_400,
];
const SECONDS = TURNS.flatMap((turn) => DISTANCES.map((distance) => turn + distance));

/**
 * Runs a program in a zone with the seconds as JSON in its last argument. Reads its output as JSON.
 */
function inZone(timezone: string, command: readonly string[]): unknown {
  const { stdout, stderr, success } = Bun.spawnSync([...command, JSON.stringify(SECONDS)], {
    cwd: CHECKOUT,
    env: { ...process.env, TZ: timezone },
    stdout: "pipe",
    stderr: "pipe",
  });
  if (!success) throw new Error(stderr.toString());
  return JSON.parse(stdout.toString());
}

const OURS = `import { localTime } from "./src/os/time.ts";
console.log(JSON.stringify(JSON.parse(process.argv.at(-1)).map(localTime)));`;

const PYTHONS = `import datetime, json, sys
times = [datetime.datetime.fromtimestamp(second) for second in json.loads(sys.argv[-1])]
print(json.dumps([[t.year, t.month, t.day, t.hour, t.minute, t.second] for t in times]))`;

/** Zones, and their clocks at 2026-07-01 12:00 UTC. An unknown zone would count as UTC. */
const zones: [timezone: string, noon: readonly [day: number, hour: number, minute: number]][] = [
  ["America/Los_Angeles", [1, 5, 0]],
  ["Asia/Kolkata", [1, 17, 30]],
  ["Europe/Berlin", [1, 14, 0]],
  ["Australia/Lord_Howe", [1, 22, 30]],
  ["Pacific/Kiritimati", [2, 2, 0]],
  ["EST5EDT,M3.2.0,M11.1.0", [1, 8, 0]],
  ["<-0330>3:30", [1, 8, 30]],
  ["UTC", [1, 12, 0]],
];
describe.skipIf(lacks("python"))("localTime", () => {
  test.each(zones)(
    "agrees with datetime.fromtimestamp when TZ is %s",
    (timezone, [day, hour, minute]) => {
      const ours = inZone(timezone, [process.execPath, "-e", OURS, "--"]);
      expect(ours).toEqual(inZone(timezone, [PYTHON, "-c", PYTHONS]));

      const noon = `import { localTime } from "./src/os/time.ts"; console.log(JSON.stringify(localTime(1782907200)));`;
      expect(inZone(timezone, [process.execPath, "-e", noon, "--"])).toEqual([
        2026,
        7,
        day,
        hour,
        minute,
        0,
      ]);
    },
  );
});

const ZONE_FILES = ["Asia/Kolkata", "America/New_York"].map(
  (name) => `/usr/share/zoneinfo/${name}`,
);

describe.skipIf(lacksMount())("localTime", () => {
  test("follows when /etc/localtime is changed", () => {
    // In its own mount namespace, with an /etc that contains nothing else.
    using temp = tempDir();
    const script = `import { localTime } from "${CHECKOUT}/src/os/time.ts";
      import { renameSync, symlinkSync } from "node:fs";
      for (const file of ${JSON.stringify(ZONE_FILES)}) {
        symlinkSync(file, "/etc/new");
        renameSync("/etc/new", "/etc/localtime");
        console.log(localTime(1782907200).slice(3).join(":"));
      }`;
    const shell = 'mount -t tmpfs none /etc && exec "$@"';
    const { TZ: _, ...env } = process.env;
    const command = ["unshare", "--mount", "sh", "-c", shell, "sh", process.execPath, "-e", script];
    const { stdout, stderr } = Bun.spawnSync(command, {
      cwd: temp.path,
      env,
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(stderr.toString()).toBe("");
    expect(stdout.toString()).toBe("17:30:0\n8:0:0\n");
  });
});
