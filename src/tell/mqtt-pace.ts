/**
 * Tells images of a camera at an interval. The latest one counts.
 *
 * @module
 */

import type { News } from "./news.ts";

type Image = News & { readonly type: "image" };

/** All cameras. */
export class ImagePace {
  /** The latest image of each camera, while the interval after the one before is not over. */
  private readonly held = new Map<string, Image>();
  private readonly pausing = new Set<string>();

  /** @param seconds the interval */
  constructor(
    private readonly seconds: number,
    private readonly tell: (image: Image) => void,
  ) {}

  /** Tells it now, or when the interval is over. */
  add(image: Image): void {
    const { camera } = image;
    if (this.pausing.has(camera)) {
      this.held.set(camera, image);
      return;
    }
    this.tell(image);
    if (this.seconds === 0) return;
    this.pausing.add(camera);
    setTimeout(() => {
      this.pausing.delete(camera);
      const held = this.held.get(camera);
      this.held.delete(camera);
      if (held !== undefined) this.add(held);
    }, this.seconds * 1000);
  }

  /** Tells now what is held. */
  flush(): void {
    for (const image of this.held.values()) this.tell(image);
  }
}
