/**
 * Finds the disk that a directory is on: its real path, its mount point, and missing mounts.
 *
 * @module
 */

import { readFileSync, readlinkSync, realpathSync } from "node:fs";
import path from "node:path";
import { runCommand } from "./machine.ts";
import { hasSystemd } from "./systemd-state.ts";
import { mountUnit } from "./unit.ts";

/** The kernel's list of mounts, proc_pid_mountinfo(5). */
const MOUNTS = "/proc/self/mountinfo";

/** Maximum symbolic links in a path, as in the kernel (path_resolution(7)). */
const LINKS_MAX = 40;

/**
 * A path with all symbolic links resolved, like `realpath --canonicalize-missing`.
 *
 * @param place absolute; it may not exist, for example a folder on a disk that is not mounted
 */
export function realPath(place: string, linksMax = LINKS_MAX): string {
  try {
    return realpathSync(place);
  } catch {
    const above = path.dirname(place);
    if (above === place) return place;
    const real = path.join(realPath(above, linksMax), path.basename(place));
    const target = linksMax > 0 ? linkTarget(real) : undefined;
    return target === undefined
      ? real
      : realPath(path.resolve(path.dirname(real), target), linksMax - 1);
  }
}

function linkTarget(place: string): string | undefined {
  try {
    return readlinkSync(place);
  } catch {
    return undefined;
  }
}

/**
 * The mount point of the file system that a path is on. Device numbers would not do: a btrfs
 * subvolume has its own but is not mounted, and a bind mount has the same but is.
 *
 * @param place absolute, without symbolic links
 * @param mounts the content of {@link MOUNTS}
 * @returns undefined if it is the root file system
 */
export function mountPointOf(
  place: string,
  mounts = readFileSync(MOUNTS, "utf8"),
): string | undefined {
  const points = new Set(mounts.split("\n").map((line) => unescaped(line.split(" ", 5)[4] ?? "")));
  return pathsAbove(place).find((above) => points.has(above));
}

/** Mount points that are part of the system: nobody unmounts them, and much else is on them. */
const SYSTEM_POINTS: ReadonlySet<string> = new Set(["/home", "/opt", "/root", "/usr", "/var"]);

/**
 * What the service must be able to write so that the hub can write to a folder on a disk that may
 * come and go: the disk's mount point. See `ReadWritePaths` in the unit. Without such a disk it is
 * the folder itself.
 *
 * @param place absolute, without symbolic links
 * @param dataMount the mount point of the data, which the service is bound to
 */
export function writablePlaceFor(
  place: string,
  dataMount: string | undefined,
  mounts?: string,
): string {
  // A disk of /etc/fstab may not be mounted now.
  const missing = missingMounts(place, "").at(-1) ?? "";
  const mounted = mountPointOf(place, mounts) ?? "";
  const point = missing.length > mounted.length ? missing : mounted;
  return point === "" || point === dataMount || SYSTEM_POINTS.has(point) ? place : point;
}

/** Decodes spaces and the like, written as `\040`. */
function unescaped(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_, digits: string) =>
    String.fromCodePoint(Number.parseInt(digits, 8)),
  );
}

/** The path itself and all its parents, except the root. */
function pathsAbove(place: string): string[] {
  const above = path.dirname(place);
  return above === place ? [] : [place, ...pathsAbove(above)];
}

/**
 * The mount points on a path that should be mounted but are not: those from `/etc/fstab` or a unit,
 * and the disk that the installed service is bound to.
 *
 * @param place absolute, without symbolic links
 * @param bound the mount unit of the installed service, or empty
 * @returns mount points, the nearest to the root first
 */
export function missingMounts(place: string, bound: string): string[] {
  const points = pathsAbove(place).toReversed();
  if (!hasSystemd() || points.length === 0) return [];
  const { output } = runCommand(
    ["systemctl", "show", "--property=LoadState,ActiveState", "--"].concat(points.map(mountUnit)),
  );
  const states = output.split("\n\n");
  return points.filter((point, index) => {
    const state = states[index] ?? "";
    const isToBe = state.includes("LoadState=loaded") || mountUnit(point) === bound;
    return isToBe && !state.includes("ActiveState=active");
  });
}
