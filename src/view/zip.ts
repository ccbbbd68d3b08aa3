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

function* filesOf(
  directory: DataDirectory,
  names: Iterable<readonly [date: string, name: string]>,
): Generator<{ name: string; lastModified: Date; input: Uint8Array<ArrayBuffer> }> {
  for (const [date, name] of names) {
    try {
      using image = OpenImage.open(directory, date, name);
      const input = image.read() as Uint8Array<ArrayBuffer>;
      yield { name: `${date}/${name}`, lastModified: new Date(image.modifiedMs), input };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
}
