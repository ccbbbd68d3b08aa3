import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { type LogFormat, type LogOptions, createLogger } from "../../src/log/log.ts";
import type { LogLevel } from "../../src/log/format.ts";
import { tempDir } from "../support/machine/temp.ts";

/** A stream into memory. */
class Memory extends Writable {
  text = "";
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** A stream that is a terminal, and one to write to. */
class Terminal extends Memory {
  readonly isTTY = true;
}

const TIME = new Date(2026, 10, 22, 8, 5, 9, 7).getTime();

function open(format: LogFormat, options: Partial<LogOptions> & { level?: LogLevel } = {}) {
  const [stdout, stderr] = [new Memory(), new Memory()];
  const log = createLogger({
    level: "debug",
    format,
    env: {},
    stdout,
    stderr,
    now: () => TIME,
    ...options,
  });
  return { log, stdout, stderr };
}

/** Runs a script that has `log` and `createLogger` in its own process, with real streams. */
function child(script: string): string[] {
  const source = JSON.stringify(join(import.meta.dir, "../../src/log/log.ts"));
  const { stdout, stderr, env } = {
    stdout: "process.stdout",
    stderr: "process.stderr",
    env: "process.env",
  };
  const head = `const { createLogger } = await import(${source});
    const log = createLogger({ level: "info", format: "auto", env: ${env}, stdout: ${stdout}, stderr: ${stderr} });`;
  return [process.execPath, "-e", head + script];
}

/** The first two characters on stdout and on stderr if JOURNAL_STREAM names this file. */
function firstCharacters(named: "out" | "err" | "neither" | undefined) {
  using directory = tempDir();
  const [out, err] = [join(directory.path, "out"), join(directory.path, "err")];
  for (const file of [out, err]) writeFileSync(file, "");
  const { dev, ino } = statSync(named === "err" ? err : out, { bigint: true });
  const { JOURNAL_STREAM: _, ...env } = process.env;
  const journal = named && { JOURNAL_STREAM: named === "neither" ? `${dev}:0` : `${dev}:${ino}` };
  Bun.spawnSync(child(`log.info("Hello"); log.error("Hello");`), {
    env: { ...env, ...journal },
    stdout: Bun.file(out),
    stderr: Bun.file(err),
  });
  return [out, err].map((file) => readFileSync(file, "utf8").slice(0, 2));
}

/** A line as it is coloured in this environment. */
function onTerminal(env: Record<string, string>): string {
  const stdout = new Terminal();
  open("text", { stdout, env }).log.info("Hello", { a: 1 });
  return stdout.text;
}

/** The lines of a script on one pipe, which nobody reads until the script calls `startReading`. */
function lateLines(script: string): string[] {
  using directory = tempDir();
  const go = join(directory.path, "go");
  const startReading = `const startReading = () => require("node:fs").writeFileSync(${JSON.stringify(go)}, "");`;
  const reader = `while [ ! -e "$GO" ]; do sleep 0.02; done; cat`;
  const { stdout } = Bun.spawnSync(
    ["sh", "-c", `"$@" 2>&1 | { ${reader}; }`, "sh", ...child(startReading + script)],
    { env: { ...process.env, GO: go } },
  );
  return stdout.toString().trimEnd().split("\n");
}

const ALL_LEVELS = ["error", "warn", "info", "debug"] as const;

describe("text", () => {
  test("has the local time, the level, the message and the fields", () => {
    const { log, stdout, stderr } = open("text");
    log.info("Image stored", {
      node: "Barn Door",
      bytes: 45_000,
      empty: "",
      unset: undefined,
      none: null,
    });
    log.debug("Connected");
    log.warn("Slow", { equals: "a=b" });
    log.error("Cannot write", {
      reason: new Error("Cannot open x", { cause: new Error("no space") }),
    });
    expect(stdout.text).toBe(
      '2026-11-22 08:05:09.007 info  Image stored node="Barn Door" bytes=45000 empty="" none=null\n' +
        "2026-11-22 08:05:09.007 debug Connected\n",
    );
    expect(stderr.text).toBe(
      '2026-11-22 08:05:09.007 warn  Slow equals="a=b"\n' +
        '2026-11-22 08:05:09.007 error Cannot write reason="Cannot open x: no space"\n',
    );
  });

  test("is coloured on a terminal, and not where NO_COLOR or a dumb terminal says so", () => {
    const plain = "2026-11-22 08:05:09.007 info  Hello a=1\n";
    expect(onTerminal({})).toBe(
      "\u001B[2m2026-11-22 08:05:09.007\u001B[0m \u001B[32minfo \u001B[0m Hello \u001B[2ma=1\u001B[0m\n",
    );
    expect(onTerminal({ NO_COLOR: "1" })).toBe(plain);
    expect(onTerminal({ TERM: "dumb" })).toBe(plain);
  });
});

test("journal has the priority in front and no time", () => {
  const { log, stdout, stderr } = open("journal");
  for (const level of ALL_LEVELS) log[level]("Hello", { a: 1 });
  expect(stderr.text).toBe("<3>Hello a=1\n<4>Hello a=1\n");
  expect(stdout.text).toBe("<6>Hello a=1\n<7>Hello a=1\n");
});

describe("json", () => {
  test("has one object a line with flat fields", () => {
    const { log, stdout } = open("json");
    log.info('Say "hi"', {
      time: 1,
      peer: { host: "::1", port: 5 },
      list: [1, "b"],
      at: new Date(0),
      big: 2n,
    });
    expect(JSON.parse(stdout.text)).toEqual({
      time: new Date(TIME).toISOString(),
      level: "info",
      message: 'Say "hi"',
      "field.time": 1,
      "peer.host": "::1",
      "peer.port": 5,
      list: "1,b",
      at: "1970-01-01T00:00:00.000Z",
      big: "2",
    });
  });

  test("stays JSON whatever stands in it", () => {
    const { log, stdout } = open("json");
    const round: Record<string, unknown> = {
      nan: Number.NaN,
      code: () => 1,
      bytes: new Uint8Array(3),
    };
    round["round"] = round;
    log.info('\u0000\u0085\u2028\uD800\\"', { ...round, ["__proto__"]: 1, "a\nb": "c\nd" });
    const lines = stdout.text.trimEnd().split("\n");
    expect(lines).toHaveLength(1);
    const line: Record<string, unknown> = JSON.parse(lines[0] ?? "");
    expect(line["message"]).toBe('\u0000\u0085\u2028\uD800\\"');
    expect(line).toMatchObject({
      nan: "NaN",
      code: "<function>",
      bytes: "<3 bytes>",
      "a\nb": "c\nd",
    });
    expect(line["round.round.round.round.round"]).toBe("…");
  });
});

describe("any format", () => {
  test.each(["text", "journal", "json"] as const)("%s has one line free of controls", (format) => {
    const { log, stdout } = open(format);
    const bad = "a\r\nb\u001B[31m\u009B1m\u2028\u2029\u0007\u202Ec\u007F";
    log.info(bad, { [bad]: bad });
    expect(stdout.text).toEndWith("\n");
    const line = stdout.text.slice(0, -1);
    expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202E]/u);
    expect(line).toContain("a\\r\\nb\\u001b[31m\\u009b1m\\u2028\\u2029");
  });

