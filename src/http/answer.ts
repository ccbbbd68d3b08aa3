/**
 * What a route of the HTTP listener answers.
 *
 * @module
 */

/**
 * An answer. The server adds what every answer has: its length, the date, how caches and browsers
 * are to take it.
 */
export interface Answer {
  readonly status: number;
  /** Content-Type. */
  readonly type: string;
  /**
   * All of it, or, for what is long or goes on, its parts: one is asked for when the peer has taken
   * the one before, so a slow peer costs no memory. Parts end by `return` when the peer goes; see
   * {@link HttpRequest.gone} for those that wait.
   */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What was asked for. */
export interface HttpRequest {
  readonly method: string;
  /** Without its query, as it was sent. */
  readonly path: string;
  /** By their names in small letters. */
  readonly headers: ReadonlyMap<string, string>;
  /** Whether the connection ends with the answer, as the peer wants it. */
  readonly isLast: boolean;
  /** Whether the peer knows chunks (HTTP/1.1). */
  readonly knowsChunks: boolean;
  /** Is aborted when the peer is gone. */
  readonly gone: AbortSignal;
}

/** Makes the answer to a request. */
export type Route = (request: HttpRequest) => Answer | Promise<Answer>;

/** A plain text, ended by a line break. */
export function plain(status: number, text: string, headers: Answer["headers"] = {}): Answer {
  return { status, type: "text/plain; charset=utf-8", body: Buffer.from(`${text}\n`), headers };
}
