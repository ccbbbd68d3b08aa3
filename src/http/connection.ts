/**
 * One connection of the HTTP listener: takes in a request, hands over its answer, takes in the
 * next.
 *
 * What it holds is bounded at any time: of what the peer sends, one request line with its headers
 * and as much behind it; of what the peer is sent, one answer or one part of it. No request is
 * looked at before the answer to the one before has left for the kernel whole, so a peer that does
 * not read is not answered either.
 *
 * @module
 */

import { STATUS_CODES } from "node:http";
import type { Socket } from "bun";
import { type Answer, type HttpRequest, plain } from "./answer.ts";
import { HEAD_BYTES_MAX, readHead } from "./request-head.ts";

/** How long a request may take to arrive, in milliseconds. */
const REQUEST_MS_MAX = 5000;
/** How long a connection may then be without a further one, in milliseconds. */
const IDLE_MS_MAX = 10_000;
/** For how long a peer may take nothing of what it is sent, in milliseconds. */
const UNREAD_MS_MAX = 10_000;

/**
 * How long a connection stands whose end has been sent, in milliseconds, and how much is taken in
 * on it meanwhile and thrown away, in bytes: closed at once, it would take the last answer from a
 * peer that is still sending.
 *
 * @see RFC 9112, 9.6
 */
const PARTING_MS_MAX = 5000;
const IGNORED_BYTES_MAX = 2 ** 20;

/** An answer up to this size leaves in one piece with its headers, in bytes. */
const ONE_PIECE_BYTES_MAX = 16_384;

const EMPTY = Buffer.alloc(0);
const HEAD_END = "\r\n\r\n";
const LINE_END = Buffer.from("\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");
const CHUNKED = { "Transfer-Encoding": "chunked" };

/** What a connection knows of its server. */
export interface Office {
  /** Makes the answer to a request. It does not reject. */
  readonly answer: (request: HttpRequest) => Promise<Answer>;
  /** Whether an answer in parts may begin. Where it may, `endParts` follows. */
  readonly beginParts: () => boolean;
  readonly endParts: () => void;
  /** Is told by how much the bytes have changed that wait for peers to take them. */
  readonly waits: (bytes: number) => void;
  /** Is told why an answer broke off, which is a bug. */
  readonly onError: (error: unknown) => void;
}

/** See the module. */
export class Connection {
  /** `parting`: its last answer has been sent, and the end behind it. */
  private phase: "receiving" | "answering" | "parting" = "receiving";
  /**
   * When it came, or was answered last, or the peer took something last; in milliseconds of
   * `performance.now`.
   */
  sinceMs = performance.now();
  /** When its phase has taken too long. */
  private deadlineMs = this.sinceMs + REQUEST_MS_MAX;
  /** Of the next request; while one is answered no longer than {@link HEAD_BYTES_MAX}. */
  private received = EMPTY;
  /** Bytes that were thrown away. From the first on there is no next request. */
  private ignored = 0;
  private hasPeerEnded = false;
  /** What the kernel has not taken yet of what is to be sent. */
  private unsent: Uint8Array = EMPTY;
  private whenSent: ((isSent: boolean) => void) | undefined;
  private isInParts = false;
  private readonly gone = new AbortController();

  constructor(
    private readonly socket: Pick<
      Socket,
      "write" | "shutdown" | "end" | "terminate" | "setNoDelay"
    >,
    private readonly office: Office,
  ) {
    socket.setNoDelay(true);
  }

  /**
   * Whether it may give way to another: not while its answer is being made, or goes on in parts.
   */
  get givesWay(): boolean {
    return this.phase !== "answering" || (this.isUnread && !this.isInParts);
  }

  /** Whether the peer has not taken all that is to be sent. */
  get isUnread(): boolean {
    return this.unsent.length > 0;
  }

  /** Takes in what has come. */
  receive(bytes: Buffer): void {
    if (this.phase === "parting" || this.ignored > 0) return this.ignore(bytes.length);
    if (this.received.length === 0) this.beginRequest();
    this.received = Buffer.concat([this.received, bytes]);
    if (this.phase === "receiving") void this.serve();
    else this.boundReceived();
  }

  /** The peer sends no more. */
  receiveEnd(): void {
    this.hasPeerEnded = true;
    if (this.phase !== "answering") this.socket.end();
    // One answer may still be waited for. Parts, which need not end, go to nobody.
    else if (this.isInParts) this.cut();
  }

