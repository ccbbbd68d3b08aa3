import { afterEach, beforeEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, type FatalError } from "../../src/errors.ts";
import { loadSettings } from "../../src/config/load.ts";
import { type FirstSettings, settingsFor } from "../../src/service/settings-file.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";

let temp: TempDir;
let config: string;

beforeEach(() => {
  temp = tempDir();
  config = join(temp.path, "imagehub.yaml");
});

afterEach(() => temp[Symbol.dispose]());

const account = () => ({ name: "pi", uid: 1000, group: "pi", gid: 1000, home: temp.path });

/** What it says when it refuses. */
function refusal(data?: string, options?: FirstSettings): [status: number, message: string] {
  try {
    settingsFor(config, account(), data, undefined, options);
  } catch (error) {
    const { status, message } = error as FatalError;
    return [status, message];
  }
  throw new Error("It does not refuse");
}

test("settingsFor makes a first file of the example, with the data where it is asked for", () => {
  expect(settingsFor(config, account(), "/srv/images")).toMatchObject({
    dataDirectory: "/srv/images",
    settings: undefined,
    newText: expect.stringContaining("\n  data_directory: /srv/images\n") as string,
  });
  const beside = join(temp.path, "imagehub_data");
  expect(settingsFor(config, account(), undefined).dataDirectory).toBe(beside);
  expect(settingsFor(config, account(), undefined, "/mnt/x").dataDirectory).toBe("/mnt/x");
});

test("settingsFor takes a file as it is, and refuses another place than it names", () => {
  writeFileSync(config, "hub:\n  data_directory: /srv/images\n");
  for (const data of [undefined, "/srv/images", "/srv/x/../images/"]) {
    const found = settingsFor(config, account(), data);
    expect(found).toMatchObject({ dataDirectory: "/srv/images", newText: undefined });
    expect(found.settings?.data_directory).toBe("/srv/images");
  }
  expect(refusal("/srv/x")).toEqual([
    EXIT.usage,
    `${config} sets data_directory to /srv/images, not /srv/x: change it there, or leave out --data`,
  ]);
});

test("settingsFor refuses a path with a line break", () => {
  expect(refusal("/srv/a\nb")).toEqual([
    EXIT.usage,
    "--data must be a path without control characters",
  ]);
});

test("settingsFor puts rules into a first file, and says whether they delete images", () => {
  const first = (options: FirstSettings): ReturnType<typeof settingsFor> =>
    settingsFor(config, account(), undefined, undefined, options);
  expect(first({}).deletesImages).toBe(false);
  expect(first({ minFree: "0 %", keepDays: "0" }).deletesImages).toBe(false);
  const found = first({ minFree: "5 %", keepDays: "30" });
  expect(found.deletesImages).toBe(true);
  writeFileSync(config, found.newText!);
  const { keep } = loadSettings({ config, env: {} }).settings;
  expect(keep).toMatchObject({ min_free: "5 %", days: 30, min_days: 1, event_days: 995 });
  expect(first({ minFree: "5%", keepDays: "30" })).toMatchObject({
    newText: undefined,
    deletesImages: true,
  });
  expect(refusal(undefined, { minFree: "10 %" })).toEqual([
    EXIT.usage,
    `${config} sets keep.min_free to 5 %, not 10 %: change it there, or leave out --min-free`,
  ]);
});

test("settingsFor lets others see the page of a first file, with a token", () => {
  const first = (httpListen: string): ReturnType<typeof settingsFor> =>
    settingsFor(config, account(), undefined, undefined, { httpListen });
  expect(first("127.0.0.1:8551").tokenFile).toBeUndefined();
  const found = first("0.0.0.0:8551");
  const tokenFile = join(temp.path, "imagehub.token");
  expect(found).toMatchObject({ tokenFile, deletesImages: false });
  writeFileSync(config, found.newText!);
  const { http } = loadSettings({ config, env: {} }).settings;
  expect(http).toMatchObject({ listen: "0.0.0.0:8551", token_file: tokenFile });
  expect(first("0.0.0.0:8551")).toMatchObject({ newText: undefined, tokenFile });
  expect(settingsFor(config, account(), undefined).tokenFile).toBeUndefined();
  writeFileSync(config, "hub:\n  port: 5555\n");
  expect(refusal(undefined, { httpListen: "0.0.0.0:8551" })).toEqual([
    EXIT.usage,
    `${config} sets http.listen to 127.0.0.1:8550, not 0.0.0.0:8551: change it there and set http.token_file to imagehub.token, or leave out --http-listen`,
  ]);
});

test.each<[options: FirstSettings, message: string]>([
  [
    { minFree: "5 apples" },
    "--min-free must be a percentage such as 5 %, a number of bytes from 1 MB, or",
  ],
  [{ minFree: "" }, "--min-free must be a percentage"],
  [{ keepDays: "a week" }, "--keep-days must be a whole number from 0 to 36500"],
  [{ keepDays: "1.5" }, "--keep-days must be a whole number from 0 to 36500"],
  [{ keepDays: "-1" }, "--keep-days must be a whole number from 0 to 36500"],
  [{ httpListen: "8550" }, '--http-listen must be "off", or an IP address and a port'],
  [{ keepDays: "" }, "--keep-days must be a whole number from 0 to 36500"],
])("settingsFor refuses %j", (options, message) => {
  expect(refusal(undefined, options)).toEqual([
    EXIT.usage,
    expect.stringContaining(message) as string,
  ]);
});

test.each([
  ["", false],
  ["  keep: {event_days: 10, min_days: 3}\n", false],
  ["  keep: {days: 3}\n", true],
  ["  keep: {max_bytes: 20 GB}\n", true],
  ["  keep: {max_bytes: 0 GB}\n", false],
  ["  keep: {min_free: 20 GB}\n", true],
  ["  keep: {cameras: [{match: Barn, days: 3}]}\n", true],
])("settingsFor knows whether a file with %j deletes images: %p", (text, deletesImages) => {
  writeFileSync(config, `hub:\n  port: 5556\n${text}`);
  expect(settingsFor(config, account(), undefined).deletesImages).toBe(deletesImages);
});
