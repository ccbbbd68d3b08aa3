/**
 * Whose folder of the bucket this is. Two hubs with one name would mix their images, and neither
 * could tell what is missing.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { escape } from "../log/fields.ts";
import { parseJson } from "../protocol/json.ts";
import { unlessMissing } from "../os/missing.ts";
import { type Bucket, sha256Of } from "../s3/bucket.ts";
import type { DataDirectory } from "../store/data-directory.ts";
import { writeOwn } from "../store/own-folder.ts";
import { VERSION } from "../version.ts";
import type { Keys } from "./layout.ts";
import type { Link } from "./link.ts";
import { readText } from "./object.ts";

/** The file with the data directory's own id, in the folder for what can be made anew. */
const ID = "id";

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Most files that say so which are tried to be made. */
const NUMBER_MAX = 1000;

/**
 * The folder belongs to another data directory, or the store overwrites. The message says what to
 * do.
 */
export class UnfitFolder extends Error {
  override readonly name = "UnfitFolder";
}

/** What is needed to look. */
export interface OwnerParts {
  readonly bucket: Bucket;
  readonly link: Pick<Link, "call">;
  readonly keys: Keys;
  readonly directory: DataDirectory;
}

const OWNER_TYPE = "application/json";

/** How often it is looked whose it is, while others make it theirs. */
const TRIES_MAX = 3;

/** Who has a folder, as the file in it says. */
interface Owner {
  readonly number: number;
  /** The file, and its SHA-256. */
  readonly body: Buffer<ArrayBuffer>;
  readonly sum: string;
  /** Empty if the file does not say. */
  readonly id: string;
  readonly host: string;
}

/**
 * Makes sure that the folder is this data directory's, and that the store does not overwrite what
 * is in it. One that is nobody's becomes its own.
 *
 * @returns the SHA-256 of the file that says so. It has its time in it, so it is another one if the
 *   folder was emptied, or is in another bucket
 * @throws {UnfitFolder}
 * @throws {StoreError} if the link was ended
 */
export async function claim(parts: OwnerParts): Promise<string> {
  const own = idOf(parts.directory);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const owner = await ownerOf(parts);
    if (owner?.id === own) {
      await requireRefusal(parts, owner);
      return owner.sum;
    }
    if (owner !== undefined) throw othersFolder(parts, owner);
    await putOwner(parts, own, 1);
  }
  throw new Error(`The store does not keep ${parts.keys.owner(1)}`);
}

/**
 * Makes the folder this data directory's, whoever had it.
 *
 * @returns the host that had it; undefined if it was this one's already, or nobody's
 * @throws {StoreError}, or {SystemError} and {Error} of node:fs if no id can be made
 */
export async function adopt(parts: OwnerParts): Promise<string | undefined> {
  const own = idOf(parts.directory);
  for (let tries = 0; tries < NUMBER_MAX; tries++) {
    const owner = await ownerOf(parts);
    if (owner?.id === own) return undefined;
    if (await putOwner(parts, own, (owner?.number ?? 0) + 1)) return owner?.host;
  }
  throw new Error("Others adopt it all the time");
}

/**
 * The host of another data directory that has the folder.
 *
 * @returns undefined if this one has it, or nobody
 * @throws {StoreError}, or {SystemError} and {Error} of node:fs if no id can be made
 */
export async function otherOwner(parts: OwnerParts): Promise<string | undefined> {
  const owner = await ownerOf(parts);
  return owner === undefined || owner.id === idOf(parts.directory) ? undefined : owner.host;
}

/** Puts the file once more, as it is: so nothing is lost if it is overwritten. */
async function requireRefusal(
  { bucket, link, keys }: OwnerParts,
  { number, body, sum }: Owner,
): Promise<void> {
  const object = { body, contentType: OWNER_TYPE, sha256: sum };
  const key = keys.owner(number);
  if ((await link.call(async (options) => bucket.put(key, object, options))) === "exists") return;
  throw new UnfitFolder(
    `The store has overwritten ${key}: it does not know If-None-Match with a put, so what is there ` +
      "could be lost. Use another one; imagehub replicate test tries it",
  );
}

function othersFolder({ keys }: OwnerParts, { host }: Owner): UnfitFolder {
  return new UnfitFolder(
    `${keys.of("")} in the bucket belongs to another data directory, on ${escape(host)}: set ` +
      "hub.replicate.name to another one, or, if that hub is gone for good, run imagehub restore --from-bucket and then imagehub replicate adopt",
  );
}

/** @returns undefined if it is nobody's */
async function ownerOf({ bucket, link, keys }: OwnerParts): Promise<Owner | undefined> {
  const number = await link.call(async (options) => {
    let latest = 0;
    for await (const { objects } of bucket.list({ prefix: keys.owners, delimiter: "/" }, options))
      for (const { key } of objects) latest = Math.max(latest, keys.ownerNumber(key) ?? 0);
    return latest;
  });
  if (number === 0) return undefined;
  const text = await link.call(async (options) => readText(bucket, keys.owner(number), options));
  const body = Buffer.from(text ?? "");
  const { id, host } = (parseJson(text ?? "") ?? {}) as Record<string, unknown>;
  return {
    number,
    body,
    sum: sha256Of(body),
    id: typeof id === "string" ? id : "",
    host: typeof host === "string" ? host : "a machine that is not named",
  };
}

/** @returns false if another one was faster */
async function putOwner(
  { bucket, link, keys }: OwnerParts,
  id: string,
  number: number,
): Promise<boolean> {
  const facts = {
    id,
    host: hostname(),
    version: VERSION,
    time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    since: new Date().toISOString(),
  };
  const body = new TextEncoder().encode(`${JSON.stringify(facts, null, 2)}\n`);
  const object = { body, contentType: OWNER_TYPE, sha256: sha256Of(body) };
  return (
    (await link.call(async (options) => bucket.put(keys.owner(number), object, options))) ===
    "stored"
  );
}

/**
 * The id of a data directory, which is made with the first call.
 *
 * @throws {SystemError} and {Error} of node:fs, or if no data directory is there
 */
function idOf(directory: DataDirectory): string {
  const known = unlessMissing(() => readFileSync(`${directory.own}/${ID}`, "utf8").trim());
  if (known !== undefined && UUID.test(known)) return known;
  const id = randomUUID();
  writeOwn(directory, ID, `${id}\n`, true);
  return id;
}
