import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Calendar } from "../../src/protocol/calendar.ts";
import { EventLog } from "../../src/store/event-log.ts";
import { createShared, Integer } from "../../src/shared/memory.ts";
import { lacks, PYTHON } from "../../scripts/lib/available.ts";
import { guardAt } from "../support/store/data-guard.ts";
import { FakeClock, LOS_ANGELES, UTC, type Zone } from "../support/machine/fake-clock.ts";
import { type Ability, lacksMount, SmallDisk } from "../support/machine/file-system.ts";
import { StalledLog } from "../support/hub/stalled-log.ts";
import { StoreThread } from "../support/store/store-thread.ts";
import { tempDir } from "../support/machine/temp.ts";

// Only so that nothing hangs for ever.
setDefaultTimeout(60_000);

const LOG = "imagehub.log";
/** As many as the Python hub keeps. */
const DATED_LOGS = 995;
const DAY_SECONDS = 86_400;

/** `logs/` of a data directory, with a clock that the test sets. */
class Fixture {
  readonly clock: FakeClock;
  readonly directory: string;
  #log: EventLog;

  /**
   * @param clockFloor the earliest day on which the clock can be right, as the hub looks it up at
   * its start
   */
  constructor(
    private readonly data: string,
    iso: string,
    zone: Zone = UTC,
    durable = false,
    private readonly clockFloor = 0,
  ) {
    this.directory = join(data, "logs");
    this.clock = FakeClock.at(iso, zone);
    this.#log = this.#start(durable);
  }

  #start(durable: boolean): EventLog {
    const shared = createShared(1);
    shared.integers[Integer.clockFloor] = this.clockFloor;
    const guard = guardAt(this.data, shared);
    return new EventLog(guard, new Calendar(this.clock), shared, durable);
  }

  /** As after the hub was ended, however that was, and started again. */
  restart(): void {
    this.#log = this.#start(false);
  }

  /** Appends at a time (default: that of the clock). */
  append(text: string, iso?: string): void {
    if (iso !== undefined) this.clock.set(iso);
    this.#log.append(text);
  }

  /** The code of the error with which `append` fails. */
  failure(text: string): string {
    try {
      this.append(text);
    } catch (error) {
      if (error instanceof Error && "code" in error) return String(error.code);
      throw error;
    }
    return "no error";
  }

  contains(text: string): boolean {
    const calendar = new Calendar(this.clock);
    return this.#log.contains(text, calendar.local(calendar.now()));
  }

  names(): string[] {
    return readdirSync(this.directory).toSorted();
  }

  read(name = LOG): string {
    return readFileSync(join(this.directory, name), "utf8");
  }

  write(content: string, name = LOG): void {
    mkdirSync(this.directory, { recursive: true });
    writeFileSync(join(this.directory, name), content);
  }

  path(name = LOG): string {
    return join(this.directory, name);
  }

  /** Every file with what is in it. */
  all(): Record<string, string> {
    return Object.fromEntries(this.names().map((name) => [name, this.read(name)]));
  }
}

const line = (iso: string, text: string): string => `${iso} ~ ${text}\n`;

