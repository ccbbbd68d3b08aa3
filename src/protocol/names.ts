/**
 * What an image file is called, and what of a sender's text may stand in a name or a log line.
 *
 * The form is the Python hub's: `Barn-Door-2018-12-30T23.13.31.620992.jpg` in the folder
 * `2018-12-30`. Other than there, a node's name can only ever be one path component, whatever was
 * sent.
 *
 * @module
 */

import { IMAGE_NAME_BYTES_MAX } from "../limits.ts";
import { type LocalTime, sixDigits } from "./calendar.ts";

/** What image files are: a JPEG, or a PNG for arrays that a JPEG would lose bits of. */
export const IMAGE_SUFFIXES = [".jpg", ".png"] as const;

/** One of {@link IMAGE_SUFFIXES}. */
export type ImageSuffix = (typeof IMAGE_SUFFIXES)[number];

/**
 * C0, DEL and C1, and the two line separators of Unicode: all at which some reader starts a new
 * line, or worse.
 */
// oxlint-disable-next-line no-control-regex -- control characters are the point
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/**
 * What cannot stand in a path component, or lies about its extent: the same, spaces, both kinds of
 * slash, and what has the rest of a line shown in another order (Unicode's Bidi_Control), so that a
 * name ends otherwise than it looks.
 */
// oxlint-disable-next-line no-control-regex -- control characters are the point
const UNSAFE = /[\u0000-\u0020\u007f-\u009f\u2028\u2029/\\\p{Bidi_Control}]/gu;

/**
 * The part of an image's name that says where it is from: trimmed, spaces to `-` as in the Python
 * hub, and made one safe path component: slashes and control characters become `-`, a leading dot
 * `_`, and no name at all `unnamed`. A leading `-` becomes `_`, as programs would take it for an
 * option where somebody writes `rm *` or `tar cf x *`.
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

/** A text that stays on its line: every control character and line separator becomes a space. */
export function oneLine(text: string): string {
  return text.toWellFormed().replace(CONTROL, " ");
}

/**
 * The file name of an image. @param name as {@link imageName} makes it @param micros since 1970
 * UTC, of `time`
 */
export function imageFileName(
  name: string,
  time: LocalTime,
  micros: number,
  suffix: ImageSuffix,
): string {
  return `${name}-${time.date}T${time.hour}.${time.minute}.${time.second}.${sixDigits(micros)}${suffix}`;
}

/** The longest start of `text` that takes no more than `bytesMax` bytes in UTF-8. */
export function cut(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytesMax));
  return text.slice(0, read);
}
