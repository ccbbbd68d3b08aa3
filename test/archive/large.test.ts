import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ArchiveRound } from "../../src/shared/messages.ts";
import { nameOf, Place, run, TODAY } from "../support/archive/days.ts";
import { lacksMount, SmallDisk } from "../support/machine/file-system.ts";

setDefaultTimeout(600_000);

const DAY = "2021-09-23";

/** What the runtime takes by itself, and the archiver beside it, in bytes. */
const PEAK_BYTES_MAX = 160 * 2 ** 20;

function archiveIn(place: Place): ArchiveRound & { readonly peakBytes: number } {
  const script = fileURLToPath(import.meta.resolve("../support/archive/round-process.ts"));
  const { directory, archive, format } = place;
  const output = run("/", process.execPath, script, directory.path, archive, format, TODAY);
  return JSON.parse(output) as ReturnType<typeof archiveIn>;
}

describe.skipIf(lacksMount()).each(["tree", "tar"] as const)("an archive of form %s", (format) => {
  test("takes 20,000 files in little memory", () => {
    using disk = new SmallDisk("size=512m");
    using place = new Place(disk.path);
    place.format = format;
    const folder = place.directory.dateFolder(DAY);
    mkdirSync(folder);
    for (let index = 0; index < 20_000; index++)
      writeFileSync(join(folder, nameOf(DAY, `Camera-${index}`)), String(index));
    const { peakBytes, ...round } = archiveIn(place);
    expect(round).toMatchObject({ days: [DAY], files: 20_000, problems: [] });
    expect(peakBytes).toBeLessThan(PEAK_BYTES_MAX);
    const manifest = `manifests/${DAY}.sha256`;
    if (format === "tar") run(place.archive, "tar", "xf", `${DAY}.tar`);
    run(place.archive, "sha256sum", "--check", "--strict", "--quiet", manifest);
    expect(run(place.archive, "wc", "-l", manifest)).toStartWith("20000 ");
    expect(archiveIn(place)).toMatchObject({ days: [], files: 0, problems: [] });
  });

  test("takes large files in little memory", () => {
    using disk = new SmallDisk("size=640m");
    using place = new Place(disk.path);
    place.format = format;
    for (let index = 0; index < 2; index++) {
      const name = place.image(DAY, `Camera-${index}`, 0, "");
      truncateSync(join(place.directory.dateFolder(DAY), name), 2 ** 28);
    }
    const { peakBytes, ...round } = archiveIn(place);
    expect(round).toMatchObject({ files: 2, bytes: 2 ** 29, problems: [] });
    expect(peakBytes).toBeLessThan(PEAK_BYTES_MAX);
  });
});
