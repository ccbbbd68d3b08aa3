/**
 * File names of images, and what part of a sender's text may appear in a name or a log line.
 *
 * The form is the Python hub's: `Barn-Door-2018-12-30T23.13.31.620992.jpg` in the folder
 * `2018-12-30`. Unlike there, a node's name is always a single path component, whatever was sent.
 *
 * @module
 */

import { IMAGE_NAME_BYTES_MAX } from "../limits.ts";
import { digits, type LocalTime, sixDigits } from "./calendar.ts";

/** Suffixes of image files. Arrays become a PNG if a JPEG would lose bits of them. */
export const IMAGE_SUFFIXES = [".jpg", ".png"] as const;

/** One of {@link IMAGE_SUFFIXES}. */
export type ImageSuffix = (typeof IMAGE_SUFFIXES)[number];

/**
 * C0, DEL and C1, and the two line separators of Unicode: characters that some reader takes for a
 * line break, or worse.
 */
// oxlint-disable-next-line no-control-regex -- control characters are the point
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/**
 * Characters that cannot be in a path component, or that hide where it ends: control characters,
 * spaces, slashes and backslashes, and Unicode's Bidi_Control, which reorders the rest of a line.
 */
// oxlint-disable-next-line no-control-regex -- control characters are the point
const UNSAFE = /[\u0000-\u0020\u007f-\u009f\u2028\u2029/\\\p{Bidi_Control}]/gu;

/**
 * The sender's part of a file name: trimmed, with `-` for spaces as in the Python hub, and made one
 * safe path component. Slashes and control characters become `-`. Leading dots become `_`. A
 * leading `-` becomes `_`, because in `rm *` or `tar cf x *` it would look like an option. An empty
 * name becomes `unnamed`.
 *
 * @param nodeAndView field 0 of the text, e.g. `Barn Door`
 * @returns 1 to {@link IMAGE_NAME_BYTES_MAX} bytes
 */
export function imageName(nodeAndView: string): string {
  const safe = nodeAndView
    .trim()
    .toWellFormed()
    .replace(UNSAFE, "-")
    .replace(/^\.+/, (dots) => "_".repeat(dots.length))
    .replace(/^-/, "_");
  return cut(safe, IMAGE_NAME_BYTES_MAX) || "unnamed";
}

/** Puts a text on one line: each control character and line separator becomes a space. */
export function oneLine(text: string): string {
  return text.toWellFormed().replace(CONTROL, " ");
}

/**
 * The file name of an image.
 *
 * @param name from {@link imageName}
 * @param micros of `time`, since 1970 UTC
 */
export function imageFileName(
  name: string,
  time: Omit<LocalTime, "day">,
  micros: number,
  suffix: ImageSuffix,
): string {
  return `${name}-${time.date}T${time.hour}.${time.minute}.${time.second}.${sixDigits(micros)}${suffix}`;
}

/** The parts of an image file's name. */
export interface ImageFileName {
  /** The part before the date: the node and view. */
  readonly camera: string;
  /** Local time of day, in microseconds since midnight. */
  readonly micros: number;
  /** Whether the name has a fraction of a second. */
  readonly hasFraction: boolean;
  readonly suffix: ImageSuffix;
}

/** In microseconds. */
const SECOND = 1_000_000;

/** `T23.13.31.620992`, or `T23.13.31`: Python's `isoformat` omits a fraction of zero. */
const TIME = /^T([01]\d|2[0-3])\.([0-5]\d)\.([0-5]\d)(?:\.(\d{6}))?$/;

/**
 * Reads the name of an image that this hub or the Python hub has stored.
 *
 * @param date of the folder that it is in, such as `2018-12-30`
 * @returns undefined if the name is not that of an image of this day
 */
export function parseImageFileName(name: string, date: string): ImageFileName | undefined {
  const suffix = IMAGE_SUFFIXES.find((each) => name.endsWith(each));
  if (suffix === undefined || name.startsWith(".")) return undefined;
  const end = name.length - suffix.length;
  const at = name.lastIndexOf(`-${date}T`, end);
  if (at < 1) return undefined;
  const [, hour, minute, second, fraction] = TIME.exec(name.slice(at + 1 + date.length, end)) ?? [];
  const camera = name.slice(0, at);
  // Neither this hub nor the Python hub puts these into a name: a text has no `|` there.
  if (hour === undefined || camera.includes("|") || camera.search(UNSAFE) >= 0) return undefined;
  const seconds = Number(hour) * 3600 + Number(minute) * 60 + Number(second);
  return {
    camera,
    micros: seconds * SECOND + Number(fraction ?? 0),
    hasFraction: fraction !== undefined,
    suffix,
  };
}

/** The name that {@link parseImageFileName} has read these parts from. */
export function formatImageFileName(
  { camera, micros, hasFraction, suffix }: ImageFileName,
  date: string,
): string {
  const seconds = Math.floor(micros / SECOND);
  const [hour, minute, second] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) =>
    digits(Math.floor(part), 2),
  ) as [string, string, string];
  const name = imageFileName(camera, { date, hour, minute, second }, micros, suffix);
  return hasFraction ? name : name.slice(0, -".000000".length - suffix.length) + suffix;
}

/** The longest prefix of `text` with at most `bytesMax` bytes in UTF-8. */
export function cut(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytesMax));
  return text.slice(0, read);
}