  test.each(["text", "journal", "json"] as const)("%s has a line of bounded length", (format) => {
    const { log, stdout } = open(format);
    log.info("x".repeat(1_000_000), { long: "y".repeat(1_000_000) });
    expect(stdout.text.length).toBeLessThan(10_000);
  });

  test("leaves out what is less important than the level", () => {
    const written = ALL_LEVELS.map((level) => {
      const { log, stdout, stderr } = open("journal", { level });
      for (const each of ALL_LEVELS) log[each](each);
      return (stderr.text + stdout.text).trimEnd().split("\n").join(" ");
    });
    const all = ["<3>error", "<4>warn", "<6>info", "<7>debug"];
    expect(written).toEqual([1, 2, 3, 4].map((count) => all.slice(0, count).join(" ")));
  });

  test("keeps every one of many lines that are alike", () => {
    const { log, stdout } = open("journal");
    for (let index = 0; index < 100; index++) log.info("Same");
    expect(stdout.text).toBe("<6>Same\n".repeat(100));
  });
});

describe("auto", () => {
  test("is journal only on the stream that JOURNAL_STREAM names", () => {
    expect(firstCharacters("out")).toEqual(["<6", "20"]);
    expect(firstCharacters("err")).toEqual(["20", "<3"]);
    expect(firstCharacters("neither")).toEqual(["20", "20"]);
    expect(firstCharacters(undefined)).toEqual(["20", "20"]);
  });
});

