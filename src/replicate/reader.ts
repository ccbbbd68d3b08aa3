/**
 * Reads the folder of a hub in the bucket. What fails and may succeed later is tried again for some
 * minutes.
 *
 * @module
 */

import { bytesIn } from "../config/quantity.ts";
import type { Settings } from "../config/schema.ts";
import {
  Bucket,
  type ListRequest,
  type ObjectContent,
  type ObjectFacts,
  sha256Of,
} from "../s3/bucket.ts";
import type { CallOptions } from "../s3/deadline.ts";
import { endedError, StoreError } from "../s3/errors.ts";
import type { Listed, Page } from "../s3/listing.ts";
import { retrying, sleep } from "../s3/retrying.ts";
import type { Target } from "../s3/target.ts";
import { Keys } from "./layout.ts";
import { Pace } from "./pace.ts";

/** How often a call is tried: for some ten minutes, as the pause grows to 20 s. */
const TRIES_MAX = 40;

/** How long a call may take that gets nothing, in milliseconds. */
const CALL_MS_MAX = 30_000;

/** The slowest pace that is waited for, in bytes a millisecond. */
const BYTES_PER_MS_MIN = 16;

/** Options of a {@link Reader}. */
export interface ReaderOptions {
  /** Ends all calls. */
  readonly signal: AbortSignal;
  /** Is told why calls fail that are tried again, once until one succeeds. */
  readonly onTrouble: (message: string) => void;
}

/** The SHA-256 of an object. */
export interface ObjectSum {
  /** Of its content. */
  readonly sha256: string;
  /** As whoever put it has said; undefined if nobody has. */
  readonly said: string | undefined;
}

/** The folder of one hub. Its calls reject with a {@link StoreError}. */
export class Reader {
  readonly bucket: Bucket;
  readonly keys: Keys;
  /** How many calls may be on their way at a time. */
  readonly parallel: number;
  private readonly pace: Pace;
  private isTroubled = false;

  /** @param name of the folder */
  constructor(
    target: Target,
    { parallel, bandwidth }: Pick<Settings["replicate"], "parallel" | "bandwidth">,
    name: string,
    private readonly options: ReaderOptions,
  ) {
    this.bucket = new Bucket(target);
    this.keys = new Keys(name);
    this.parallel = parallel;
    this.pace = new Pace(bytesIn(bandwidth) ?? 0);
  }

  /** Lets signals and others have their turn. Rejects if all was ended. */
  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.options.signal.aborted) throw endedError();
  }

  /** Makes a call, and again if it fails. @param bytes that it gets, for which it has more time */
  async call<T>(make: (options: CallOptions) => Promise<T>, bytes = 0): Promise<T> {
    const { signal, onTrouble } = this.options;
    const msMax = CALL_MS_MAX + bytes / BYTES_PER_MS_MIN;
    const result = await retrying(async () => await make({ signal, msMax }), {
      triesMax: TRIES_MAX,
      signal,
      onFailure: ({ message }) => {
        if (!this.isTroubled) onTrouble(message);
        this.isTroubled = true;
      },
    });
    this.isTroubled = false;
    return result;
  }

  /** All that a list has. */
  async list(request: ListRequest): Promise<Page> {
    const objects: Listed[] = [];
    const prefixes = new Set<string>();
    await this.call(async (options) => {
      // After a failure it goes on behind what is known.
      const startAfter = objects.at(-1)?.key;
      for await (const page of this.bucket.list({ startAfter, ...request }, options)) {
        for (const object of page.objects) objects.push(object);
        for (const prefix of page.prefixes) prefixes.add(prefix);
      }
    });
    return { objects, prefixes: [...prefixes] };
  }

  /** @returns undefined if the object is not there */
  async head(key: string): Promise<ObjectFacts | undefined> {
    return await this.call(async (options) => await this.bucket.head(key, options));
  }

  /**
   * Gets an object, within the bandwidth.
   *
   * @param use reads it, again from its beginning if that fails on the way
   * @returns undefined if it is not there
   */
  async get<T>(
    { key, size }: Pick<Listed, "key" | "size">,
    use: (content: ObjectContent) => Promise<T>,
  ): Promise<T | undefined> {
    const waitMs = this.pace.take(size);
    if (waitMs > 0) await sleep(waitMs, this.options.signal);
    return await this.call(async (options) => {
      const content = await this.bucket.get(key, options);
      return content && (await use(content));
    }, size);
  }

  /** The content of a small object. @returns undefined if it is not there as it was put */
  async bytesOf(object: Pick<Listed, "key" | "size">): Promise<Buffer | undefined> {
    return await this.get(object, async ({ chunks, sha256 }) => {
      const bytes = Buffer.concat(await Array.fromAsync(chunks));
      return sha256 === undefined || sha256Of(bytes) === sha256 ? bytes : undefined;
    });
  }

  /** Reads an object. @returns undefined if it is not there */
  async sumOf(object: Pick<Listed, "key" | "size">): Promise<ObjectSum | undefined> {
    return await this.get(object, async ({ chunks, sha256: said }) => {
      const hasher = new Bun.CryptoHasher("sha256");
      for await (const chunk of chunks) hasher.update(chunk);
      return { sha256: hasher.digest("hex"), said };
    });
  }
}

/** Whether a call was ended by whoever made it. */
export function isEnded(error: unknown): boolean {
  return error instanceof StoreError && error.problem === "ended";
}

/**
 * Does something with each item, so many at a time. If it fails for one, no others are begun, and
 * it rejects with that error when those in hand have ended.
 */
export async function eachAtATime<T>(
  items: Iterable<T>,
  count: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  let isOver = false;
  const workOff = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true && !isOver; next = rest.next()) {
      try {
        await work(next.value);
      } catch (error) {
        isOver = true;
        throw error;
      }
    }
  };
  const all = await Promise.allSettled(Array.from({ length: count }, workOff));
  const failed = all.find((each) => each.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
