/**
 * Fuzzes what is made of a sender's text for names and lines (`src/protocol/names.ts`).
 *
 * Seen when a line was taken out of a copy of the sources (seed 20181230): slashes left in, caught
 * at iteration 2; leading dots, 1; no cut to length, 0; no name for nothing, 15; halves of
 * characters left in names and lines, 17; separators of Unicode, 3; the cut's quick way out
 * reckoned in characters, 43; microseconds without their zeros, 6.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { Calendar, type LocalTime } from "../../src/protocol/calendar.ts";
import { IMAGE_NAME_BYTES_MAX } from "../../src/limits.ts";
import { cut, imageFileName, imageName, oneLine } from "../../src/protocol/names.ts";
import { isImageFile } from "../../src/store/data-directory.ts";
import { FakeClock, LOS_ANGELES, UTC } from "../support/machine/fake-clock.ts";
import { anyText, mutateText, type Random } from "./random.ts";
import { functionTarget, must, mustBeOneLine } from "./target.ts";

/** NAME_MAX of Linux, in bytes. */
const FILE_NAME_BYTES_MAX = 255;

/** The end of every image's name. */
const SUFFIX = /-\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{6}\.jpg$/;

/** Seconds since 1970 until the year 2100. */
const SECONDS_MAX = 4_102_444_800;

const NODES = [
  "Barn",
  "Barn Door",
  "Driveway Mailbox",
  "Küche 車庫 📷",
  "rpi4.local",
  "-rf",
  "~",
  "",
] as const;

/**
 * Fails where a name is not one component of a path, which anybody can see in a listing, with room
 * for the suffix.
 *
 * @param name as `imageName` makes it
 */
export function mustBeSafeName(name: string): void {
  mustBeOneLine(name, "The name");
  must(
    name !== "" && !name.startsWith("."),
    `The name is empty or hidden: ${JSON.stringify(name)}`,
  );
  must(!/[/\\ ]/.test(name), `The name holds a slash or a space: ${JSON.stringify(name)}`);
  const file = `${name}-2018-12-30T23.13.31.620992.jpg`;
  const bytes = Buffer.byteLength(file);
  must(bytes <= FILE_NAME_BYTES_MAX, `The file name has ${bytes} bytes: ${file}`);
  const folder = "/data/images/2018-12-30";
  const path = join(folder, file);
  must(dirname(path) === folder, `The file is not in its folder: ${JSON.stringify(path)}`);
  must(
    path === `${folder}/${file}`,
    `The path is not as it was put together: ${JSON.stringify(path)}`,
  );
}

interface NameInput {
  readonly text: string;
  readonly bytesMax: number;
  readonly micros: number;
  readonly west: boolean;
}

function generate(random: Random): NameInput {
  const known = random.chance(0.3);
  const text = known ? mutateText(random, random.pick(NODES)) : anyText(random);
  return {
    text: random.chance(0.5) ? text : `${"x".repeat(random.between(200, 230))}${text}`,
    bytesMax: random.chance(0.5) ? IMAGE_NAME_BYTES_MAX : random.between(1, 300),
    micros: random.below(SECONDS_MAX) * 1_000_000 + random.below(1_000_000),
    west: random.chance(0.5),
  };
}

function checkLine(text: string): void {
  const line = oneLine(text);
  mustBeOneLine(line, "The line");
  must(line.length === text.length, `The line has ${line.length} characters of ${text.length}`);
  must(oneLine(line) === line, "A line that is one already was changed");
  const isClean = text.isWellFormed() && !/[\p{Cc}\u2028\u2029]/u.test(text);
  must(!isClean || line === text, `A text on one line was changed: ${JSON.stringify(line)}`);
}

function checkCut(text: string, bytesMax: number): void {
  const start = cut(text, bytesMax);
  must(text.startsWith(start), "What is cut is not the start");
  must(start.isWellFormed(), "It is cut within a character");
  must(
    Buffer.byteLength(start) <= bytesMax,
    `It has ${Buffer.byteLength(start)} bytes, not ${bytesMax}`,
  );
  const [next = ""] = text.slice(start.length);
  const longer = Buffer.byteLength(start + next);
  must(
    next === "" || longer > bytesMax,
    `One character more would have fitted: ${longer} of ${bytesMax} bytes`,
  );
}

function checkFileName(name: string, time: LocalTime, micros: number): void {
  const file = imageFileName(name, time, micros, ".jpg");
  must(isImageFile(file), `The file does not count as an image: ${file}`);
  must(SUFFIX.test(file), `The file name has another form: ${file}`);
  must(file.replace(SUFFIX, "") === name, `The file name does not start with the name: ${file}`);
  must(file.includes(`-${time.date}T`), `The file name has another date than its folder: ${file}`);
  must(
    file.endsWith(`.${String(micros).slice(-6).padStart(6, "0")}.jpg`),
    `Other microseconds: ${file}`,
  );
  must(Buffer.byteLength(file) <= FILE_NAME_BYTES_MAX, `The file name is too long: ${file}`);
}

function check({ text, bytesMax, micros, west }: NameInput): string {
  checkLine(text);
  checkCut(text.toWellFormed(), bytesMax);
  const name = imageName(text);
  mustBeSafeName(name);
  const wasCut = Buffer.byteLength(name) > IMAGE_NAME_BYTES_MAX - 4;
  // A cut may leave white space at the end that is no plain space, and a second trim takes it.
  must(
    wasCut || imageName(name) === name,
    `A name was made another: ${JSON.stringify(imageName(name))}`,
  );
  const isPlain = /^[\p{L}\p{N}][\p{L}\p{N} _-]{0,50}(?<! )$/u.test(text);
  must(!isPlain || name === text.replaceAll(" ", "-"), `A plain node has another name: ${name}`);

  const calendar = new Calendar(FakeClock.at("2026-11-01T08:00:00", west ? LOS_ANGELES : UTC));
  checkFileName(name, calendar.local(micros), micros);
  if (name === "unnamed") return "unnamed";
  if (wasCut) return "cut";
  return name === text.trim().replaceAll(" ", "-") ? "kept" : "made safe";
}

/** Fuzzes `oneLine`, `cut`, `imageName` and `imageFileName`. */
export const namesTarget = functionTarget({
  name: "names",
  promise:
    "a name is one safe path component of at most 255 bytes with its suffix; a line is one line",
  generate,
  check,
  show: (input: NameInput) => JSON.stringify(input),
});
