/**
 * The images that were looked at last: a page asks for one in several forms.
 *
 * @module
 */

/** How much is kept, in bytes. */
const KEPT_BYTES_MAX = 32 * 2 ** 20;

/** Images in memory. */
export class ImageCache {
  /** The one that was used last comes last. */
  private readonly kept = new Map<string, Uint8Array>();
  private keptBytes = 0;
  private readonly underWay = new Map<string, Promise<Uint8Array | undefined>>();

  /** An image, which is read unless it is there. Those who ask meanwhile wait for the same. */
  async of(
    key: string,
    read: () => Promise<Uint8Array | undefined>,
  ): Promise<Uint8Array | undefined> {
    const known = this.kept.get(key);
    if (known !== undefined) {
      this.kept.delete(key);
      this.kept.set(key, known);
      return known;
    }
    let reading = this.underWay.get(key);
    if (reading === undefined) {
      reading = read().finally(() => this.underWay.delete(key));
      this.underWay.set(key, reading);
    }
    const bytes = await reading;
    if (bytes !== undefined) this.keep(key, bytes);
    return bytes;
  }

  /** Forgets all. */
  clear(): void {
    this.kept.clear();
    this.keptBytes = 0;
  }

  private keep(key: string, bytes: Uint8Array): void {
    if (this.kept.has(key)) return;
    this.kept.set(key, bytes);
    this.keptBytes += bytes.byteLength;
    for (const [oldest, { byteLength }] of this.kept) {
      if (this.keptBytes <= KEPT_BYTES_MAX) return;
      this.kept.delete(oldest);
      this.keptBytes -= byteLength;
    }
  }
}
