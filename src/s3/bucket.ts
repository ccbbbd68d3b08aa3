/**
 * The few calls to a bucket of an S3 store that a hub needs. Objects are written once and never
 * overwritten or deleted.
 *
 * Amazon's signature (version 4) is by aws4fetch. It covers the SHA-256 of what is sent, so that a
 * store refuses what has changed on the way.
 *
 * @module
 */

import { AwsV4Signer } from "aws4fetch";
import { createHash } from "node:crypto";
import { DNS_SILENT, fetchAnswer, fetchCode } from "../net/fetch.ts";
import { VERSION } from "../version.ts";
import { type CallOptions, Deadline } from "./deadline.ts";
import {
  connectionError,
  endedError,
  foreignError,
  lateError,
  refusalError,
  StoreError,
} from "./errors.ts";
import { type Page, parsePage, parseRefusal } from "./listing.ts";
import { addressOfKey, type Target } from "./target.ts";

/** Where an object has the SHA-256 of its content, in hexadecimal. */
const SHA256_HEADER = "x-amz-meta-sha256";

/** Most objects and folders in a page of a list: the most that S3 allows. */
const PAGE_MAX = 1000;

/** How much of an answer is read that is no object, in bytes: a page, or anything else. */
const PAGE_BYTES_MAX = 16 * 1024 * 1024;
const ANSWER_BYTES_MAX = 65_536;

/** Most signing keys that are remembered: there is one for each day. */
const SIGNING_KEYS_MAX = 8;

/** What is put. */
export interface NewObject {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
  /** Of the body, in hexadecimal; default: it is worked out. */
  readonly sha256?: string | undefined;
}

/** What a store knows of an object. */
export interface ObjectFacts {
  /** In bytes. */
  readonly size: number;
  /** Without its quotes. */
  readonly etag: string;
  /** Of its content, in hexadecimal, as whoever put it has said; undefined if nobody has. */
  readonly sha256: string | undefined;
}

/** An object that arrives, or a range of it; its size is that of what arrives. */
export interface ObjectContent extends ObjectFacts {
  /** What was asked for, once. Rejects with a {@link StoreError} if not all of it comes in time. */
  readonly chunks: AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/** What of an object is wanted: bytes, from 0, both included. */
export interface ByteRange {
  readonly first: number;
  /** Default: the last one that there is. */
  readonly last?: number | undefined;
}

/** What is listed. */
export interface ListRequest {
  /** What the keys begin with. */
  readonly prefix: string;
  /** Only keys after this one. */
  readonly startAfter?: string | undefined;
  /** Keys that have it after the prefix are not listed, but their beginnings up to it. */
  readonly delimiter?: string | undefined;
  /** Most objects and beginnings in a page. Default {@link PAGE_MAX}, which is the most. */
  readonly pageMax?: number | undefined;
}

/** SHA-256 in hexadecimal. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const NOTHING_SHA256 = sha256Of(new Uint8Array());

interface Call {
  readonly method: "GET" | "HEAD" | "PUT";
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Signed. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Not signed: what is between may change it. */
  readonly unsigned?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly sha256?: string;
}

/** A bucket. All its calls reject with a {@link StoreError}. */
export class Bucket {
  private readonly signingKeys = new Map<string, ArrayBuffer>();

