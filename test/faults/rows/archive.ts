/**
 * `imagehub archive` dies at each of its calls, or the call fails, or the disk of the archive loses
 * its power. Then whatever a manifest lists must be in the archive byte by byte, and the next run
 * must finish the work. sha256sum and GNU tar judge.
 *
 * With a manifest made before the files (in `archive/day.ts`): "after the fault: … FAILED open or
 * read". Without `fsync(fd)` in `replaceFile` of `archive/content.ts`: "after the cut: … no
 * properly formatted checksum lines found". Without `fsync(fd)` in `copyUnnamed` and the next
 * reading from the disk, which writes it too: "after the cut: … FAILED" in 7 of 10 cuts.
 */

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { judge, Place, run as command } from "../../support/archive/days.ts";
import { type Fault, pointsOf, suffer } from "../../support/archive/deaths.ts";
import { LoopDisk } from "../disk.ts";
import { programWords } from "../hub.ts";
import type { Row, Run } from "../row.ts";

const DAYS = ["2021-09-21", "2021-09-22", "2021-09-23"];
const MARK = ".imagehub-archive";
const FORMATS = ["tree", "tar"] as const;

type Format = (typeof FORMATS)[number];

/** The faults, and whether only late files are to be added to an archived day. */
const CASES: readonly (readonly [Fault, boolean])[] = [
  ["signal=KILL", true],
  ["signal=KILL", false],
  ["error=EIO", true],
];

/** Few points in the short form. */
const EACH_SHORT = 12;

/** Writes the settings. @returns the command that archives */
function archiving({ program }: Run, place: Place): string[] {
  const { path, archive, format } = place;
  const lines = ["hub:", "  archive:", `    directory: ${archive}`, `    format: ${format}`];
  place.put(join(path, "imagehub.yaml"), `${lines.join("\n")}\n`);
  return [...programWords(program), "archive", "--path", path];
}

function clear(archive: string): void {
  for (const name of readdirSync(archive))
    if (name !== MARK && name !== "lost+found") rmSync(join(archive, name), { recursive: true });
}

interface Faults {
  readonly faults: number;
  readonly points: number;
  readonly problems: readonly string[];
}

/**
 * A fault at each call.
 *
 * @param isLate whether only late files are to be added to an archived day
 */
function failing(run: Run, format: Format, fault: Fault, isLate: boolean): Faults {
  using place = new Place();
  place.format = format;
  place.image(DAYS[0]!, "Barn");
  place.log(DAYS[0]!);
  const words = archiving(run, place);
  if (isLate) {
    command("/", ...words);
    place.image(DAYS[0]!, "Late", 1);
    place.image(DAYS[1]!, "Gate");
  }
  const before = join(place.path, "before");
  command("/", "cp", "-a", place.archive, before);
  const all = pointsOf(words, place.archive);
  const points = all.filter((_, index) => !run.short || index % EACH_SHORT === 0);
  const expected = judge(place.archive);
  const problems: string[] = [];
  let faults = 0;
  for (const point of points) {
    clear(place.archive);
    command("/", "cp", "-a", `${before}/.`, place.archive);
    const suffered = suffer(words, point, place, expected, fault);
    if (suffered.hasFailed) faults++;
    problems.push(...suffered.problems.map((problem) => `${format}, ${problem}`));
  }
  return { faults, points: points.length, problems };
}

/** Cuts the power of the archive's disk on the way. @returns what did not hold */
async function cut(run: Run, format: Format): Promise<string[]> {
  using disk = new LoopDisk({ bytes: 128 * 2 ** 20 });
  using place = new Place(disk.path);
  place.format = format;
  for (const date of DAYS) {
    for (let second = 0; second < 30; second++) place.image(date, "Barn", second);
    place.log(date);
  }
  const words = archiving(run, place);
  const startMs = performance.now();
  command("/", ...words);
  const tookMs = performance.now() - startMs;
  const expected = judge(place.archive);
  clear(place.archive);
  command("/", "sync", "--file-system", place.archive);

  const child = Bun.spawn(words, { stdio: ["ignore", "ignore", "ignore"] });
  await Bun.sleep(Math.random() * tookMs * 1.1);
  disk.cutPower();
  await child.exited;
  disk.powerOn();
  const problems: string[] = [];
  const attempt = (when: string, isWhole: boolean): void => {
    try {
      const listed = judge(place.archive);
      if (isWhole && listed.join() !== expected.join())
        problems.push(`${format}, ${when}: ${listed.length} of ${expected.length} files`);
    } catch (error) {
      problems.push(`${format}, ${when}: ${String(error)}`);
    }
  };
  attempt("after the cut", false);
  const next = Bun.spawnSync(words);
  if (next.exitCode !== 0)
    problems.push(`${format}, the next run ended with ${next.exitCode}: ${next.stderr.toString()}`);
  attempt("after the next run", true);
  return problems;
}

export const archive: Row = {
  name: "archive",
  cause: "death or EIO at every call of archiving; power cut of the archive's disk on the way",
  mustHold: "no manifest over missing or wrong files; the next run finishes the work",
  needs: ["loop", "strace"],
  run: async (run) => {
    const problems: string[] = [];
    let [faults, points] = [0, 0];
    for (const format of FORMATS) {
      for (const [fault, isLate] of run.short ? CASES.slice(0, 1) : CASES) {
        const failed = failing(run, format, fault, isLate);
        faults += failed.faults;
        points += failed.points;
        problems.push(...failed.problems);
        run.say(`${format}, ${fault}: ${failed.faults} of ${failed.points} points met`);
      }
    }
    // The runtime may open files of its own, and then later calls have other numbers.
    if (faults < points * 0.9) problems.push(`only ${faults} of ${points} points were met`);
    const times = run.short ? 2 : 20;
    for (let done = 0; done < times; done++)
      problems.push(...(await cut(run, FORMATS[done % FORMATS.length]!)));
    return {
      figure: `${faults} faults, ${times} power cuts: ${problems.length} problems`,
      problems,
    };
  },
};
