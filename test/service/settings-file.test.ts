import { afterEach, beforeEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, type FatalError } from "../../src/errors.ts";
import { settingsFor } from "../../src/service/settings-file.ts";
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
function refusal(data: string): [status: number, message: string] {
  try {
    settingsFor(config, account(), data);
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
