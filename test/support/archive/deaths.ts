/**
 * Ends a process that archives at each of its system calls that concern the archive, or lets the
 * call fail, and judges what is there afterwards.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { judge, type Place } from "./days.ts";
import { tempDir } from "../machine/temp.ts";

/** The system calls that make, change and name files. */
const CALLS = [
  "openat,write,pwrite64,fsync,fdatasync,renameat2,renameat,rename,linkat,mkdirat,mkdir",
  "unlinkat,unlink,ftruncate,utimensat,fadvise64,close",
].join();

/** The nth call of this kind in the main thread. */
export interface Point {
  readonly call: string;
  readonly nth: number;
}

/** Runs a command under strace, which looks at its main thread. */
function trace(command: readonly string[], ...options: readonly string[]) {
  using temp = tempDir();
  const file = join(temp.path, "trace.txt");
  const { signalCode } = Bun.spawnSync(["strace", "-y", "-o", file, ...options, ...command], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  return { lines: readFileSync(file, "utf8").split("\n"), isKilled: signalCode === "SIGKILL" };
}

/** The points of a run of this command. It does all its work. */
export function pointsOf(command: readonly string[], archive: string): Point[] {
  const counts = new Map<string, number>();
  const points: Point[] = [];
  for (const line of trace(command, "-e", `trace=${CALLS}`).lines) {
    const call = /^(?<call>\w+)\(/.exec(line)?.groups?.["call"];
    if (call === undefined) continue;
    const nth = (counts.get(call) ?? 0) + 1;
    counts.set(call, nth);
    if (line.includes(archive)) points.push({ call, nth });
  }
  return points;
}

/** Death, or an error of the call, as in `strace -e inject`. */
export type Fault = "signal=KILL" | "error=EIO";

/** Runs a command with a fault at a point. @returns whether it happened */
function failAt(command: readonly string[], { call, nth }: Point, fault: Fault): boolean {
  const inject = `inject=${call}:${fault}:when=${nth}`;
  const { lines, isKilled } = trace(command, "-e", `trace=${call}`, "-e", inject);
  return isKilled || lines.some((line) => line.includes("(INJECTED)"));
}

/** What was found after one fault. */
export interface Suffered {
  readonly hasFailed: boolean;
  readonly problems: readonly string[];
}

/**
 * Lets a process suffer a fault, and another one finish its work.
 *
 * @param expected the paths that the manifests must list in the end
 */
export function suffer(
  command: readonly string[],
  point: Point,
  place: Place,
  expected: readonly string[],
  fault: Fault = "signal=KILL",
): Suffered {
  const problems: string[] = [];
  const what = `${point.call} ${point.nth} ${fault}: `;
  const attempt = (when: string): string[] => {
    try {
      return judge(place.archive);
    } catch (error) {
      problems.push(`${what}${when}: ${String(error)}`);
      return [];
    }
  };
  const hasFailed = failAt(command, point, fault);
  attempt("after the fault");
  Bun.spawnSync([...command], { stdio: ["ignore", "ignore", "ignore"] });
  const listed = attempt("after the next run");
  if (listed.join() !== expected.join())
    problems.push(`${what}the next run archived ${listed.length} of ${expected.length} files`);
  const names = place.names();
  const leftovers = names.filter((name) => name.includes(".incoming-"));
  if (leftovers.length > 0) problems.push(`${what}${leftovers.length} leftovers`);
  const bare = names.filter((name) => name.endsWith(".tar") && !names.includes(`${name}.sha256`));
  if (bare.length > 0) problems.push(`${what}${bare.join()} has no checksum`);
  return { hasFailed, problems };
}
