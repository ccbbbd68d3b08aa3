/**
 * The disk that a directory is on: where it really is, where that is mounted, and what should be
 * mounted there and is not.
 *
 * @module
 */

import { readFileSync, readlinkSync, realpathSync } from "node:fs";
import path from "node:path";
import { runCommand } from "./machine.ts";
import { hasSystemd } from "./systemd-state.ts";
import { mountUnit } from "./unit.ts";

/** Where the kernel lists what is mounted, proc_pid_mountinfo(5). */
const MOUNTS = "/proc/self/mountinfo";

/** Most symbolic links on one way, as in the kernel (path_resolution(7)). */
const LINKS_MAX = 40;

/**
 * A path with all symbolic links followed, as `realpath --canonicalize-missing` does it.
 *
 * @param place absolute; what it leads to may not be there, such as a folder on a disk that is not
 * mounted
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
 * The mount point of the file system that a path is on. That of the device would not do: a
 * subvolume of btrfs is a device of its own and not mounted, and what is bound to another place is
 * the same device and is.
 *
 * @param place absolute and real
 * @param mounts as {@link MOUNTS} has them
 * @returns undefined where that is the root
 */
export function mountPointOf(
  place: string,
  mounts = readFileSync(MOUNTS, "utf8"),
): string | undefined {
  const points = new Set(mounts.split("\n").map((line) => unescaped(line.split(" ", 5)[4] ?? "")));
  return pathsAbove(place).find((above) => points.has(above));
}

/** Spaces and the like are written as `\040`. */
function unescaped(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_, digits: string) =>
    String.fromCodePoint(Number.parseInt(digits, 8)),
  );
}

/** The path itself and all above it, but the root. */
function pathsAbove(place: string): string[] {
  const above = path.dirname(place);
  return above === place ? [] : [place, ...pathsAbove(above)];
}

/**
 * What is to be mounted on the way to a path and is not: what `/etc/fstab` or a unit says, and the
 * disk that the installed service is bound to.
 *
 * @param place absolute and real
 * @param bound the mount unit that the service has been bound to until now; empty: none
 * @returns mount points, the one nearest to the root first
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