  /** The kernel has room again. */
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

  /** Ends what has taken too long. To be called about once a second. */
  look(nowMs: number): void {
    if (nowMs < this.deadlineMs) return;
    if (this.phase === "receiving") this.part();
    else this.cut();
  }

  /** Ends it at once, with all that was to be sent. */
  cut(): void {
    this.forget();
    this.socket.terminate();
  }

  /** It has ended, from whichever side. */
  forget(): void {
    if (this.gone.signal.aborted) return;
    this.gone.abort();
    this.office.waits(-this.unsent.length);
    this.unsent = EMPTY;
    this.received = EMPTY;
    this.settle(false);
  }

  /** Answers what has come whole, one request after the other. */
  private async serve(): Promise<void> {
    for (let next = this.next(); next !== undefined; next = this.next()) {
      this.phase = "answering";
      this.deadlineMs = Number.POSITIVE_INFINITY;
      try {
        await this.respond(next);
      } catch (error) {
        // Parts that wait for something end so when the peer goes.
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

  /** @returns the next request, or the answer to what is none; undefined where more has to come */
  private next(): HttpRequest | Answer | undefined {
    const end = this.received.indexOf(HEAD_END);
    if (end < 0 && this.received.length <= HEAD_BYTES_MAX) return undefined;
    if (end < 0 || end > HEAD_BYTES_MAX) {
      this.ignore(this.received.length);
      return plain(431, `The headers are longer than ${HEAD_BYTES_MAX} bytes`);
    }
    const head = this.received.toString("latin1", 0, end);
    this.received = this.received.subarray(end + HEAD_END.length);
    this.boundReceived();
    return readHead(head, this.gone.signal);
  }

  private async respond(next: HttpRequest | Answer): Promise<void> {
    if (!("method" in next)) return await this.hand(next, undefined);
    const answer = await this.office.answer(next);
    if (answer.body instanceof Uint8Array || next.method === "HEAD")
      return await this.hand(answer, next);
    if (!this.office.beginParts())
      return await this.hand(plain(503, "Too many long answers are under way"), next);
    this.isInParts = true;
    try {
      await this.hand(answer, next);
    } finally {
      this.isInParts = false;
      this.office.endParts();
    }
  }

  /** @param request undefined: what has come is none */
  private async hand(answer: Answer, request: HttpRequest | undefined): Promise<void> {
    const { body } = answer;
    const inChunks = request?.knowsChunks === true;
    const head = headOf(answer, this.endsWith(request), inChunks);
    if (request?.method === "HEAD") await this.send(head);
    else if (!(body instanceof Uint8Array)) await this.sendParts(head, body, inChunks);
    else if (body.length <= ONE_PIECE_BYTES_MAX) await this.send(Buffer.concat([head, body]));
    else if (await this.send(head)) await this.send(body);
  }

  /**
   * Whether the connection ends with the answer. What is no request leaves open where the next one
   * begins.
   */
  private endsWith(request: HttpRequest | undefined): boolean {
    return request === undefined || request.isLast || this.ignored > 0 || this.hasPeerEnded;
  }

  private async sendParts(
    head: Uint8Array,
    parts: AsyncIterable<Uint8Array>,
    inChunks: boolean,
  ): Promise<void> {
    if (!(await this.send(head))) return;
    for await (const part of parts) {
      // An empty chunk would be the end.
      if (part.length === 0) continue;
      const size = Buffer.from(`${part.length.toString(16)}\r\n`);
      if (!(await this.send(inChunks ? Buffer.concat([size, part, LINE_END]) : part))) return;
    }
    if (inChunks) await this.send(LAST_CHUNK);
  }

  /**
   * Resolves when the kernel has taken all of it, or the connection has ended. @returns which of
   * the two
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

  /** Sends the end, and waits for that of the peer. */
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
  { status, type, body, headers }: Answer,
  ends: boolean,
  knowsChunks: boolean,
): Buffer {
  const framing = body instanceof Uint8Array ? { "Content-Length": body.length } : CHUNKED;
  const lines = Object.entries({
    Date: new Date().toUTCString(),
    "Content-Type": type,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    ...headers,
    ...(body instanceof Uint8Array || knowsChunks ? framing : {}),
    Connection: ends ? "close" : "keep-alive",
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n`,
    "latin1",
  );
}
