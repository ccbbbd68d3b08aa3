/**
 * A list that is higher than an element can be. Browsers stop at some 16 million pixels.
 *
 * @module
 */

/** The height of an element that every browser can have. */
const HEIGHT_MAX = 8_000_000;

/** So near to an end, in viewports, both heights are brought together. */
const NEAR = 20;

/** Maps the offset of a scroller to that of a list, which may be higher. */
export class Runway {
  private top = 0;
  private offset = 0;

  /**
   * @param listHeight of the list, in pixels
   * @param viewport the height of what is seen of it
   */
  constructor(
    private listHeight: number,
    private viewport: number,
  ) {}

  /** The height of the element. */
  get height(): number {
    return Math.min(this.listHeight, HEIGHT_MAX);
  }

  /** Whether the end of the list is seen. */
  get isAtEnd(): boolean {
    return this.offset >= this.offsetMax - 2;
  }

  private get topMax(): number {
    return Math.max(1, this.height - this.viewport);
  }

  private get offsetMax(): number {
    return Math.max(1, this.listHeight - this.viewport);
  }

  /** The list has grown, or the window has another size. What is seen stays. */
  resize(listHeight: number, viewport: number): void {
    this.listHeight = listHeight;
    this.viewport = viewport;
    if (listHeight <= HEIGHT_MAX) this.offset = this.top;
  }

  /**
   * The scroller has moved. Small moves are exact; a long one, as of the scroll bar, leads to the
   * same part of the list.
   *
   * @param top of the scroller
   * @returns the offset in the list
   */
  scrolled(top: number): number {
    const moved = top - this.top;
    if (this.listHeight <= HEIGHT_MAX) this.offset = top;
    else if (Math.abs(moved) > this.viewport) this.offset = (top / this.topMax) * this.offsetMax;
    else this.offset += moved * this.speed(moved < 0);
    this.top = top;
    if (top <= 0) this.offset = 0;
    if (top >= this.topMax) this.offset = this.offsetMax;
    this.offset = Math.min(Math.max(0, this.offset), this.offsetMax);
    return this.offset;
  }

  /** How many pixels of the list one pixel of the scroller is. */
  private speed(isUp: boolean): number {
    const left = isUp ? this.top : this.topMax - this.top;
    const listLeft = isUp ? this.offset : this.offsetMax - this.offset;
    // Near an end, so that both arrive there at the same time.
    return left > 0 && left < NEAR * this.viewport ? listLeft / left : 1;
  }

  /** Goes to an offset in the list. @returns the top that the scroller must have */
  goTo(offset: number): number {
    this.offset = Math.min(Math.max(0, offset), this.offsetMax);
    this.top =
      this.listHeight <= HEIGHT_MAX
        ? this.offset
        : Math.round((this.offset / this.offsetMax) * this.topMax);
    return this.top;
  }

  /** Where in the element what is at an offset of the list must be drawn. */
  place(offset: number): number {
    return offset - this.offset + this.top;
  }
}
