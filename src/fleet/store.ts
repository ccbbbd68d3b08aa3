/**
 * The bucket as the view uses it: it is only read. Calls are counted, and few run at a time.
 *
 * @module
 */

import { Bucket, type ListRequest } from "../s3/bucket.ts";
import { IN_ARCHIVE, lateError, StoreError } from "../s3/errors.ts";
import type { Page } from "../s3/listing.ts";
import { retrying } from "../s3/retrying.ts";
import type { Target } from "../s3/target.ts";

/** How many calls run at a time. */
const PARALLEL = 32;

/** How long a call may take, in milliseconds. Of an object, something must come in that time. */
const CALL_MS_MAX = 10_000;

/** How long an object may take, in milliseconds. */
const OBJECT_MS_MAX = 600_000;

/** How often a call is tried. */
const TRIES_MAX = 2;

/** For so long after a call has failed, none is made, in milliseconds. */
const PAUSE_MS = 1000;

/** Longest text, in bytes: a manifest of a million images, or an event log. */
export const TEXT_BYTES_MAX = 256 * 2 ** 20;

/** Calls by kind. */
export type Kind = "get" | "head" | "list";

/** An object is there, but not to be had. The message says why. */
export class Withheld extends Error {
  override readonly name = "Withheld";
}

/** A bucket, for reading. Its calls reject with a {@link StoreError}. */
export class Store {
  /** Calls that were made, by kind, and the bytes of objects that came. */
  readonly calls: Record<Kind, number> = { get: 0, head: 0, list: 0 };
  bytes = 0;
  private readonly bucket: Pick<Bucket, "get" | "head" | "list" | "target">;
  private failed: { readonly error: StoreError; readonly atMs: number } | undefined;
  private succeededMs = Number.NEGATIVE_INFINITY;
  private inside = 0;
  private readonly waiting: (() => void)[] = [];

  /** @param onChange called when {@link problem} is another one */
  constructor(
    target: Target,
    private readonly onChange: () => void = () => {},
  ) {
    this.bucket = new Bucket(target);
  }

  /** Why the last call has failed, for a person; undefined if it has not. */
  get problem(): string | undefined {
    return this.failed?.error.message;
  }

  /** For a person. */
  get place(): string {
    const { endpoint, bucket } = this.bucket.target;
    return `${bucket} at ${endpoint.origin}`;
  }

  /**
   * The text of an object; undefined if it is not there, or not to be had: what one hub has put
   * must not stand in the way of the others.
   */
  async text(key: string, sizeMax = TEXT_BYTES_MAX): Promise<string | undefined> {
    try {
      return (await this.read(key, sizeMax))?.toString();
    } catch (error) {
      if (error instanceof Withheld) return undefined;
      throw error;
    }
  }

  /**
   * The bytes of an object.
   *
   * @param sizeMax most bytes. Rejects with {@link Withheld} if there are more, or if the store
   *   must get them from an archive first
   * @returns undefined if it is not there
   */
  async read(key: string, sizeMax: number): Promise<Buffer | undefined> {
    return await this.call("get", async () => {
      const stall = new AbortController();
      const timer = setInterval(() => stall.abort(), CALL_MS_MAX);
      try {
        const content = await this.bucket.get(key, { signal: stall.signal, msMax: OBJECT_MS_MAX });
        if (content === undefined) return undefined;
        const parts: Uint8Array[] = [];
        let length = 0;
        for await (const part of content.chunks) {
          timer.refresh();
          parts.push(part);
          this.bytes += part.byteLength;
          if (content.size > sizeMax || (length += part.byteLength) > sizeMax)
            throw new Withheld(`It has more than ${sizeMax / 2 ** 20} MiB`);
        }
        return Buffer.concat(parts);
      } catch (error) {
        if (error instanceof StoreError && error.code === IN_ARCHIVE)
          throw new Withheld(error.message, { cause: error });
        throw stall.signal.aborted ? lateError(this.bucket.target, CALL_MS_MAX) : error;
      } finally {
        clearInterval(timer);
      }
    });
  }

  async isThere(key: string): Promise<boolean> {
    const msMax = CALL_MS_MAX;
    return (await this.call("head", async () => this.bucket.head(key, { msMax }))) !== undefined;
  }

  /** Lists objects, page by page. */
  async *list(request: ListRequest): AsyncGenerator<Page, void, undefined> {
    let { startAfter } = request;
    let pages: AsyncGenerator<Page, void, undefined> | undefined;
    for (let isMore = true; isMore;) {
      const { value: page } = await this.call("list", async () => {
        try {
          pages ??= this.bucket.list({ ...request, startAfter }, { msMax: CALL_MS_MAX });
          return await pages.next();
        } catch (error) {
          // What has failed is over. The next try begins where it was.
          pages = undefined;
          throw error;
        }
      });
      isMore = page !== undefined;
      // The last step is none for the store.
      if (page === undefined) this.calls.list--;
      else {
        startAfter = page.objects.at(-1)?.key ?? page.prefixes.at(-1) ?? startAfter;
        yield page;
      }
    }
  }

  /** Makes a call when it is its turn, and again if that may help. */
  private async call<T>(kind: Kind, make: () => Promise<T>): Promise<T> {
    while (this.inside >= PARALLEL) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.waiting.push(resolve);
      await promise;
    }
    this.inside++;
    const beganMs = performance.now();
    try {
      if (this.failed !== undefined && performance.now() - this.failed.atMs < PAUSE_MS)
        throw this.failed.error;
      const result = await retrying(
        async () => {
          this.calls[kind]++;
          return await make();
        },
        { triesMax: TRIES_MAX },
      );
      this.succeededMs = performance.now();
      this.note(undefined);
      return result;
    } catch (error) {
      // If others have succeeded meanwhile, something is wrong with this object only.
      const isOfAll = this.succeededMs < beganMs;
      if (error instanceof StoreError && error.problem !== "other" && isOfAll) this.note(error);
      throw error;
    } finally {
      this.inside--;
      this.waiting.shift()?.();
    }
  }

  private note(error: StoreError | undefined): void {
    const before = this.problem;
    if (error !== this.failed?.error || error === undefined)
      this.failed = error && { error, atMs: performance.now() };
    if (before !== this.problem) this.onChange();
  }
}
