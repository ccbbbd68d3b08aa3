/**
 * Images as a ZIP, made while it is sent.
 *
 * @module
 */

import { makeZip } from "client-zip";
import type { DataDirectory } from "../store/data-directory.ts";
import { OpenImage } from "./images.ts";
import { Refused } from "./query.ts";

/**
 * The images as a ZIP. What is gone meanwhile is left out.
 *
 * @param names pairs of a date and a name
 */
export async function* zipOf(
  directory: DataDirectory,
  names: Iterable<readonly [date: string, name: string]>,
): AsyncGenerator<Uint8Array> {
  const zip = makeZip(filesOf(directory, names));
  for await (const bytes of zip as unknown as AsyncIterable<Uint8Array>) yield bytes;
}

interface ZippedFile {
  readonly name: string;
  readonly lastModified: Date;
  readonly input: Uint8Array<ArrayBuffer>;
}

function* filesOf(
  directory: DataDirectory,
  names: Iterable<readonly [date: string, name: string]>,
): Generator<ZippedFile> {
  for (const [date, name] of names) {
    try {
      yield fileOf(directory, date, name);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
}

/** Its file is closed before the next piece is asked for, which may be never. */
function fileOf(directory: DataDirectory, date: string, name: string): ZippedFile {
  using image = OpenImage.open(directory, date, name);
  const input = image.read() as Uint8Array<ArrayBuffer>;
  return { name: `${date}/${name}`, lastModified: new Date(image.modifiedMs), input };
}
