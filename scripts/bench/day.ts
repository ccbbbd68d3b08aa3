/**
 * A day with many images, in no time.
 *
 * @module
 */

import { linkSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imageFileName } from "../../src/protocol/names.ts";
import type { DataDirectory } from "../../src/store/data-directory.ts";

/** Cameras of the day. */
export const CAMERAS = 12;

/** A file may have this many names (ext4). */
const LINKS_MAX = 60_000;

/** What is to be made. */
export interface DayOptions {
  /** Such as `2021-09-23`. */
  readonly date: string;
  readonly images: number;
  readonly body: Uint8Array;
  /** Whether each image must have a file of its own. */
  readonly areApart: boolean;
}

/** Makes a day with so many images, spread evenly over its cameras and 24 hours. */
export function makeDay(directory: DataDirectory, options: DayOptions): void {
  const { date, images, body, areApart } = options;
  const folder = directory.dateFolder(date);
  mkdirSync(folder, { recursive: true });
  let first = "";
  for (let image = 0; image < images; image++) {
    const total = Math.floor((image * 86_400) / images);
    const [hour, minute, second] = [total / 3600, (total / 60) % 60, total % 60].map((part) =>
      String(Math.floor(part)).padStart(2, "0"),
    ) as [string, string, string];
    const camera = `Node${image % CAMERAS}-View`;
    const name = imageFileName(camera, { date, hour, minute, second }, image, ".jpg");
    const path = join(folder, name);
    if (areApart || image % LINKS_MAX === 0) writeFileSync((first = path), body);
    else linkSync(first, path);
  }
}
