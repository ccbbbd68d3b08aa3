/**
 * One connection of the HTTP listener: reads a request, sends its answer, then reads the next.
 *
 * Its memory is always bounded. It holds at most one request head and as much data after it, and
 * one answer or one part of it. It reads no request until the kernel has taken the previous answer
 * whole, so a peer that does not read gets no more answers.
 *
 * @module
 */

import { STATUS_CODES } from "node:http";
import type { Socket } from "bun";
import { type Answer, dropParts, type HttpRequest, plain } from "./answer.ts";
import { HEAD_BYTES_MAX, readHead, type RequestHead } from "./request-head.ts";

/** How long a request may take to arrive, in milliseconds. */
const REQUEST_MS_MAX = 5000;
/** How long a connection may then be idle before its next request, in milliseconds. */
const IDLE_MS_MAX = 10_000;
/** How long a peer may leave its answer unread, in milliseconds. */
const UNREAD_MS_MAX = 10_000;

/**
 * How long a connection lives after its last answer, in milliseconds, and how much it reads and
 * discards meanwhile, in bytes. If it were closed at once, a peer that is still sending would lose
 * the last answer.
 *
 * @see RFC 9112, 9.6
 */
const PARTING_MS_MAX = 5000;
const IGNORED_BYTES_MAX = 2 ** 20;

/** Up to this size, an answer is sent in one piece with its headers, in bytes. */
const ONE_PIECE_BYTES_MAX = 16_384;

const EMPTY = Buffer.alloc(0);
const HEAD_END = "\r\n\r\n";
const LINE_END = Buffer.from("\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");
const CHUNKED = { "Transfer-Encoding": "chunked" };

/** What a connection needs from its server. */
export interface Office {
  /** Makes the answer to a request. Never rejects. */
  readonly answer: (request: HttpRequest) => Promise<Answer>;
  /** Whether an answer in parts may begin. If it returns true, `endParts` must follow. */
  readonly beginParts: () => boolean;
  readonly endParts: () => void;
  /** Reports a change in the number of bytes that wait for peers to take them. */
  readonly waits: (bytes: number) => void;
  /** Reports why an answer broke off, which is a bug. */
  readonly onError: (error: unknown) => void;
}

/** One connection. */
export class Connection {
  /** `parting`: its last answer and the end of the stream have been sent. */
  private phase: "receiving" | "answering" | "parting" = "receiving";
  /** When it opened, was last answered, or the peer last took something; by `performance.now`. */
  sinceMs = performance.now();
  /** When its phase has taken too long; by `performance.now`. */
  private deadlineMs = this.sinceMs + REQUEST_MS_MAX;
  /** Data of the next request; during an answer at most {@link HEAD_BYTES_MAX}. */
  private received = EMPTY;
  /** Bytes that were discarded. Once there are any, there is no next request. */
  private ignored = 0;
  /** A request whose body is still arriving. */
  private head: RequestHead | undefined;
  private hasPeerEnded = false;
  /** What the kernel has not yet taken. */
  private unsent: Uint8Array = EMPTY;
  private whenSent: ((isSent: boolean) => void) | undefined;
  private isInParts = false;
  private readonly gone = new AbortController();

  constructor(
    private readonly socket: Pick<
      Socket,
      "write" | "shutdown" | "end" | "terminate" | "setNoDelay" | "remoteAddress"
    >,
    private readonly office: Office,
  ) {
    socket.setNoDelay(true);
  }

  /**
   * Whether it may be closed for another connection: not while its answer is being made, or is sent
   * in parts.
   */
  get givesWay(): boolean {
    return this.phase !== "answering" || (this.isUnread && !this.isInParts);
  }

  /** Whether the peer has not yet taken everything. */
  get isUnread(): boolean {
    return this.unsent.length > 0;
  }