describe("EventLog.append", () => {
  const lines: [iso: string, zone: Zone, text: string, expected: string][] = [
    [
      "2021-09-24T08:27:13.477999",
      UTC,
      "BackDeck|Restart|rpi13|RPi|192.168.86.57|370|1918.5",
      "2021-09-24 08:27:13,477 ~ BackDeck|Restart|rpi13|RPi|192.168.86.57|370|1918.5\n",
    ],
    ["2026-01-02T03:04:05.000999", UTC, "a|b", "2026-01-02 03:04:05,000 ~ a|b\n"],
    ["2026-01-02T03:04:05.999999", UTC, "a|b", "2026-01-02 03:04:05,999 ~ a|b\n"],
    ["2026-01-02T03:04:05.012000", UTC, "Tür|📷 ~ x", "2026-01-02 03:04:05,012 ~ Tür|📷 ~ x\n"],
    ["2026-11-22T07:59:59", LOS_ANGELES, "", "2026-11-21 23:59:59,000 ~ \n"],
    ["2026-11-01T09:30:00", LOS_ANGELES, "a|b", "2026-11-01 01:30:00,000 ~ a|b\n"],
  ];
  test.each(lines)(
    "writes local time, milliseconds and text when it is %s",
    (iso, zone, text, expected) => {
      using temp = tempDir();
      const log = new Fixture(temp.path, iso, zone);
      log.append(text);
      expect(log.all()).toEqual({ [LOG]: expected });
    },
  );

  test.each([false, true])("appends line after line when durable is %p", (durable) => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00", UTC, durable);
    log.append("one", "2026-11-22T12:00:00");
    log.append("two", "2026-11-22T12:00:01.5");
    log.append("three", "2026-11-23T00:00:00");
    expect(log.all()).toEqual({
      "imagehub.log.2026-11-22":
        line("2026-11-22 12:00:00,000", "one") + line("2026-11-22 12:00:01,500", "two"),
      [LOG]: line("2026-11-23 00:00:00,000", "three"),
    });
  });

  test("makes the directory when it is not there", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    expect(log.names()).toEqual([LOG]);
  });

  test("goes on in the same file when the hub was started again on the same day", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    log.restart();
    log.append("two");
    expect(log.all()).toEqual({
      [LOG]: line("2026-11-22 12:00:00,000", "one") + line("2026-11-22 12:00:00,000", "two"),
    });
  });

  const cut: [what: string, content: string, expected: string][] = [
    [
      "cut in its text",
      "2026-11-22 11:00:00,000 ~ half a li",
      "2026-11-22 11:00:00,000 ~ half a li\n",
    ],
    [
      "cut in its date",
      "2026-11-22 11:00:00,000 ~ one\n2026-11-2",
      "2026-11-22 11:00:00,000 ~ one\n2026-11-2\n",
    ],
    [
      "cut in a character",
      "2026-11-22 11:00:00,000 ~ \u00fc",
      "2026-11-22 11:00:00,000 ~ \u00fc\n",
    ],
    ["not cut", "2026-11-22 11:00:00,000 ~ one\n", "2026-11-22 11:00:00,000 ~ one\n"],
    ["empty", "", ""],
  ];
  test.each(cut)("begins on a line of its own when the last line is %s", (_, content, expected) => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.write(content);
    utimesSync(log.path(), 1_795_348_800, 1_795_348_800); // 2026-11-22 12:00 UTC
    log.append("next");
    expect(log.all()).toEqual({ [LOG]: expected + line("2026-11-22 12:00:00,000", "next") });
  });
});

