/**
 * What a bucket has of a hub, and a judge of it, who knows nothing of the code that put it there.
 *
 * @module
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Bucket } from "../../../src/s3/bucket.ts";
import type { Target } from "../../../src/s3/target.ts";
import { run } from "../archive/days.ts";
import { tempDir } from "../machine/temp.ts";

/** The settings of a hub with a bucket. */
export const replicateTo = (
  { endpoint, bucket, accessKey, secretKey }: Target,
  others: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> => ({
  endpoint: endpoint.origin,
  bucket,
  name: "barn",
  access_key: accessKey,
  secret_key: secretKey,
  ...others,
});

/** The keys in a bucket. */
export async function keysIn(target: Target, prefix = ""): Promise<string[]> {
  const pages = await Array.fromAsync(new Bucket(target).list({ prefix }));
  return pages.flatMap(({ objects }) => objects.map(({ key }) => key));
}

/** The bytes of an object. */
export async function objectIn(target: Target, key: string): Promise<Buffer> {
  const content = await new Bucket(target).get(key);
  if (content === undefined) throw new Error(`There is no ${key}`);
  return Buffer.concat(await Array.fromAsync(content.chunks));
}

/** How many objects are downloaded at a time: each waits for the store. */
const GETS = 16;

/** Downloads a hub's folder. */
async function download(target: Target, name: string, into: string): Promise<void> {
  const keys = await keysIn(target, `${name}/`);
  const getOthers = async (): Promise<void> => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      const path = join(into, key.slice(name.length + 1));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, await objectIn(target, key));
    }
  };
  await Promise.all(Array.from({ length: GETS }, getOthers));
}

const imagesIn = (folder: string): string[] =>
  Array.from(new Bun.Glob("images/*/*").scanSync({ cwd: folder, dot: true })).toSorted();

/** What the judge has found. */
export interface Replica {
  /** Images that only one of both has, or that differ. */
  readonly different: readonly string[];
  /** All paths of the manifests, in their order. */
  readonly listed: readonly string[];
  /** The segments of event logs, one after the other, by their days. */
  readonly segments: Readonly<Record<string, string>>;
}

/**
 * Compares what a bucket has with a data directory.
 *
 * @throws {Error} if a manifest is wrong, or a segment does not begin where the one before it ends
 */
export async function judgeReplica(
  target: Target,
  dataDir: string,
  name = "barn",
): Promise<Replica> {
  using temp = tempDir();
  await download(target, name, temp.path);
  const [there, here] = [imagesIn(temp.path), imagesIn(dataDir)];
  const different = [...new Set([...there, ...here])].filter(
    (path) =>
      !there.includes(path) ||
      !here.includes(path) ||
      !readFileSync(join(temp.path, path)).equals(readFileSync(join(dataDir, path))),
  );
  const manifests = Array.from(new Bun.Glob("manifests/*").scanSync({ cwd: temp.path }));
  const listed = manifests.toSorted().flatMap((manifest) => {
    run(temp.path, "sha256sum", "--check", "--strict", "--quiet", manifest);
    const lines = readFileSync(join(temp.path, manifest), "utf8").trimEnd().split("\n");
    return lines.map((line) => line.slice(66));
  });
  const segments: Record<string, string> = {};
  for (const path of Array.from(new Bun.Glob("logs/*/*").scanSync({ cwd: temp.path })).toSorted()) {
    const [, day = "", place] = path.split("/");
    const before = segments[day] ?? "";
    if (Buffer.byteLength(before) !== Number(place)) throw new Error(`${path} is in a wrong place`);
    segments[day] = before + readFileSync(join(temp.path, path), "utf8");
  }
  return { different, listed, segments };
}