  /** Handles data from the peer. */
  receive(bytes: Buffer): void {
    if (this.phase === "parting" || this.ignored > 0) return this.ignore(bytes.length);
    if (this.received.length === 0) this.beginRequest();
    this.received = Buffer.concat([this.received, bytes]);
    if (this.phase === "receiving") void this.serve();
    else this.boundReceived();
  }

  /** The peer has closed its side. */
  receiveEnd(): void {
    this.hasPeerEnded = true;
    if (this.phase !== "answering") this.socket.end();
    // A single answer may still be wanted. Nobody waits for parts, which may be endless.
    else if (this.isInParts) this.cut();
  }

  /** The kernel has room again: sends what waits. */
  flush(): void {
    if (!this.isUnread) return;
    const sent = this.socket.write(this.unsent);
    if (sent < 0) this.cut();
    if (sent <= 0) return;
    this.unsent = this.unsent.subarray(sent);
    this.noteProgress();
    this.office.waits(-sent);
    if (!this.isUnread) this.settle(true);
  }

  /** Ends what has taken too long. Call it about once a second. */
  look(nowMs: number): void {
    if (nowMs < this.deadlineMs) return;
    if (this.phase === "receiving") this.part();
    else this.cut();
  }

  /** Closes it at once and drops what was to be sent. */
  cut(): void {
    this.forget();
    this.socket.terminate();
  }

  /** Cleans up after either side has closed it. */
  forget(): void {
    if (this.gone.signal.aborted) return;
    this.gone.abort();
    this.office.waits(-this.unsent.length);
    this.unsent = EMPTY;
    this.received = EMPTY;
    this.settle(false);
  }

  /** Answers complete requests, one after the other. */
  private async serve(): Promise<void> {
    for (let next = this.next(); next !== undefined; next = this.next()) {
      this.phase = "answering";
      this.deadlineMs = Number.POSITIVE_INFINITY;
      try {
        await this.respond(next);
      } catch (error) {
        // If the peer has gone, this is how parts that wait for something end.
        if (!this.gone.signal.aborted) this.office.onError(error);
        this.cut();
      }
      if (this.gone.signal.aborted) return;
      if (this.endsWith("method" in next ? next : undefined)) return this.part();
      this.phase = "receiving";
      this.sinceMs = performance.now();
      this.deadlineMs = this.sinceMs + IDLE_MS_MAX;
      if (this.received.length > 0) this.beginRequest();
    }
  }

  /** @returns the next request, or an answer to bad input; undefined if more data must come */
  private next(): HttpRequest | Answer | undefined {
    if (this.head !== undefined) return this.nextWithBody(this.head);
    const end = this.received.indexOf(HEAD_END);
    if (end < 0 && this.received.length <= HEAD_BYTES_MAX) return undefined;
    if (end < 0 || end > HEAD_BYTES_MAX) {
      this.ignore(this.received.length);
      return plain(431, `The headers are longer than ${HEAD_BYTES_MAX} bytes`);
    }
    const head = this.received.toString("latin1", 0, end);
    this.received = this.received.subarray(end + HEAD_END.length);
    const read = readHead(head);
    if ("status" in read) {
      this.boundReceived();
      return read;
    }
    this.head = read;
    return this.nextWithBody(read);
  }

  /** @returns undefined if more of the body must come */
  private nextWithBody({ request, bodyLength }: RequestHead): HttpRequest | undefined {
    if (this.received.length < bodyLength) return undefined;
    this.head = undefined;
    // The buffer of what was received goes on to grow.
    const body = Buffer.from(this.received.subarray(0, bodyLength));
    this.received = this.received.subarray(bodyLength);
    this.boundReceived();
    const peer = this.socket.remoteAddress;
    return { ...request, body, peer, gone: this.gone.signal };
  }

