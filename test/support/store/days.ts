/**
 * Days of images in a data directory.
 *
 * @module
 */

import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { imageFileName } from "../../../src/protocol/names.ts";
import { DataDirectory } from "../../../src/store/data-directory.ts";

/** Makes a data directory with its folders. */
export function dataDirectory(path: string): DataDirectory {
  const directory = new DataDirectory(path);
  for (const folder of directory.folders) mkdirSync(folder, { recursive: true });
  return directory;
}

/**
 * Makes an image.
 *
 * @param time of day, such as `10:00` or `10:00:30`
 * @returns its name
 */
export function addImage(
  directory: DataDirectory,
  date: string,
  time: string,
  camera = "Barn",
  bytes = 1000,
): string {
  const [hour = "00", minute = "00", second = "00"] = time.split(":");
  const name = imageFileName(camera, { date, hour, minute, second }, 0, ".jpg");
  mkdirSync(directory.dateFolder(date), { recursive: true });
  writeFileSync(`${directory.dateFolder(date)}/${name}`, new Uint8Array(bytes));
  return name;
}

/** The names in the folder of a day; empty if it is gone. */
export function namesOf(directory: DataDirectory, date: string): string[] {
  const folder = directory.dateFolder(date);
  return existsSync(folder) ? readdirSync(folder).toSorted() : [];
}

/** The dates of all folders. */
export function datesOf({ images }: DataDirectory): string[] {
  return readdirSync(images).toSorted();
}
