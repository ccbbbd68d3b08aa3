/**
 * What is stored from now on, as server-sent events. Who was away for a moment goes on where they
 * were.
 *
 * @module
 */

import { randomBytes } from "node:crypto";

/** How many messages are remembered for those who come back. */
const REMEMBERED = 4000;

/** How many may wait for one who reads slowly. Then the oldest are dropped, and it is told. */
const WAITING_MAX = 1000;

/** A stream without news says that it is alive, after so many milliseconds. */
const ALIVE_MS = 15_000;

/** How many may look at once. */
const LOOKERS_MAX = 64;

/** A message. */
interface Message {
  readonly id: number;
  readonly event: "image" | "event" | "hub" | "camera" | "hubs";
  readonly camera: string | undefined;
  readonly text: string;
}

/** What somebody wants to hear. */
export interface Wish {
  readonly cameras: ReadonlySet<string> | undefined;
  readonly only: ReadonlySet<string> | undefined;
  /** The id of the last message that they have; undefined if they are new. */
  readonly after: string | undefined;
}

/** Everybody who looks. */
export class Live {
  /** Ids of another start of this thread are not known any more. */
  private epoch = newEpoch();
  private readonly remembered: Message[] = [];
  private readonly lookers = new Set<Looker>();
  private id = 1;
  private hub: Message | undefined;

  /** Whether one more may look. */
  get hasRoom(): boolean {
    return this.lookers.size < LOOKERS_MAX;
  }

  /** Whether anybody looks. */
  get isHeard(): boolean {
    return this.lookers.size > 0;
  }

  /** Forgets what was told. Who comes back is told that something may be missing. */
  clear(): void {
    this.remembered.length = 0;
    this.epoch = newEpoch();
  }

  /** Tells everybody. @param camera of an image, for those who want only some */
  tell(event: Message["event"], data: unknown, camera?: string): void {
    const message = { id: this.id++, event, camera, text: JSON.stringify(data) };
    if (event === "hub") this.hub = message;
    this.remembered.push(message);
    if (this.remembered.length > REMEMBERED * 2) this.remembered.splice(0, REMEMBERED);
    for (const looker of this.lookers) looker.add(message);
  }

  /** The stream of one who looks. @param gone when they go */
  async *stream(wish: Wish, gone: AbortSignal): AsyncGenerator<Uint8Array> {
    const looker = new Looker(wish, this.epoch);
    // All at once: what is told in between would come twice.
    this.catchUp(looker, wish.after);
    // Told again, with the id that they have: whoever goes on after an older one gets all since
    // then a second time.
    if (this.hub !== undefined) looker.add({ ...this.hub, id: this.id - 1 });
    this.lookers.add(looker);
    gone.addEventListener("abort", () => looker.end(), { once: true });
    try {
      yield Buffer.from("retry: 2000\n\n");
      while (!gone.aborted) yield await looker.take();
    } finally {
      looker.end();
      this.lookers.delete(looker);
    }
  }

  private catchUp(looker: Looker, after: string | undefined): void {
    // The first message has an id, so that whoever breaks off then misses nothing.
    if (after === undefined) return looker.mark(this.id - 1);
    const [epoch, id] = after.split("-");
    const first = this.remembered[0]?.id ?? this.id;
    const isKnown = epoch === this.epoch && Number(id) + 1 >= first && Number(id) < this.id;
    if (!isKnown) return looker.lose(this.id - 1);
    for (const message of this.remembered) if (message.id > Number(id)) looker.add(message);
  }
}

function newEpoch(): string {
  return randomBytes(4).toString("hex");
}

/** One who looks. */
class Looker {
  private waiting: string[] = [];
  private wake: (() => void) | undefined;
  private isOver = false;

  constructor(
    private readonly wish: Wish,
    private readonly epoch: string,
  ) {}

  add({ id, event, camera, text }: Message): void {
    const { only, cameras } = this.wish;
    if (only !== undefined && !only.has(event)) return;
    if (cameras !== undefined && camera !== undefined && !cameras.has(camera)) return;
    if (this.waiting.length >= WAITING_MAX) return this.lose(id);
    this.push(`id: ${this.epoch}-${id}\nevent: ${event}\ndata: ${text}\n\n`);
  }

  /** They have missed something up to this message. */
  lose(id: number): void {
    this.waiting = [];
    this.push(`id: ${this.epoch}-${id}\nevent: lost\ndata: {}\n\n`);
  }

  /** They have everything up to this message. */
  mark(id: number): void {
    this.push(`id: ${this.epoch}-${id}\nevent: start\ndata: {}\n\n`);
  }

  /** What waits, or after a while that nothing does. */
  async take(): Promise<Uint8Array> {
    if (this.waiting.length === 0 && !this.isOver) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.wake = resolve;
      const alive = setTimeout(resolve, ALIVE_MS);
      await promise;
      clearTimeout(alive);
      this.wake = undefined;
    }
    const text = this.waiting.length === 0 ? ": alive\n\n" : this.waiting.join("");
    this.waiting = [];
    return Buffer.from(text);
  }

  end(): void {
    this.isOver = true;
    this.wake?.();
  }

  private push(text: string): void {
    this.waiting.push(text);
    this.wake?.();
  }
}
