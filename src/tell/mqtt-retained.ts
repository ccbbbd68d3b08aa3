/**
 * What the broker is to keep of each topic, and what of it it has not been told yet.
 *
 * @module
 */

/** A text, or the file of an image, which is read when it is sent. */
export type Payload = string | { readonly file: string };

/** Most emptied topics that the broker has not confirmed. */
const GONE_MAX = 5000;

/** Topics and what they are to hold. */
export class Retained {
  private readonly wanted = new Map<string, Payload>();
  /** What was emptied, until the broker has confirmed it. */
  private readonly gone = new Set<string>();
  /** The topics that are to be told, by whether they hold a text. */
  private readonly texts = new Set<string>();
  private readonly files = new Set<string>();
  /** The topics that were taken, and that the broker has not confirmed. */
  private readonly taken = new Set<string>();

  /** How many topics wait. */
  get waiting(): number {
    return this.texts.size + this.files.size;
  }

  has(topic: string): boolean {
    return this.wanted.has(topic);
  }

  /** The topic is to hold this. */
  set(topic: string, payload: Payload): void {
    if (this.wanted.get(topic) === payload) return;
    this.wanted.set(topic, payload);
    this.gone.delete(topic);
    this.add(topic, payload);
  }

  /** The topic is to hold nothing. */
  remove(topic: string): void {
    this.wanted.delete(topic);
    this.gone.add(topic);
    this.add(topic, "");
    const oldest = first(this.gone);
    if (oldest === undefined || this.gone.size <= GONE_MAX) return;
    this.gone.delete(oldest);
    this.texts.delete(oldest);
  }

  /** Tell all again: the broker may have lost it. */
  again(): void {
    this.taken.clear();
    for (const topic of this.gone) this.add(topic, "");
    for (const [topic, payload] of this.wanted) this.add(topic, payload);
  }

  /** The topic of the next text that is to be told, or of the next image. */
  next(kind: "text" | "image"): string | undefined {
    return first(kind === "text" ? this.texts : this.files);
  }

  /** Takes what the topic is to hold; an empty text empties it. */
  take(topic: string): Payload {
    this.texts.delete(topic);
    this.files.delete(topic);
    this.taken.add(topic);
    return this.wanted.get(topic) ?? "";
  }

  /** The broker has confirmed what was taken, or it will not be told. */
  done(topic: string): void {
    this.taken.delete(topic);
    if (this.isTold(topic)) this.gone.delete(topic);
  }

  /** Whether the broker has what the topic is to hold. */
  isTold(topic: string): boolean {
    return !this.texts.has(topic) && !this.files.has(topic) && !this.taken.has(topic);
  }

  private add(topic: string, payload: Payload): void {
    const isText = typeof payload === "string";
    (isText ? this.texts : this.files).add(topic);
    (isText ? this.files : this.texts).delete(topic);
  }
}

function first(topics: ReadonlySet<string>): string | undefined {
  for (const topic of topics) return topic;
  return undefined;
}
