import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { judge, Place, run, TODAY } from "../support/archive/days.ts";
import { pointsOf, suffer } from "../support/archive/deaths.ts";
import { lacksStrace } from "../support/machine/strace.ts";

setDefaultTimeout(600_000);

/** Of how many points one is met. */
const EACH = 6;

const DAY = "2021-09-23";

/** Removes everything from the archive but its mark. */
function clear(place: Place): void {
  for (const name of readdirSync(place.archive))
    if (name !== ".imagehub-archive") rmSync(join(place.archive, name), { recursive: true });
}

/**
 * Without the manifest being made last (`writeManifest` before `copy` in `day.ts`): "renameat2 2:
 * after the death: sha256sum …: FAILED open or read" and more.
 */
describe.skipIf(lacksStrace())("a process that archives", () => {
  test.each([
    ["tree", false],
    ["tree", true],
    ["tar", false],
    ["tar", true],
  ] as const)(
    "makes no manifest over what is not there, at whichever call it dies: %s, late files: %j",
    (format, isLate) => {
      using place = new Place();
      place.format = format;
      place.image(DAY, "Barn");
      place.log(DAY);
      const script = fileURLToPath(import.meta.resolve("../support/archive/round-process.ts"));
      const { directory, archive } = place;
      const command = [process.execPath, script, directory.path, archive, format, TODAY];
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
      let deaths = 0;
      for (const point of points) {
        clear(place);
        run("/", "cp", "-a", `${before}/.`, archive);
        const { hasDied, problems } = suffer(command, point, place, expected);
        expect(problems).toEqual([]);
        if (hasDied) deaths++;
      }
      // The runtime may open files of its own, and then later calls have other numbers.
      expect(deaths).toBeGreaterThan(points.length / 2);
    },
  );
});