describe("EventLog rotation", () => {
  test("turns over at the first record when midnight has passed, and not before", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00", LOS_ANGELES);
    log.append("one", "2026-11-22T08:00:00");
    log.append("two", "2026-11-23T07:59:59.999");
    expect(log.names()).toEqual([LOG]);
    log.clock.set("2026-11-23T08:00:00");
    expect(log.names()).toEqual([LOG]);
    log.append("three");
    log.append("four");
    expect(log.all()).toEqual({
      [LOG]: line("2026-11-23 00:00:00,000", "three") + line("2026-11-23 00:00:00,000", "four"),
      "imagehub.log.2026-11-22":
        line("2026-11-22 00:00:00,000", "one") + line("2026-11-22 23:59:59,999", "two"),
    });
  });

  test("cuts the zeros that a power cut left, also many of them", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    const whole = log.read();
    for (const zeros of [1, 4096, 200_000]) {
      const again = new Fixture(temp.path, "2026-11-22T12:00:01");
      again.write(`${whole}2026-11-22 12:0${"\0".repeat(zeros)}`);
      again.append("two");
      expect(again.read()).toBe(
        `${whole}2026-11-22 12:0\n${line("2026-11-22 12:00:01,000", "two")}`,
      );
    }
  });

  test("goes on turning over when the clock had been years ahead", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    log.append("ahead", "2099-01-01T12:00:00");
    log.append("two", "2026-11-22T12:00:01");
    log.append("three", "2026-11-23T12:00:00");
    expect(log.all()).toEqual({
      [LOG]: line("2026-11-23 12:00:00,000", "three"),
      "imagehub.log.2026-11-22":
        line("2026-11-22 12:00:00,000", "one") +
        line("2099-01-01 12:00:00,000", "ahead") +
        line("2026-11-22 12:00:01,000", "two"),
    });
  });

  test("names the log after its records when there was none for days", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    log.append("two", "2026-12-31T12:00:00");
    log.append("three", "2027-01-01T00:00:01");
    expect(log.names()).toEqual([LOG, "imagehub.log.2026-11-22", "imagehub.log.2026-12-31"]);
    expect(log.read()).toBe(line("2027-01-01 00:00:01,000", "three"));
  });

  test("names the log after its last record when the hub was down over midnight", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-25T12:00:00");
    // Long enough that not all of it is looked at; written to later than its last record.
    const old =
      line("2026-11-20 23:59:59,000", "x".repeat(99)).repeat(2000) +
      line("2026-11-21 10:00:00,000", "y");
    log.write(`${old}no record\n`);
    utimesSync(log.path(), 1_795_500_000, 1_795_500_000); // 2026-11-24
    log.append("next");
    expect(log.all()).toEqual({
      [LOG]: line("2026-11-25 12:00:00,000", "next"),
      "imagehub.log.2026-11-21": `${old}no record\n`,
    });
  });

  test("names the log after the day it was written when it holds no record", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-25T12:00:00");
    log.write("something else\n");
    utimesSync(log.path(), 1_795_348_800, 1_795_348_800); // 2026-11-22 12:00 UTC
    log.append("next");
    expect(log.names()).toEqual([LOG, "imagehub.log.2026-11-22"]);
  });

  test("finishes a cut line before it turns over when the hub was killed the day before", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-25T12:00:00");
    log.write("2026-11-24 11:00:00,000 ~ half");
    log.append("next");
    expect(log.all()).toEqual({
      [LOG]: line("2026-11-25 12:00:00,000", "next"),
      "imagehub.log.2026-11-24": "2026-11-24 11:00:00,000 ~ half\n",
    });
  });

  test("appends to the dated log when that is there already", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.write("2026-11-22 01:00:00,000 ~ early\n", "imagehub.log.2026-11-22");
    log.append("one");
    log.append("two", "2026-11-23T12:00:00");
    expect(log.all()).toEqual({
      [LOG]: line("2026-11-23 12:00:00,000", "two"),
      "imagehub.log.2026-11-22": "2026-11-22 01:00:00,000 ~ early\n2026-11-22 12:00:00,000 ~ one\n",
    });
  });

  test("keeps lines apart when the dated log that is there already ends in a cut one", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.write("2026-11-22 01:00:00,000 ~ ear", "imagehub.log.2026-11-22");
    log.append("one");
    log.append("two", "2026-11-23T12:00:00");
    expect(log.read("imagehub.log.2026-11-22")).toBe(
      "2026-11-22 01:00:00,000 ~ ear\n2026-11-22 12:00:00,000 ~ one\n",
    );
  });

  test("has every line once when the hub ended between giving the dated name and beginning anew", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    linkSync(log.path(), log.path("imagehub.log.2026-11-22"));
    log.restart();
    log.append("two", "2026-11-23T12:00:00");
    expect(log.all()).toEqual({
      [LOG]: line("2026-11-23 12:00:00,000", "two"),
      "imagehub.log.2026-11-22": line("2026-11-22 12:00:00,000", "one"),
    });
    expect(statSync(log.path("imagehub.log.2026-11-22")).nlink).toBe(1);
  });

  test("has every line once when the hub ended between appending to a dated log and beginning anew", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    const merged = `2026-11-22 01:00:00,000 ~ early\n${log.read()}`;
    log.write(merged, "imagehub.log.2026-11-22");
    log.restart();
    log.append("two", "2026-11-23T12:00:00");
    expect(log.all()).toEqual({
      [LOG]: line("2026-11-23 12:00:00,000", "two"),
      "imagehub.log.2026-11-22": merged,
    });
  });

  test("passes over what stands where it begins a new log, and removes the temporary of a turn that was not finished", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    const left = [0, 1].map((number) => `.incoming-${process.pid}-${number}`);
    mkdirSync(log.path(left[0]));
    log.write("of another time", left[1]);
    log.append("two", "2026-11-23T12:00:00");
    expect(log.names()).toEqual([`.incoming-${process.pid}-0`, LOG, "imagehub.log.2026-11-22"]);
    expect(log.read()).toBe(line("2026-11-23 12:00:00,000", "two"));
  });

  // They are told, and may have to be archived first: see keep/old-logs.ts.
  test("removes no old log", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    const old = yearsOf(log, "2026-06-10");
    log.append("one");
    log.append("two", "2026-11-23T12:00:00");
    expect(log.names()).toEqual([LOG, ...old, `${LOG}.2026-11-22`]);
  });

  test("goes on in the same file when the clock is set back over midnight, and later turns over once", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T23:00:00");
    log.append("one", "2026-11-22T23:59:59");
    log.append("two", "2026-11-23T00:00:01");
    log.append("three", "2026-11-22T23:59:00");
    expect(log.names()).toEqual([LOG, "imagehub.log.2026-11-22"]);
    log.append("four", "2026-11-23T00:00:02");
    log.append("five", "2026-11-24T00:00:00");
    expect(log.all()).toEqual({
      [LOG]: line("2026-11-24 00:00:00,000", "five"),
      "imagehub.log.2026-11-22": line("2026-11-22 23:59:59,000", "one"),
      "imagehub.log.2026-11-23":
        line("2026-11-23 00:00:01,000", "two") +
        line("2026-11-22 23:59:00,000", "three") +
        line("2026-11-23 00:00:02,000", "four"),
    });
  });

  test("loses nothing when the clock is set back over midnight and the hub is started again", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T23:00:00");
    log.append("one", "2026-11-22T23:59:59");
    log.append("two", "2026-11-23T00:00:01");
    log.append("three", "2026-11-22T23:59:00");
    log.restart();
    log.append("four", "2026-11-22T23:59:01");
    log.append("five", "2026-11-23T00:00:02");
    const texts = Object.values(log.all()).flatMap((content) => content.match(/\w+$/gm) ?? []);
    expect(texts.toSorted()).toEqual(["five", "four", "one", "three", "two"]);
    expect(log.names()).toEqual([LOG, "imagehub.log.2026-11-22"]);
  });

  test("does not turn over when the hour before the end of daylight saving time comes twice", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-01T08:30:00", LOS_ANGELES);
    log.append("summer");
    log.append("winter", "2026-11-01T09:30:00");
    expect(log.read()).toBe(
      line("2026-11-01 01:30:00,000", "summer") + line("2026-11-01 01:30:00,000", "winter"),
    );
  });
});

