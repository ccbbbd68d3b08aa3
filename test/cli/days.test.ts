import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { runCli } from "../support/hub/cli.ts";
import { tempDir } from "../support/machine/temp.ts";

setDefaultTimeout(120_000);

/** A data directory with three images and an event on two days. */
function fill(data: string): void {
  for (const [date, name, bytes] of [
    ["2021-09-23", "Barn-Door-2021-09-23T16.58.47.490303.jpg", 45_000],
    ["2021-09-23", "Gate-2021-09-23T16.58.47.490303.jpg", 5000],
    ["2021-09-24", "Gate-2021-09-24T00.00.00.000000.jpg", 999],
  ] as const) {
    mkdirSync(join(data, "images", date), { recursive: true });
    writeFileSync(join(data, "images", date, name), new Uint8Array(bytes));
  }
  mkdirSync(join(data, "logs"));
  writeFileSync(join(data, "logs/imagehub.log"), "2021-09-24 08:00:00,000 ~ Barn|Temp|76 F\n");
}

describe("imagehub days", () => {
  test("tells of each camera why its images are gone", async () => {
    using home = tempDir();
    const data = join(home.path, "imagehub_data");
    fill(data);
    const lines = [
      "2 days, 20 images, 1.0 MB: min_free (2021-09-23 to 2021-09-24 of Barn)",
      "1 day, 20 images, 1.0 MB: min_free (2021-09-23 until 14:00 of Gate)",
    ];
    writeFileSync(
      join(data, "logs/imagehub.log"),
      lines.map((line) => `2021-09-25 08:00:00,000 ~ Pruned ${line}\n`).join(""),
    );
    const { stdout } = await runCli(["days"], { home: home.path });
    expect(stdout).toMatch(/^2021-09-23 .* min_free of Barn, min_free until 14:00 of Gate$/m);
    expect(stdout).toMatch(/^2021-09-24 .* min_free of Barn$/m);
  });

  test("prints a table, the latest day last", async () => {
    using home = tempDir();
    fill(join(home.path, "imagehub_data"));
    expect(await runCli(["days"], { home: home.path })).toEqual({
      status: EXIT.ok,
      stdout:
        "DAY         IMAGES  SIZE       EVENTS  CAMERAS  PROTECTED\n" +
        "2021-09-23  2       50.0 kB    0       2        -\n" +
        "2021-09-24  1       999 bytes  1       1        -\n" +
        `\n2 days, 3 images, 51.0 kB, 1 event in ${home.path}/imagehub_data\n`,
      stderr: "",
    });
  });

  test("counts protected images, also of a day that is gone from images", async () => {
    using home = tempDir();
    const data = join(home.path, "imagehub_data");
    fill(data);
    for (const [date, name] of [
      ["2021-09-22", "Gate-2021-09-22T16.58.47.490303.jpg"],
      ["2021-09-24", "Gate-2021-09-24T00.00.00.000000.jpg"],
    ] as const) {
      mkdirSync(join(data, "kept", date), { recursive: true });
      writeFileSync(join(data, "kept", date, name), new Uint8Array(999));
    }
    const { stdout } = await runCli(["days"], { home: home.path });
    expect(stdout).toBe(
      "DAY         IMAGES  SIZE       EVENTS  CAMERAS  PROTECTED\n" +
        "2021-09-22  0       0 bytes    0       0        1\n" +
        "2021-09-23  2       50.0 kB    0       2        -\n" +
        "2021-09-24  1       999 bytes  1       1        1\n" +
        `\n3 days, 3 images, 51.0 kB, 1 event in ${data}\nProtected: 2 images, 2.0 kB\n`,
    );
  });

  test("prints each camera of each day as JSON", async () => {
    using home = tempDir();
    const data = join(home.path, "another");
    fill(data);
    writeFileSync(join(data, "images/2021-09-24/notes.txt"), "x");
    for (const name of ["holiday", "2021-09-99", ".hidden"]) mkdirSync(join(data, "images", name));
    expect((await runCli(["days", "--data", data], { home: home.path })).stdout).toContain(
      "Not the hub's, beside the folders of the days: 2021-09-99, holiday\n",
    );
    const { status, stdout } = await runCli(["days", "--json", "--data", data], {
      home: home.path,
    });
    expect(status).toBe(EXIT.ok);
    expect(JSON.parse(stdout)).toEqual({
      data_directory: data,
      foreign: ["2021-09-99", "holiday"],
      days: [
        {
          date: "2021-09-23",
          images: 2,
          bytes: 50_000,
          foreign: 0,
          unreadable: 0,
          cameras: [
            { name: "Barn-Door", images: 1, bytes: 45_000 },
            { name: "Gate", images: 1, bytes: 5000 },
          ],
          events: 0,
          protected: { images: 0, bytes: 0 },
          pruned: [],
        },
        {
          date: "2021-09-24",
          images: 1,
          bytes: 999,
          foreign: 1,
          unreadable: 0,
          cameras: [{ name: "Gate", images: 1, bytes: 999 }],
          events: 1,
          protected: { images: 0, bytes: 0 },
          pruned: [],
        },
      ],
    });
    const shown = await runCli(["days", "--data", data], { home: home.path });
    expect(shown.stdout).toContain("\nNot the hub's images, in the folders of the days: 1\n");
  });

  test("says what to do if there is no data directory", async () => {
    using home = tempDir();
    const { status, stderr } = await runCli(["days"], { home: home.path });
    expect(status).toBe(EXIT.data);
    expect(stderr).toStartWith(`Cannot read ${home.path}/imagehub_data: `);
    expect(stderr).toContain("--data names another data directory");
  });

  test.skipIf(process.geteuid?.() !== 0)(
    "leaves nothing of its own in another user's data directory",
    async () => {
      using home = tempDir();
      const data = join(home.path, "imagehub_data");
      fill(data);
      Bun.spawnSync(["chown", "-R", "nobody", data]);
      chmodSync(data, 0o755);
      expect((await runCli(["days"], { home: home.path })).status).toBe(EXIT.ok);
      expect(
        [...new Bun.Glob("*").scanSync({ cwd: data, dot: true, onlyFiles: false })].toSorted(),
      ).toEqual(["images", "logs"]);
    },
  );
});
