/**
 * Starts the thread that reads what people look at, with the first request for it, and hands it
 * requests. The main thread never waits for the disk, so it answers about the hub's health also
 * while the disk of the images does not respond.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { type Answer, type HttpRequest, partsThatEnd, plain } from "../http/answer.ts";
import type { Log } from "../log/log.ts";
import { Litter } from "../os/memory.ts";
import type { HubHealth, NodeState, ToViewer, ViewerMessage } from "../shared/messages.ts";

/** How long an answer may take to begin, in milliseconds. */
const ANSWER_MS_MAX = 20_000;

/** Bytes of answers that may lie about in this thread when they were sent. */
const LITTER_BYTES = 2 * 2 ** 20;

/** What the viewer needs. */
export interface ViewerParts {
  readonly settings: Settings;
  readonly log: Log;
  readonly entry: URL;
}

/** What comes for one request. */
interface Waiting {
  answer: ((answer: Answer) => void) | undefined;
  part: PromiseWithResolvers<Uint8Array | undefined> | undefined;
}

/** The viewer of one hub, seen from the main thread. */
export class Viewer {
  private worker: Worker | undefined;
  private health: HubHealth | undefined;
  private nodes: readonly NodeState[] = [];
  private id = 0;
  private readonly waiting = new Map<number, Waiting>();
  private readonly litter = new Litter(LITTER_BYTES);

  constructor(private readonly parts: ViewerParts) {}

  /** Whether somebody waits for an answer or its rest. */
  get isBusy(): boolean {
    return this.waiting.size > 0;
  }

  /** Tells those who look live about the hub's health, and which nodes are silent. */
  tell(health: HubHealth, nodes: readonly NodeState[]): void {
    if (!isSame(health, this.health)) this.post({ type: "health", health });
    if (!isSame(silentIn(nodes), silentIn(this.nodes))) this.post({ type: "nodes", nodes });
    this.health = health;
    this.nodes = nodes;
  }

  /** Answers a request. */
  async answer(request: HttpRequest): Promise<Answer> {
    const { method, path, query, headers, body, gone } = request;
    const id = this.id++;
    const begun = Promise.withResolvers<Answer>();
    this.waiting.set(id, { answer: begun.resolve, part: undefined });
    const giveUp = (): void => this.giveUp(id);
    gone.addEventListener("abort", giveUp, { once: true });
    this.worker ??= this.makeWorker();
    this.post({
      type: "ask",
      id,
      request: { method, path, query: query.toString(), headers, body },
    });
    const late = setTimeout(() => {
      begun.resolve(plain(503, "The disk of the images does not respond"));
      this.giveUp(id);
    }, ANSWER_MS_MAX);
    const answer = await begun.promise;
    clearTimeout(late);
    if (answer.body instanceof Uint8Array) gone.removeEventListener("abort", giveUp);
    return answer;
  }

  private makeWorker(): Worker {
    const { settings, log, entry } = this.parts;
    const worker = new Worker(entry, { smol: true, name: "viewer" });
    worker.onmessage = ({ data: message }: MessageEvent<ViewerMessage>) => this.hear(message);
    worker.onerror = ({ message }) => log.error(`The viewer has failed: ${message.trim()}`);
    worker.addEventListener("close", () => {
      this.worker = undefined;
      for (const id of this.waiting.keys()) this.break(id, "The viewer has ended");
    });
    worker.postMessage({ type: "start", settings } satisfies ToViewer);
    if (this.health !== undefined)
      worker.postMessage({ type: "health", health: this.health } satisfies ToViewer);
    worker.postMessage({ type: "nodes", nodes: this.nodes } satisfies ToViewer);
    return worker;
  }

  private post(message: ToViewer): void {
    this.worker?.postMessage(message);
  }

  private hear(message: ViewerMessage): void {
    if (message.type === "log")
      return this.parts.log[message.level](message.message, message.fields);
    const { id } = message;
    this.litter.add(bytesOf(message));
    const waiting = this.waiting.get(id);
    if (waiting === undefined) return;
    if (message.type === "answer") {
      const { status, contentType: type, headers, body, length } = message;
      if (body !== undefined) this.waiting.delete(id);
      waiting.answer?.({
        status,
        type,
        headers,
        length,
        body: body ?? partsThatEnd(this.partsOf(id, waiting), () => this.giveUp(id)),
      });
      waiting.answer = undefined;
    } else if (message.type === "part") waiting.part?.resolve(message.bytes);
    else this.break(id, message.reason);
  }

  /** The answer cannot be made, or its rest cannot. */
  private break(id: number, reason: string): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    waiting?.answer?.(plain(503, reason));
    waiting?.part?.reject(new Error(reason));
  }

  private giveUp(id: number): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined) return;
    this.waiting.delete(id);
    waiting.answer?.(plain(503, "Nobody waits for this"));
    waiting.part?.resolve(undefined);
    this.post({ type: "gone", id });
  }

  /** Each part is asked for when the peer has taken the one before. */
  private async *partsOf(id: number, waiting: Waiting): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        waiting.part = Promise.withResolvers();
        // It may have ended before.
        if (!this.waiting.has(id)) return;
        this.post({ type: "next", id });
        const bytes = await waiting.part.promise;
        if (bytes === undefined) return;
        yield bytes;
      }
    } finally {
      this.giveUp(id);
    }
  }
}

function bytesOf(message: ViewerMessage): number {
  if (message.type === "answer") return message.body?.byteLength ?? 0;
  return message.type === "part" ? (message.bytes?.byteLength ?? 0) : 0;
}

function silentIn(nodes: readonly NodeState[]): string[] {
  return nodes.filter(({ silent }) => silent).map(({ node }) => node);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
