/**
 * Images as a ZIP, made while it is sent.
 *
 * @module
 */

import { makeZip } from "client-zip";
import { Refused } from "./query.ts";
import type { Source } from "./source.ts";

/**
 * The images as a ZIP. What is gone meanwhile is left out.
 *
 * @param names pairs of a date and a name
 */
export async function* zipOf(
  source: Source,
  names: Iterable<readonly [date: string, name: string]>,
): AsyncGenerator<Uint8Array> {
  const zip = makeZip(filesOf(source, names));
  for await (const bytes of zip as unknown as AsyncIterable<Uint8Array>) yield bytes;
}

interface ZippedFile {
  readonly name: string;
  readonly lastModified: Date;
  readonly input: Uint8Array<ArrayBuffer>;
}

async function* filesOf(
  source: Source,
  names: Iterable<readonly [date: string, name: string]>,
): AsyncGenerator<ZippedFile> {
  for (const [date, name] of names) {
    try {
      yield await fileOf(source, date, name);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
}

/** Its file is closed before the next piece is asked for, which may be never. */
async function fileOf(source: Source, date: string, name: string): Promise<ZippedFile> {
  using image = await source.image(date, name);
  const input = image.read() as Uint8Array<ArrayBuffer>;
  const lastModified = new Date(image.modifiedMs);
  return { name: `${date}/${source.fileName(name)}`, lastModified, input };
}