describe("EventLog.append after someone was in the directory", () => {
  test("begins a new log when it was removed", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    rmSync(log.path());
    log.append("two");
    expect(log.all()).toEqual({ [LOG]: line("2026-11-22 12:00:00,000", "two") });
  });

  test("begins a new log when it was moved away", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    renameSync(log.path(), join(temp.path, "moved"));
    log.append("two");
    expect(readFileSync(join(temp.path, "moved"), "utf8")).toBe(
      line("2026-11-22 12:00:00,000", "one"),
    );
    expect(log.all()).toEqual({ [LOG]: line("2026-11-22 12:00:00,000", "two") });
  });

  test("begins a new log and no dated one when it was removed before midnight", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    rmSync(log.path());
    log.append("two", "2026-11-23T12:00:00");
    expect(log.all()).toEqual({ [LOG]: line("2026-11-23 12:00:00,000", "two") });
  });

  test.each(["2026-11-22T12:00:00", "2026-11-23T12:00:00"])(
    "makes the directory again when it was removed and it is %s",
    (iso) => {
      using temp = tempDir();
      const log = new Fixture(temp.path, "2026-11-22T12:00:00");
      log.append("one");
      rmSync(log.directory, { recursive: true });
      log.append("two", iso);
      expect(log.all()).toEqual({
        [LOG]: expect.stringMatching(/^2026-11-2[23] 12:00:00,000 ~ two\n$/),
      });
    },
  );

  test("appends to what is left when the log was truncated or written to", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    writeFileSync(log.path(), "");
    log.append("two");
    appendFileSync(log.path(), "by hand\n");
    log.append("three");
    const two = line("2026-11-22 12:00:00,000", "two");
    expect(log.read()).toBe(`${two}by hand\n${line("2026-11-22 12:00:00,000", "three")}`);
  });

  test("throws and works again when a directory stood where the log should", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    mkdirSync(log.path(), { recursive: true });
    expect(() => log.append("one")).toThrow(`${log.path()} is no regular file: move it away`);
    rmSync(log.path(), { recursive: true });
    log.append("two");
    expect(log.all()).toEqual({ [LOG]: line("2026-11-22 12:00:00,000", "two") });
  });

  // Without O_NONBLOCK it waits for a reader for ever; without the look at what was opened, the
  // line goes to that reader.
  test.each(["at the start", "while it runs", "at midnight"])(
    "refuses a pipe, neither waits for a reader of it nor writes to one, %s",
    (when) => {
      using temp = tempDir();
      const log = new Fixture(temp.path, "2026-11-22T12:00:00");
      if (when === "at the start") mkdirSync(log.directory);
      else log.append("one");
      rmSync(log.path(), { force: true });
      expect(Bun.spawnSync(["mkfifo", log.path()]).success).toBe(true);
      if (when === "at midnight") log.clock.advance(DAY_SECONDS);
      const refused = `${log.path()} is no regular file: move it away, and the hub makes a new one`;
      expect(() => log.append("two")).toThrow(refused);
      const reader = openSync(log.path(), constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        expect(() => log.append("two")).toThrow(refused);
        expect(readSync(reader, Buffer.alloc(100))).toBe(0);
      } finally {
        closeSync(reader);
      }
      expect(log.names()).toEqual([LOG]);
      rmSync(log.path());
      log.append("three");
      expect(log.read()).toEndWith(" ~ three\n");
    },
  );

  test("refuses a device, and a dated log that is none", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    mkdirSync(log.directory);
    symlinkSync("/dev/null", log.path());
    expect(() => log.append("one")).toThrow("is no regular file");
    rmSync(log.path());
    log.append("one");
    expect(Bun.spawnSync(["mkfifo", log.path("imagehub.log.2026-11-22")]).success).toBe(true);
    log.clock.advance(DAY_SECONDS);
    for (let round = 0; round < 2; round++) {
      expect(() => log.append("two")).toThrow("imagehub.log.2026-11-22 is no regular file");
      expect(log.read()).toBe(line("2026-11-22 12:00:00,000", "one"));
    }
    rmSync(log.path("imagehub.log.2026-11-22"));
    log.append("two");
    expect(log.names()).toEqual([LOG, "imagehub.log.2026-11-22"]);
  });

  test("waits for who has a lease on the log, and then appends", async () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00");
    log.append("one");
    using stalled = new StalledLog(temp.path);
    using thread = await StoreThread.start({
      data: temp.path,
    });
    const appended = thread.append(["two"]);
    expect(await Promise.race([appended, Bun.sleep(300).then(() => "waits")])).toBe("waits");
    stalled.goOn();
    expect(await appended).toEqual(["ok"]);
    expect(log.read()).toEndWith(line("2026-11-22 12:00:00,000", "two"));
  });
});