describe("the process goes on", () => {
  const endless = `
    for (let index = 0; index < 20; index++) { log.info("Hello"); log.error("Hello"); await Bun.sleep(5); }
    await log.flush();
    require("node:fs").writeFileSync(process.env.DONE, "done");
    process.exit(7);`;

  test("when the reader of stdout and stderr is gone", () => {
    using directory = tempDir();
    const done = join(directory.path, "done");
    // The reader ends before the first line, so each write finds a broken pipe.
    const [program, option, script] = child(endless.replace("for", "await Bun.sleep(300); for"));
    const shell = `{ "$1" "$2" "$3" 2>&1; echo $? > "$DONE.status"; } | true`;
    Bun.spawnSync(["sh", "-c", shell, "sh", program ?? "", option ?? "", script ?? ""], {
      env: { ...process.env, DONE: done },
    });
    expect(readFileSync(done, "utf8")).toBe("done");
    expect(readFileSync(`${done}.status`, "utf8")).toBe("7\n");
  });

  test("when stdout and stderr are closed", () => {
    using directory = tempDir();
    const done = join(directory.path, "done");
    const shell = 'exec "$@" >&- 2>&-';
    const { exitCode } = Bun.spawnSync(["sh", "-c", shell, "sh", ...child(endless)], {
      env: { ...process.env, DONE: done },
    });
    expect([readFileSync(done, "utf8"), exitCode]).toEqual(["done", 7]);
  });

  test("when the disk under stdout is full", () => {
    using directory = tempDir();
    const done = join(directory.path, "done");
    const full = openSync("/dev/full", "w");
    const { exitCode } = Bun.spawnSync(child(endless), {
      env: { ...process.env, DONE: done },
      stdout: full,
      stderr: full,
    });
    closeSync(full);
    expect([readFileSync(done, "utf8"), exitCode]).toEqual(["done", 7]);
  });

  test("when nobody reads: lines beyond the bound are dropped, and their number is told later", () => {
    const lines = lateLines(`
      for (let index = 0; index < 1000; index++) log.info("x".repeat(4000));
      startReading();
      await log.flush(10_000);
      log.info("After");
      await log.flush();
      process.exit(0);`);
    const told = / dropped=(\d+)$/.exec(lines.at(-2) ?? "");
    expect(lines.at(-1)).toEndWith("After");
    const kept = lines.length - 2;
    expect(kept).toBeLessThan(600);
    expect(kept + Number(told?.[1])).toBe(1000);
  });
});

test("flush waits until all lines have left the process", () => {
  const lines = lateLines(`
    for (let index = 0; index < 200; index++) log.info("x".repeat(4000));
    startReading();
    await log.flush(10_000);
    process.exit(0);`);
  expect(lines).toHaveLength(200);
});

test("flush ends after its time when nobody reads", () => {
  const lines = lateLines(`
    for (let index = 0; index < 200; index++) log.info("x".repeat(4000));
    await log.flush(50);
    startReading();
    process.exit(0);`);
  expect(lines.length).toBeLessThan(200);
});