  private async respond(next: HttpRequest | Answer): Promise<void> {
    if (!("method" in next)) return await this.hand(next, undefined);
    const answer = await this.office.answer(next);
    if (answer.body instanceof Uint8Array) return await this.hand(answer, next);
    if (next.method === "HEAD" || this.gone.signal.aborted) {
      await dropParts(answer.body);
      return await this.hand(answer, next);
    }
    if (!this.office.beginParts()) {
      await dropParts(answer.body);
      return await this.hand(plain(503, "Too many long answers are under way"), next);
    }
    this.isInParts = true;
    try {
      await this.hand(answer, next);
    } finally {
      this.isInParts = false;
      this.office.endParts();
    }
  }

  /** @param request undefined if the input was not a request */
  private async hand(answer: Answer, request: HttpRequest | undefined): Promise<void> {
    const { body, length } = answer;
    const inChunks = request?.knowsChunks === true && length === undefined;
    const head = headOf(answer, this.endsWith(request), inChunks);
    if (request?.method === "HEAD") await this.send(head);
    else if (!(body instanceof Uint8Array)) await this.sendParts(head, body, inChunks);
    else if (body.length <= ONE_PIECE_BYTES_MAX) await this.send(Buffer.concat([head, body]));
    else if (await this.send(head)) await this.send(body);
  }

  /**
   * Whether the connection ends with this answer. After bad input, it is unclear where the next
   * request begins.
   */
  private endsWith(request: HttpRequest | undefined): boolean {
    return request === undefined || request.isLast || this.ignored > 0 || this.hasPeerEnded;
  }

  private async sendParts(
    head: Uint8Array,
    parts: AsyncIterable<Uint8Array>,
    inChunks: boolean,
  ): Promise<void> {
    if (!(await this.send(head))) return await dropParts(parts);
    for await (const part of parts) {
      // An empty chunk would end the answer.
      if (part.length === 0) continue;
      const size = Buffer.from(`${part.length.toString(16)}\r\n`);
      if (!(await this.send(inChunks ? Buffer.concat([size, part, LINE_END]) : part))) return;
    }
    if (inChunks) await this.send(LAST_CHUNK);
  }

  /**
   * Resolves when the kernel has taken all bytes, or the connection has ended. @returns true for
   * the former
   */
  private send(bytes: Uint8Array): boolean | Promise<boolean> {
    if (this.gone.signal.aborted) return false;
    const sent = this.socket.write(bytes);
    if (sent < 0) this.cut();
    if (sent < 0 || sent === bytes.length) return sent >= 0;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.whenSent = resolve;
    this.unsent = bytes.subarray(sent);
    this.noteProgress();
    this.office.waits(this.unsent.length);
    return promise;
  }

  private settle(isSent: boolean): void {
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.whenSent?.(isSent);
    this.whenSent = undefined;
  }

  private noteProgress(): void {
    this.sinceMs = performance.now();
    this.deadlineMs = this.sinceMs + UNREAD_MS_MAX;
  }

  private beginRequest(): void {
    if (this.phase === "receiving") this.deadlineMs = performance.now() + REQUEST_MS_MAX;
  }

  /** Sends the end of the stream, and waits for that of the peer. */
  private part(): void {
    this.phase = "parting";
    this.received = EMPTY;
    this.sinceMs = performance.now();
    this.deadlineMs = this.sinceMs + PARTING_MS_MAX;
    this.socket.shutdown();
  }

  private boundReceived(): void {
    if (this.received.length <= HEAD_BYTES_MAX) return;
    this.ignore(this.received.length);
    this.received = EMPTY;
  }

  private ignore(bytes: number): void {
    this.ignored += bytes;
    if (this.ignored > IGNORED_BYTES_MAX) this.cut();
  }
}

function headOf(
  {
    status,
    type,
    body,
    headers,
    length = body instanceof Uint8Array ? body.length : undefined,
  }: Answer,
  ends: boolean,
  inChunks: boolean,
): Buffer {
  const lines = Object.entries({
    Date: new Date().toUTCString(),
    "Content-Type": type,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    ...headers,
    ...(length !== undefined && { "Content-Length": length }),
    ...(length === undefined && inChunks && CHUNKED),
    Connection: ends ? "close" : "keep-alive",
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n`,
    "latin1",
  );
}
