/**
 * Ends a process that archives at each of its system calls that concern the archive, and judges
 * what is there after each death.
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

/** Runs a command that is to die at a point. @returns whether it did */
function dieAt(command: readonly string[], { call, nth }: Point): boolean {
  const inject = `inject=${call}:signal=KILL:when=${nth}`;
  return trace(command, "-e", `trace=${call}`, "-e", inject).isKilled;
}

/** What was found after one death. */
export interface Death {
  readonly hasDied: boolean;
  readonly problems: readonly string[];
}

/**
 * Lets a process die at a point and another one finish its work.
 *
 * @param expected the paths that the manifests must list in the end
 */
export function suffer(
  command: readonly string[],
  point: Point,
  place: Place,
  expected: readonly string[],
): Death {
  const problems: string[] = [];
  const what = `${point.call} ${point.nth}: `;
  const attempt = (when: string): string[] => {
    try {
      return judge(place.archive);
    } catch (error) {
      problems.push(`${what}${when}: ${String(error)}`);
      return [];
    }
  };
  const hasDied = dieAt(command, point);
  attempt("after the death");
  Bun.spawnSync([...command], { stdio: ["ignore", "ignore", "ignore"] });
  const listed = attempt("after the next run");
  if (listed.join() !== expected.join())
    problems.push(`${what}the next run archived ${listed.length} of ${expected.length} files`);
  const names = place.names();
  const leftovers = names.filter((name) => name.includes(".incoming-"));
  if (leftovers.length > 0) problems.push(`${what}${leftovers.length} leftovers`);
  const bare = names.filter((name) => name.endsWith(".tar") && !names.includes(`${name}.sha256`));
  if (bare.length > 0) problems.push(`${what}${bare.join()} has no checksum`);
  return { hasDied, problems };
}
