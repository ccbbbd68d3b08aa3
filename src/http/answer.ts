/**
 * Requests and answers of the HTTP listener.
 *
 * @module
 */

/** An answer. The server adds the headers that all answers share. */
export interface Answer {
  readonly status: number;
  /** Content-Type. */
  readonly type: string;
  /**
   * The whole body, or its parts if it is long or endless. The next part is requested when the peer
   * has taken the one before, so a slow peer costs no memory. If the peer goes, or wants no parts,
   * the iteration ends by `return`, perhaps before its first part: see {@link partsThatEnd}. Parts
   * that wait for something must watch {@link HttpRequest.gone}.
   */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  /** How many bytes all parts have together, if that is known. */
  readonly length?: number | undefined;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request. */
export interface HttpRequest {
  readonly method: string;
  /** Without the query, otherwise as sent. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Empty unless it is a POST. */
  readonly body: Uint8Array;
  /** The address of the peer, which may be a proxy. */
  readonly peer: string;
  /** By name, in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Whether the peer wants the connection closed after the answer. */
  readonly isLast: boolean;
  /** Whether the peer understands chunks (HTTP/1.1). */
  readonly knowsChunks: boolean;
  /** Aborted when the peer is gone. */
  readonly gone: AbortSignal;
}

/** Makes the answer to a request. */
export type Route = (request: HttpRequest) => Answer | Promise<Answer>;

/**
 * Parts of an answer that hold something, such as an open file. `return` of a generator that has
 * not begun runs none of its code, so no `finally` and no `using`.
 *
 * @param end frees it. Called when the parts end by `return`, perhaps after their own `finally`
 */
export function partsThatEnd(
  parts: AsyncGenerator<Uint8Array>,
  end: () => void,
): AsyncIterable<Uint8Array> {
  const iterator: AsyncIterator<Uint8Array> = {
    next: async () => await parts.next(),
    return: async () => {
      try {
        return await parts.return(undefined);
      } finally {
        end();
      }
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

/** Ends the parts of an answer that nobody takes. */
export async function dropParts(parts: AsyncIterable<Uint8Array>): Promise<void> {
  await parts[Symbol.asyncIterator]().return?.();
}

/** An answer in JSON. */
export function json(value: unknown, status = 200): Answer {
  return { status, type: "application/json", body: Buffer.from(`${JSON.stringify(value)}\n`) };
}

/** A text answer. Adds a line break. */
export function plain(status: number, text: string, headers: Answer["headers"] = {}): Answer {
  return { status, type: "text/plain; charset=utf-8", body: Buffer.from(`${text}\n`), headers };
}

/** Whether who asks can read what is compressed. */
export function takesGzip(headers: HttpRequest["headers"]): boolean {
  return /\bgzip\b/.test(headers.get("accept-encoding") ?? "");
}
