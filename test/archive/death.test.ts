import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ArchiveRound } from "../../src/shared/messages.ts";
import { judge, Place, run, TODAY } from "../support/archive/days.ts";
import { pointsOf, suffer } from "../support/archive/deaths.ts";
import { lacksStrace } from "../support/machine/strace.ts";

setDefaultTimeout(600_000);

const SCRIPT = fileURLToPath(import.meta.resolve("../support/archive/round-process.ts"));

/** Of how many points one is met. */
const EACH = 12;

const DAY = "2021-09-23";

/** Removes everything from the archive but its mark. */
function clear(place: Place): void {
  for (const name of readdirSync(place.archive))
    if (name !== ".imagehub-archive") rmSync(join(place.archive, name), { recursive: true });
}

/**
 * Without the manifest being made last (`writeManifest` before `copy` in `day.ts`): "after the
 * fault: … FAILED open or read" and more.
 */
describe.skipIf(lacksStrace())("a process that archives", () => {
  test.each([
    ["tree", "signal=KILL", false],
    ["tree", "signal=KILL", true],
    ["tree", "error=EIO", false],
    ["tar", "signal=KILL", false],
    ["tar", "signal=KILL", true],
    ["tar", "error=EIO", true],
  ] as const)(
    "makes no manifest over what is not there, whichever call: %s, %s, late files: %j",
    (format, fault, isLate) => {
      using place = new Place();
      place.format = format;
      place.image(DAY, "Barn");
      place.log(DAY);
      const { directory, archive } = place;
      const command = [process.execPath, SCRIPT, directory.path, archive, format, TODAY];
      const before = join(place.path, "before");
      if (isLate) {
        run("/", ...command);
        place.image(DAY, "Late", 1, "late");
      }
      run("/", "cp", "-a", archive, before);
      // The others are in the row archive of the table of faults.
      const points = pointsOf(command, archive).filter((_, index) => index % EACH === 0);
      const expected = judge(archive);
      expect(expected).toHaveLength(isLate ? 3 : 2);
      expect(points.length).toBeGreaterThan(5);
      let faults = 0;
      for (const point of points) {
        clear(place);
        run("/", "cp", "-a", `${before}/.`, archive);
        const { hasFailed, problems } = suffer(command, point, place, expected, fault);
        expect(problems).toEqual([]);
        if (hasFailed) faults++;
      }
      // The runtime may open files of its own, and then later calls have other numbers.
      expect(faults).toBeGreaterThan(points.length / 2);
    },
  );

  test("archives the other days if a file cannot be read", () => {
    using place = new Place();
    const bad = join(place.directory.dateFolder(DAY), place.image(DAY, "Bad"));
    place.image(DAY, "Good");
    place.image("2021-09-24", "Good");
    for (const format of ["tree", "tar"]) {
      const { directory, archive } = place;
      const command = [process.execPath, SCRIPT, directory.path, archive, format, TODAY];
      const inject = "inject=pread64,read:error=EIO";
      const traced = ["strace", "-f", "-o", "/dev/null", "-P", bad, "-e", inject, ...command];
      const round = JSON.parse(run("/", ...traced)) as ArchiveRound;
      expect(round.days).toEqual(["2021-09-24"]);
      expect(round.problems).toEqual([
        expect.stringMatching(/^Cannot archive 2021-09-23: images.*Bad.* cannot be read: EIO/),
      ]);
      expect(judge(archive)).toHaveLength(1);
      clear(place);
    }
  });
});
