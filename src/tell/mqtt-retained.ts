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
    for (const topic of this.gone) this.add(topic, "");
    for (const [topic, payload] of this.wanted) this.add(topic, payload);
  }

  /** Takes the next text that is to be told; an empty one empties the topic. */
  takeText(): { readonly topic: string; readonly text: string } | undefined {
    const topic = first(this.texts);
    if (topic === undefined) return undefined;
    this.texts.delete(topic);
    const text = this.wanted.get(topic) ?? "";
    return typeof text === "string" ? { topic, text } : this.takeText();
  }

  /** Takes the next file that is to be told. */
  takeFile(): { readonly topic: string; readonly file: string } | undefined {
    const topic = first(this.files);
    if (topic === undefined) return undefined;
    this.files.delete(topic);
    const payload = this.wanted.get(topic);
    return typeof payload === "object" ? { topic, file: payload.file } : this.takeFile();
  }

  /** The broker has confirmed that the topic is empty. */
  emptied(topic: string): void {
    this.gone.delete(topic);
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