  /** @param now the clock that signs, in milliseconds since 1970 */
  constructor(
    readonly target: Target,
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * Puts an object, unless its key is taken.
   *
   * @returns `exists` if it is, also by an earlier try whose answer has not come; compare then with
   * {@link head}
   */
  async put(
    key: string,
    { body, contentType, sha256 = sha256Of(body) }: NewObject,
    options: CallOptions = {},
  ): Promise<"stored" | "exists"> {
    const headers = { "Content-Type": contentType, "If-None-Match": "*", [SHA256_HEADER]: sha256 };
    return await this.within(options, async (deadline) => {
      const response = await this.send({ method: "PUT", key, headers, body, sha256 }, deadline);
      if (response.status === 412) {
        await readText(response, ANSWER_BYTES_MAX);
        return "exists";
      }
      await this.expect(response, 200);
      await readText(response, ANSWER_BYTES_MAX);
      // What asks for a login on the way to the store answers to everything.
      if (response.headers.get("Content-Type")?.startsWith("text/html") === true)
        throw foreignError(this.target, "200 with a page");
      if (etagOf(response) === "") throw foreignError(this.target, "200 without an ETag");
      return "stored";
    });
  }

  /** @returns undefined if the object is not there, or its bucket */
  async head(key: string, options: CallOptions = {}): Promise<ObjectFacts | undefined> {
    return await this.within(options, async (deadline) => {
      const response = await this.send({ method: "HEAD", key }, deadline);
      if (response.status === 404) return undefined;
      await this.expect(response, 200);
      return this.factsOf(response);
    });
  }

  /**
   * Gets an object, or some of its bytes. The deadline is for all of them.
   *
   * @returns undefined if it is not there
   */
  async get(
    key: string,
    { range, ...options }: CallOptions & { readonly range?: ByteRange | undefined } = {},
  ): Promise<ObjectContent | undefined> {
    const deadline = new Deadline(options);
    let isOpen = false;
    try {
      const unsigned: Record<string, string> =
        range === undefined ? {} : { Range: `bytes=${range.first}-${range.last ?? ""}` };
      const response = await this.send({ method: "GET", key, unsigned }, deadline);
      if (response.status === 404) {
        const error = await this.errorOf(response);
        if (error.code === "NoSuchKey") return undefined;
        throw error;
      }
      await this.expect(response, range === undefined ? 200 : 206);
      const facts = this.factsOf(response);
      isOpen = true;
      return { ...facts, chunks: this.chunksOf(response, deadline) };
    } catch (error) {
      throw this.translated(error, deadline);
    } finally {
      if (!isOpen) deadline[Symbol.dispose]();
    }
  }

  /** Lists objects, page by page. The deadline is for each page. */
  async *list(
    { prefix, startAfter, delimiter, pageMax = PAGE_MAX }: ListRequest,
    options: CallOptions = {},
  ): AsyncGenerator<Page, void, undefined> {
    let token: string | undefined;
    do {
      const query = {
        "list-type": "2",
        "max-keys": String(pageMax),
        prefix,
        ...(delimiter !== undefined && { delimiter }),
        ...(startAfter !== undefined && token === undefined && { "start-after": startAfter }),
        ...(token !== undefined && { "continuation-token": token }),
      };
      const { next, ...page } = await this.within(options, async (deadline) => {
        const response = await this.send({ method: "GET", key: "", query }, deadline);
        await this.expect(response, 200);
        return this.pageOf(await readText(response, PAGE_BYTES_MAX));
      });
      if (next !== undefined && next === token)
        throw foreignError(this.target, "a list without an end");
      yield page;
      token = next;
    } while (token !== undefined);
  }

  private pageOf(text: string): ReturnType<typeof parsePage> {
    try {
      return parsePage(text);
    } catch (error) {
      throw foreignError(this.target, "a list that cannot be read", error);
    }
  }

  private async send(
    { method, key, query, headers, unsigned, body, sha256 = NOTHING_SHA256 }: Call,
    { signal }: Deadline,
  ): Promise<Response> {
    const { accessKey, secretKey, region, ca } = this.target;
    if (this.signingKeys.size > SIGNING_KEYS_MAX) this.signingKeys.clear();
    const signed = await new AwsV4Signer({
      method,
      url: addressOfKey(this.target, key, query).href,
      headers: { ...headers, "X-Amz-Content-Sha256": sha256 },
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      service: "s3",
      region,
      datetime: new Date(this.now()).toISOString().replaceAll(/[:-]|\.\d{3}/g, ""),
      cache: this.signingKeys,
    }).sign();
    const all = signed.headers;
    all.set("User-Agent", `imagehub/${VERSION}`);
    all.set("Accept-Encoding", "identity");
    for (const [name, value] of Object.entries(unsigned ?? {})) all.set(name, value);
    return await fetchAnswer(signed.url, { method, headers: all, body, ca, signal });
  }

  /** @throws {StoreError} if the answer has another status */
  private async expect(response: Response, status: number): Promise<void> {
    if (response.status === status) return;
    if (response.status < 300) throw foreignError(this.target, String(response.status));
    throw await this.errorOf(response);
  }

  private async errorOf(response: Response): Promise<StoreError> {
    const { status, headers } = response;
    const { code, region } = parseRefusal(await readText(response, ANSWER_BYTES_MAX));
    const waitS = Number(headers.get("Retry-After") ?? Number.NaN);
    const skewMs = this.now() - Date.parse(headers.get("Date") ?? "");
    return refusalError(this.target, {
      status,
      code,
      region,
      waitMs: waitS >= 0 ? waitS * 1000 : undefined,
      skewMs: Number.isNaN(skewMs) ? undefined : skewMs,
    });
  }

  private factsOf(response: Response): ObjectFacts {
    const length = response.headers.get("Content-Length");
    if (length === null) throw foreignError(this.target, "an object without a length");
    const sha256 = response.headers.get(SHA256_HEADER) ?? undefined;
    return { size: Number(length), etag: etagOf(response), sha256 };
  }

  private async *chunksOf(
    { body }: Response,
    deadline: Deadline,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    using _ = deadline;
    try {
      if (body !== null) yield* body;
    } catch (error) {
      throw this.translated(error, deadline);
    } finally {
      // The reader may not want the rest.
      deadline.end();
    }
  }

  private async within<T>(
    options: CallOptions,
    work: (deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    using deadline = new Deadline(options);
    try {
      return await work(deadline);
    } catch (error) {
      throw this.translated(error, deadline);
    }
  }

  private translated(error: unknown, { isLate, msMax, signal }: Deadline): unknown {
    if (error instanceof StoreError) return error;
    const code = fetchCode(error);
    if (isLate && code !== DNS_SILENT) return lateError(this.target, msMax);
    if (signal.aborted && !isLate) return endedError();
    return code === "" ? error : connectionError(this.target, code);
  }
}

const etagOf = ({ headers }: Response): string => (headers.get("ETag") ?? "").replaceAll('"', "");

/** Reads an answer, so that its connection can be used again. What is too long is cut. */
async function readText({ body }: Response, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body ?? []) {
    parts.push(part);
    length += part.byteLength;
    if (length > bytesMax) break;
  }
  return Buffer.concat(parts).toString("utf8", 0, Math.min(length, bytesMax));
}
