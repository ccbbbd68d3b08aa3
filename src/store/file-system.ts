/**
 * Describes the file system of a path, and finds out whether its disk is missing.
 *
 * @module
 */

import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** A line of /proc/self/mountinfo. */
interface Mount {
  readonly point: string;
  /** Such as `ext4`; `fuseblk` for everything that uses a disk through FUSE. */
  readonly type: string;
  /** Such as `/dev/sda1`. */
  readonly source: string;
  /** Its number, such as `8:1`. */
  readonly disk: string;
}

/**
 * The file system of a path.
 *
 * @param path may not exist
 * @returns e.g. `fuseblk at /media/pi/STICK (/dev/sda1)`; undefined if unknown
 */
export function fileSystemOf(path: string): string | undefined {
  const mount = mountOf(path);
  return mount && `${mount.type} at ${mount.point} (${mount.source})`;
}

/**
 * The disk that holds a path, as the kernel numbers it, such as `8:1`. All subvolumes and bind
 * mounts of one disk have the same number: systemd makes a bind mount of each `ReadWritePaths=`,
 * which looks like a disk of its own otherwise.
 *
 * @returns undefined if unknown, or if the disk is one that the kernel mounts when it is needed and
 * could not (autofs)
 */
export function diskOf(path: string): string | undefined {
  const mount = mountOf(path);
  return mount?.type === "autofs" ? undefined : mount?.disk;
}

/** Whether a disk is mounted at this very path, and not only a folder of the disk above it. */
export function isMountPoint(path: string): boolean {
  const real = realPathOf(path);
  return mountOf(real)?.point === real && statSync(real).dev !== statSync(dirname(real)).dev;
}

function mountOf(path: string): Mount | undefined {
  try {
    const real = realPathOf(path);
    // If several are mounted at one place, the last one covers the others.
    return mounts()
      .filter(({ point }) => isBelow(real, point))
      .reduce((best, next) => (next.point.length >= best.point.length ? next : best));
  } catch {
    return undefined;
  }
}

/**
 * The path or its parent at which /etc/fstab mounts a disk at boot but nothing is mounted now.
 * Disks that are mounted only by hand (`noauto`) do not count.
 *
 * @param path absolute
 */
export function missingMountOf(path: string, fstab = "/etc/fstab"): string | undefined {
  try {
    const mounted = new Set(mounts().map(({ point }) => point));
    const wanted = readFileSync(fstab, "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(
        ([source = "", , , options = ""]) =>
          !/^(?:#|$)/.test(source) && !/\bnoauto\b/.test(options),
      )
      .map(([, point = ""]) => unescape(point));
    return wanted.find(
      (point) => point.startsWith("/") && isBelow(path, point) && !mounted.has(point),
    );
  } catch {
    return undefined;
  }
}

function mounts(): Mount[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      // After a varying number of fields comes a dash.
      const [before = "", after = ""] = line.split(" - ");
      const [type = "", source = ""] = after.split(" ");
      const [, , disk = "", , point = ""] = before.split(" ");
      return { point: unescape(point), type, source: unescape(source), disk };
    });
}

/** Decodes spaces and the like, written as three octal digits. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function isBelow(path: string, point: string): boolean {
  return point === "/" || path === point || path.startsWith(`${point}/`);
}

/** The path without links, or as it is if nothing is there. */
export function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