/**
 * As many dated logs as there may be, from this day on backwards. @returns their names, the oldest
 * first
 */
function yearsOf(log: Fixture, last: string): string[] {
  const names = Array.from({ length: DATED_LOGS }, (_, day) => {
    const date = new Date(Date.parse(last) - day * DAY_SECONDS * 1000).toISOString().slice(0, 10);
    return `${LOG}.${date}`;
  }).toReversed();
  for (const name of names) log.write(`${name}\n`, name);
  return names;
}

describe("EventLog with a clock that is wrong", () => {
  const june = line("2026-06-10 12:00:00,000", "june");
  const in1970 = (seconds: string, text: string): string =>
    line(`1970-01-01 00:00:${seconds},000`, text);

  test.each([false, true])(
    "goes on in the log at hand, which keeps its day; ended in between: %p",
    (ends) => {
      using temp = tempDir();
      const log = new Fixture(temp.path, "1970-01-01T00:00:10", UTC, false, 20260608);
      const old = yearsOf(log, "2026-06-09");
      log.write(june);
      log.append("one", "1970-01-01T00:00:10");
      if (ends) log.restart();
      log.append("two", "1970-01-01T00:00:11");
      expect(log.read()).toBe(june + in1970("10", "one") + in1970("11", "two"));
      if (ends) log.restart();
      log.append("three", "2026-11-28T12:00:00");
      log.append("four", "2026-11-29T12:00:00");
      expect(log.read(`${LOG}.2026-06-10`)).toBe(june + in1970("10", "one") + in1970("11", "two"));
      expect(log.names()).toEqual([LOG, ...old, `${LOG}.2026-06-10`, `${LOG}.2026-11-28`]);
    },
  );

  test.each([false, true])(
    "goes on behind the newest dated log when there is none at hand; ended in between: %p",
    (ends) => {
      using temp = tempDir();
      const log = new Fixture(temp.path, "1970-01-01T00:00:10", UTC, false, 20260608);
      const old = yearsOf(log, "2026-06-10");
      const newest = log.read(old.at(-1));
      log.append("one", "1970-01-01T00:00:10");
      expect(log.read()).toBe(in1970("10", "one"));
      if (ends) log.restart();
      log.append("two", "2026-11-28T12:00:00");
      log.append("three", "2026-11-29T12:00:00");
      expect(log.read(old.at(-1))).toBe(newest + in1970("10", "one"));
      expect(log.names()).toEqual([LOG, ...old, `${LOG}.2026-11-28`]);
    },
  );

  test("keeps the day of the other records when an earlier version wrote under 1970 last", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-28T12:00:00", UTC, false, 20260608);
    // More than is looked at of an end.
    const wrong = in1970("10", "x".repeat(99)).repeat(2000);
    log.write(june + wrong);
    log.append("one");
    expect(log.names()).toEqual([LOG, `${LOG}.2026-06-10`]);
    expect(log.read(`${LOG}.2026-06-10`)).toBe(june + wrong);
  });

  test("turns over each day as ever when all that there is is of that clock", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "1970-01-01T00:00:10", UTC, false, 20260608);
    log.append("one");
    log.append("two", "1970-01-02T00:00:10");
    log.append("three", "2026-11-28T12:00:00");
    expect(log.names()).toEqual([LOG, `${LOG}.1970-01-01`, `${LOG}.1970-01-02`]);
  });
});

