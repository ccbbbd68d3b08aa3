/**
 * The bucket as deleting asks it: only what is in it may go, if the settings say so. The bucket
 * itself is asked, and not the journal of what was put there.
 *
 * @module
 */

import { contentOf, md5Of, sumOf } from "../archive/content.ts";
import { imageMember, IMAGES, logMember } from "../archive/layout.ts";
import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import type { Copies, HasCopy } from "../keep/copies.ts";
import { close } from "../os/files.ts";
import { Folder } from "../os/folder.ts";
import { Bucket, type ObjectFacts } from "../s3/bucket.ts";
import { StoreError } from "../s3/errors.ts";
import { hubName, targetOf } from "../s3/settings.ts";
import { dayOf, type DataDirectory } from "../store/data-directory.ts";
import { Keys } from "./layout.ts";

/** How long a call may take, in milliseconds. */
const CALL_MS_MAX = 20_000;

/** An ETag that is the MD5 of what was put, in hexadecimal. Encrypted objects have others. */
const MD5 = /^[0-9a-f]{32}$/;

type Stored = Pick<ObjectFacts, "size" | "etag">;

/** What the bucket has of this hub. */
export class BucketCopies implements Copies {
  readonly needs = "replicated (replicate.required)";
  readonly afterDays = 0;
  /** Why the store has not answered. It is not asked again: each call might take its full time. */
  private away: StoreError | undefined;

  private constructor(
    private readonly bucket: Bucket | undefined,
    private readonly keys: Keys,
    private readonly parts: BucketCopiesParts,
    readonly dates: ReadonlySet<string>,
    readonly problem: string | undefined,
  ) {}

  /** Never rejects. */
  static async of(parts: BucketCopiesParts): Promise<BucketCopies> {
    const { settings } = parts;
    const keys = new Keys(hubName(settings));
    try {
      const bucket = new Bucket(targetOf(settings));
      const dates = await datesIn(bucket, keys, parts.onProgress);
      return new BucketCopies(bucket, keys, parts, dates, undefined);
    } catch (error) {
      return new BucketCopies(undefined, keys, parts, new Set(), messageOf(error));
    }
  }

  /** @throws {StoreError} */
  async has(date: string): Promise<HasCopy> {
    const { bucket, keys, parts } = this;
    const stored = new Map<string, Stored>();
    const prefix = keys.imagesOf(date);
    await this.ask(async () => {
      for await (const { objects } of bucket?.list({ prefix }, { msMax: CALL_MS_MAX }) ?? []) {
        for (const { key, size, etag } of objects)
          stored.set(copyOf(key.slice(prefix.length)), { size, etag: copyOf(etag) });
        parts.onProgress?.();
      }
    });
    return async (name, folder) => {
      const found = stored.get(name);
      return (
        found !== undefined &&
        (await this.isSame(folder, name, imageMember(date, name).path, found))
      );
    };
  }

  /** @throws {StoreError} */
  async hasLog(date: string): Promise<boolean> {
    const { name, path } = logMember(date);
    const found = await this.head(path);
    if (found === undefined) return false;
    // `logs` itself may be a link to another disk.
    using logs = Folder.open(`${this.parts.directory.logs}/.`);
    return await this.isSame(logs, name, path, found);
  }

  lacks(): string {
    return `the bucket ${this.parts.settings.bucket} has images of this day, but not all that are here`;
  }

  private async head(path: string): Promise<ObjectFacts | undefined> {
    return await this.ask(
      async () => await this.bucket?.head(this.keys.of(path), { msMax: CALL_MS_MAX }),
    );
  }

  /** Asks the store, unless it is away. @throws {StoreError} */
  private async ask<T>(call: () => Promise<T>): Promise<T> {
    if (this.away !== undefined) throw this.away;
    try {
      return await call();
    } catch (error) {
      if (error instanceof StoreError && error.problem !== "other") this.away = error;
      throw error;
    }
  }

  /** Whether a file is what the bucket has. */
  private async isSame(
    folder: Folder,
    name: string,
    path: string,
    { size, etag }: Stored,
  ): Promise<boolean> {
    const fd = folder.openFile(name);
    try {
      const content = contentOf(fd);
      if (content.size !== size) return false;
      if (MD5.test(etag) && md5Of(content) === etag) return true;
      const facts = await this.head(path);
      return facts?.size === size && facts.sha256 === sumOf(content);
    } finally {
      close(fd);
    }
  }
}

/** What {@link BucketCopies} need. */
export interface BucketCopiesParts {
  readonly settings: Settings["replicate"];
  readonly directory: DataDirectory;
  /** Is told that the bucket answers. */
  readonly onProgress?: (() => void) | undefined;
}

/** The same text, which does not keep the whole page in memory that it is a part of. */
function copyOf(text: string): string {
  return Buffer.from(text).toString();
}

/** The days that have images in the bucket. @throws {StoreError} */
async function datesIn(
  bucket: Bucket,
  keys: Keys,
  onProgress?: () => void,
): Promise<ReadonlySet<string>> {
  const dates = new Set<string>();
  const prefix = keys.of(`${IMAGES}/`);
  for await (const { prefixes } of bucket.list(
    { prefix, delimiter: "/" },
    { msMax: CALL_MS_MAX },
  )) {
    for (const each of prefixes) {
      const date = each.slice(prefix.length, -1);
      if (dayOf(date) !== undefined) dates.add(date);
    }
    onProgress?.();
  }
  return dates;
}
