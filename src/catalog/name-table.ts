/**
 * The names of one day's images, and what is known of each: 200,000 of them take 7 MB.
 *
 * @module
 */

import { IMAGE_SUFFIXES, type ImageFileName } from "../protocol/names.ts";

/** What is known of a name: nothing, that it was there at the start, or that it was told. */
export const Known = { no: 0, before: 1, told: 2 } as const;

/** One of {@link Known}. */
export type Known = (typeof Known)[keyof typeof Known];

/** The table doubles when it is three quarters full. */
const FIRST_PLACES = 1024;

/** Different forms that a name with the same camera and time can have. */
const FORMS = 2 * IMAGE_SUFFIXES.length;

/** A hash table with open addressing. Nothing is ever removed. */
export class NameTable {
  private readonly numbers = new Map<string, number>();
  /** Time and form in one number, from 1; 0 is a free place. */
  private moments = new Float64Array(FIRST_PLACES);
  private cameras = new Uint32Array(FIRST_PLACES);
  private states = new Uint8Array(FIRST_PLACES);
  private count = 0;

  /** What is known of an image's name. */
  get(image: ImageFileName): Known {
    const camera = this.numbers.get(image.camera);
    if (camera === undefined) return Known.no;
    return this.states[this.placeOf(momentOf(image), camera)]! as Known;
  }

  /** Remembers a name. */
  set(image: ImageFileName, state: Known): void {
    let camera = this.numbers.get(image.camera);
    if (camera === undefined) this.numbers.set(image.camera, (camera = this.numbers.size));
    if (4 * this.count >= 3 * this.moments.length) this.grow();
    this.put(momentOf(image), camera, state);
  }

  private put(moment: number, camera: number, state: number): void {
    const place = this.placeOf(moment, camera);
    if (this.moments[place] === 0) this.count++;
    this.moments[place] = moment;
    this.cameras[place] = camera;
    this.states[place] = state;
  }

  /** The place of a name, or the free one for it. */
  private placeOf(moment: number, camera: number): number {
    const { moments, cameras } = this;
    const mask = moments.length - 1;
    const high = Math.floor(moment / 2 ** 32);
    let hash = Math.imul(moment ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ Math.imul(camera, 0x27d4eb2f), 0xc2b2ae35);
    for (let place = (hash ^ (hash >>> 16)) & mask; ; place = (place + 1) & mask) {
      const there = moments[place];
      if (there === 0 || (there === moment && cameras[place] === camera)) return place;
    }
  }

  private grow(): void {
    const { moments, cameras, states } = this;
    this.moments = new Float64Array(moments.length * 2);
    this.cameras = new Uint32Array(moments.length * 2);
    this.states = new Uint8Array(moments.length * 2);
    this.count = 0;
    for (const [place, moment] of moments.entries())
      if (moment !== 0) this.put(moment, cameras[place]!, states[place]!);
  }
}

function momentOf({ micros, suffix, hasFraction }: ImageFileName): number {
  return micros * FORMS + 2 * IMAGE_SUFFIXES.indexOf(suffix) + (hasFraction ? 1 : 0) + 1;
}