test("EventLog.contains finds a text when it is a whole record of that day", () => {
  using temp = tempDir();
  const log = new Fixture(temp.path, "2026-11-22T12:00:00");
  expect(log.contains("full")).toBe(false);
  log.append("nearly full");
  log.append("full of it");
  expect(log.contains("full")).toBe(false);
  log.append("someone ~ full");
  expect(log.contains("full")).toBe(false);
  log.append("full");
  expect(log.contains("full")).toBe(true);
  log.clock.advance(DAY_SECONDS);
  expect(log.contains("full")).toBe(false);
});

describe.skipIf(lacksMount())("EventLog.append", () => {
  const noon = "2026-11-22T12:00:00";

  test("throws and leaves the log as it is when the disk is full, and works again later", () => {
    using disk = new SmallDisk("size=256k");
    const log = new Fixture(disk.path, noon);
    // All but a few bytes of a page, so that the next line fits in part.
    log.append("x".repeat(4096 - 27 - 20));
    const before = log.read();
    disk.fill();
    for (let round = 0; round < 3; round++) expect(log.failure("y".repeat(100))).toBe("ENOSPC");
    expect(log.read()).toBe(before);
    expect(log.names()).toEqual([LOG]);
    disk.makeRoom();
    log.append("later");
    expect(log.read()).toBe(before + line("2026-11-22 12:00:00,000", "later"));
  });

  test("begins on a line of its own when the part of a line that was written could not be taken back", async () => {
    using disk = new SmallDisk("size=256k");
    const log = new Fixture(disk.path, noon);
    log.append("x".repeat(4096 - 27 - 60));
    const before = log.read();
    using thread = await StoreThread.start({
      data: disk.path,
      lost: ["truncate"],
    });
    expect(await thread.append(["fits"])).toEqual(["ok"]);
    disk.fill();
    expect(await thread.append(["y".repeat(4096)])).toEqual(["EIO"]);
    expect(log.read()).toHaveLength(4096);
    disk.makeRoom();
    expect(await thread.append(["later"])).toEqual(["ok"]);
    const [first, second, cut, last, ...rest] = log.read().split("\n");
    expect([`${first}\n`, `${last}\n`]).toEqual([before, line("2026-11-22 12:00:00,000", "later")]);
    expect(line("2026-11-22 12:00:00,000", "y".repeat(4096))).toStartWith(cut!);
    expect([second, rest]).toEqual(["2026-11-22 12:00:00,000 ~ fits", [""]]);
  });

  test("throws and leaves nothing when the disk is full before the first line", () => {
    using disk = new SmallDisk("size=256k");
    const log = new Fixture(disk.path, noon);
    mkdirSync(log.directory);
    disk.fill();
    expect(log.failure("one")).toBe("ENOSPC");
    expect(log.names()).toEqual([]);
    disk.makeRoom();
    log.append("two");
    expect(log.all()).toEqual({ [LOG]: line("2026-11-22 12:00:00,000", "two") });
  });

  /** What keeps a new file from being made at midnight. */
  const shortages: [what: string, options: string, cause: (disk: SmallDisk) => void][] = [
    ["space", "size=256k", (disk) => disk.fill()],
    ["inodes", "size=256k,nr_inodes=16", (disk) => disk.fillInodes()],
  ];
  test.each(shortages)(
    "throws and keeps the log when there is no %s at midnight, and turns over later",
    (_, options, cause) => {
      using disk = new SmallDisk(options);
      const log = new Fixture(disk.path, noon);
      log.append("one");
      cause(disk);
      log.clock.advance(DAY_SECONDS);
      for (let round = 0; round < 3; round++) {
        expect(log.failure("lost")).toBe("ENOSPC");
        expect(log.read()).toBe(line("2026-11-22 12:00:00,000", "one"));
      }
      disk.makeRoom();
      log.append("two");
      expect(log.all()).toEqual({
        [LOG]: line("2026-11-23 12:00:00,000", "two"),
        "imagehub.log.2026-11-22": line("2026-11-22 12:00:00,000", "one"),
      });
    },
  );

  test.each(shortages)(
    "has every line once when there is no %s at midnight and the dated log is there already",
    (_, options, cause) => {
      using disk = new SmallDisk(options);
      const log = new Fixture(disk.path, noon);
      log.append("one");
      log.write(line("2026-11-22 01:00:00,000", "early"), "imagehub.log.2026-11-22");
      cause(disk);
      log.clock.advance(DAY_SECONDS);
      for (let round = 0; round < 3; round++) expect(log.failure("lost")).toBe("ENOSPC");
      disk.makeRoom();
      log.append("two");
      expect(log.all()).toEqual({
        [LOG]: line("2026-11-23 12:00:00,000", "two"),
        "imagehub.log.2026-11-22":
          line("2026-11-22 01:00:00,000", "early") + line("2026-11-22 12:00:00,000", "one"),
      });
    },
  );

  test("throws and leaves both logs as they are when they cannot be put together for want of space", () => {
    using disk = new SmallDisk("size=256k");
    const log = new Fixture(disk.path, noon);
    const early = line("2026-11-22 01:00:00,000", "early".repeat(600));
    log.write(early, "imagehub.log.2026-11-22");
    for (let index = 0; index < 10; index++) log.append("one".repeat(300));
    const before = log.read();
    // Enough for the new log's line and for a part of the old one.
    disk.fill(3 * 4096);
    log.clock.advance(DAY_SECONDS);
    for (let round = 0; round < 3; round++) expect(log.failure("lost".repeat(300))).toBe("ENOSPC");
    expect(log.all()).toEqual({ [LOG]: before, "imagehub.log.2026-11-22": early });
    disk.makeRoom();
    log.append("two");
    expect(log.all()).toEqual({
      [LOG]: line("2026-11-23 12:00:00,000", "two"),
      "imagehub.log.2026-11-22": early + before,
    });
  });

  test.each([0, DAY_SECONDS])(
    "throws when the file system is read-only, and works again %d seconds later",
    (seconds) => {
      using disk = new SmallDisk("size=256k");
      const log = new Fixture(disk.path, noon);
      log.append("one");
      disk.remount("ro");
      log.clock.advance(seconds);
      for (let round = 0; round < 3; round++) expect(log.failure("lost")).toBe("EROFS");
      disk.remount("rw");
      log.append("two");
      const texts = Object.values(log.all()).join("");
      expect(texts.match(/\w+$/gm)?.toSorted()).toEqual(["one", "two"]);
      expect(log.names()).toHaveLength(seconds === 0 ? 1 : 2);
    },
  );
});

/** File systems, by what they lack. */
const poorer: [lost: Ability[]][] = [
  [["O_TMPFILE"]],
  [["hard links"]],
  [["O_TMPFILE", "RENAME_NOREPLACE"]],
  [["O_TMPFILE", "hard links"]],
];
test.each(poorer)(
  "EventLog.append turns over and merges when the file system is without %j",
  async (lost) => {
    using temp = tempDir();
    const clock = FakeClock.at("2026-11-22T12:00:00");
    const logs = new Fixture(temp.path, "2026-11-22T12:00:00");
    using thread = await StoreThread.start({
      data: temp.path,
      clock: clock.state,
      lost,
    });
    expect(await thread.append(["one", "two"])).toEqual(["ok", "ok"]);
    clock.advance(DAY_SECONDS);
    logs.write("early\n", "imagehub.log.2026-11-23");
    expect(await thread.append(["three"])).toEqual(["ok"]);
    clock.advance(DAY_SECONDS);
    expect(await thread.append(["four"])).toEqual(["ok"]);
    expect(logs.all()).toEqual({
      [LOG]: line("2026-11-24 12:00:00,000", "four"),
      "imagehub.log.2026-11-22":
        line("2026-11-22 12:00:00,000", "one") + line("2026-11-22 12:00:00,000", "two"),
      "imagehub.log.2026-11-23": `early\n${line("2026-11-23 12:00:00,000", "three")}`,
    });
  },
);

test("EventLog.append leaves no temporary and loses nothing when the new log cannot be put in place", async () => {
  using temp = tempDir();
  const clock = FakeClock.at("2026-11-22T12:00:00");
  const logs = new Fixture(temp.path, "2026-11-23T12:00:00");
  const start = { data: temp.path, clock: clock.state };
  using thread = await StoreThread.start(start);
  await thread.append(["one"]);
  clock.advance(DAY_SECONDS);
  using failing = await StoreThread.start({ ...start, lost: ["rename"] });
  expect(await failing.append(["lost", "lost"])).toEqual(["EIO", "EIO"]);
  expect(logs.names().filter((name) => name.startsWith("."))).toEqual([]);
  expect(logs.read()).toBe(line("2026-11-22 12:00:00,000", "one"));
  logs.append("two");
  expect(logs.all()).toEqual({
    [LOG]: line("2026-11-23 12:00:00,000", "two"),
    "imagehub.log.2026-11-22": line("2026-11-22 12:00:00,000", "one"),
  });
});

test("EventLog always shows one log that is not empty when it turns over before a reader's eyes", async () => {
  using temp = tempDir();
  const log = new Fixture(temp.path, "2001-01-01T12:00:00");
  using reader = await StoreThread.start({
    data: temp.path,
  });
  const state = new Int32Array(new SharedArrayBuffer(8));
  log.append("first");
  const faults = reader.watch(state);
  Atomics.wait(state, 1, 0, 10_000);
  // Until there were both: many turns, and many looks.
  const looksMin = 500;
  const turnsMin = 300;
  let turns = 0;
  for (; turns < turnsMin || Atomics.load(state, 1) < looksMin; turns++) {
    log.clock.advance(DAY_SECONDS);
    // Every third turn finds its dated log there already.
    if (turns % 3 === 0) {
      const date = new Date((log.clock.micros() - DAY_SECONDS * 1_000_000) / 1000)
        .toISOString()
        .slice(0, 10);
      log.write("early\n", `${LOG}.${date}`);
    }
    log.append(`turn ${turns}`);
    log.append(`after turn ${turns}`);
  }
  Atomics.store(state, 0, 1);
  expect(await faults).toEqual([]);
  expect(log.names()).toHaveLength(turns + 1);
});

/** Steps of the clock at each line: within a day, and over many midnights. */
const steps: [what: string, stepMicros: number][] = [
  ["on one day", 137],
  ["over midnights", 90_000_001],
];
test.each(steps)(
  "EventLog.append keeps every line whole and in order when two threads append %s",
  async (_what, step) => {
    using temp = tempDir();
    const logs = join(temp.path, "logs");
    const start = {
      data: temp.path,
      shared: createShared(1),
      clock: FakeClock.at("2026-11-22T12:00:00", UTC, step).state,
    };
    using one = await StoreThread.start(start);
    using other = await StoreThread.start(start);
    const count = 2000;
    const textsOf = (thread: string) =>
      Array.from({ length: count }, (_, index) => `${thread}|${index}|${"x".repeat(index % 200)}`);
    const results = await Promise.all([one.append(textsOf("one")), other.append(textsOf("other"))]);
    expect(new Set(results.flat())).toEqual(new Set(["ok"]));

    const names = readdirSync(logs).toSorted();
    const dated = names.filter((name) => name !== LOG);
    const records = [...dated, LOG].flatMap((name) => {
      const content = readFileSync(join(logs, name), "utf8");
      expect(content).toEndWith("\n");
      const day = name === LOG ? undefined : name.slice(LOG.length + 1);
      return content
        .slice(0, -1)
        .split("\n")
        .map((text) => {
          const record = /^((\d{4}-\d\d-\d\d) \d\d:\d\d:\d\d,\d{3}) ~ (.*)$/.exec(text);
          expect(record).not.toBeNull();
          if (day !== undefined) expect(record![2]).toBe(day);
          return { time: record![1]!, text: record![3]! };
        });
    });
    expect(records).toHaveLength(2 * count);
    const times = records.map(({ time }) => time);
    expect(times).toEqual(times.toSorted());
    for (const thread of ["one", "other"]) {
      const texts = records.map(({ text }) => text).filter((text) => text.startsWith(`${thread}|`));
      expect(texts).toEqual(textsOf(thread));
    }
  },
);

describe.skipIf(lacks("python"))("EventLog", () => {
  const script = `
import logging, logging.handlers, sys
handler = logging.handlers.TimedRotatingFileHandler(sys.argv[1], when="midnight", backupCount=995)
handler.setFormatter(logging.Formatter("%(asctime)s ~ %(message)s"))
logging.getLogger().addHandler(handler)
record = logging.makeLogRecord({"msg": "BackDeck|Temp|76 F", "created": 1795348800.25, "msecs": 250.0})
handler.emit(record)
handler.close()`;

  test("goes on where the log of Python's TimedRotatingFileHandler ends", () => {
    using temp = tempDir();
    const log = new Fixture(temp.path, "2026-11-22T12:00:00.25");
    mkdirSync(log.directory);
    const { stderr } = Bun.spawnSync([PYTHON, "-c", script, log.path()], {
      env: { ...process.env, TZ: "UTC" },
      stderr: "pipe",
    });
    expect(stderr.toString()).toBe("");
    log.append("BackDeck|Temp|76 F");
    const [first, second, ...rest] = log.read().split("\n");
    expect(second).toBe(first);
    expect(rest).toEqual([""]);
    log.append("next", "2026-11-23T00:00:00");
    expect(log.names()).toEqual([LOG, "imagehub.log.2026-11-22"]);
    expect(existsSync(log.path())).toBe(true);
  });
});
