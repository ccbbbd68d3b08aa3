/**
 * The images of one day, read from the names in its folder into compact arrays: 200,000 of them
 * take 0.5 s and 4 MB.
 *
 * @module
 */

import {
  formatImageFileName,
  IMAGE_SUFFIXES,
  type ImageFileName,
  parseImageFileName,
} from "../protocol/names.ts";

/** One image of a day. */
export interface DayImage {
  readonly camera: string;
  /** Local time of day, in microseconds since midnight. */
  readonly micros: number;
  readonly name: string;
}

/** The images of one day in the order of their times. */
export class Day {
  /** The cameras of the day, in alphabetical order. */
  readonly cameras: readonly string[];
  /** Names in the folder that are not those of the hub's images. */
  readonly foreign: readonly string[];
  private readonly micros: Float64Array;
  /** For each image its camera's place in {@link cameras}. */
  private readonly cameraOf: Uint16Array | Uint32Array;
  /** For each image its suffix, and whether its name has no fraction of a second. */
  private readonly forms: Uint8Array;

  /**
   * @param date such as `2018-12-30`
   * @param names what is in its folder, in any order
   */
  constructor(
    readonly date: string,
    names: Iterable<string>,
  ) {
    const foreign: string[] = [];
    const numbers = new Map<string, number>();
    let micros = new Float64Array(FIRST_COUNT);
    let cameras = new Uint32Array(FIRST_COUNT);
    let forms = new Uint8Array(FIRST_COUNT);
    let count = 0;
    for (const name of names) {
      const parsed = parseImageFileName(name, date);
      if (parsed === undefined) {
        foreign.push(name);
        continue;
      }
      let camera = numbers.get(parsed.camera);
      if (camera === undefined) numbers.set(parsed.camera, (camera = numbers.size));
      if (count === micros.length) {
        micros = grown(micros);
        cameras = grown(cameras);
        forms = grown(forms);
      }
      micros[count] = parsed.micros;
      cameras[count] = camera;
      forms[count] = formOf(parsed);
      count++;
    }
    this.foreign = foreign;
    this.cameras = [...numbers.keys()].toSorted();
    const places = new Uint32Array(numbers.size);
    for (const [place, camera] of this.cameras.entries()) places[numbers.get(camera)!] = place;
    const order = inOrder(micros.subarray(0, count), (index) => places[cameras[index]!]!);
    this.micros = new Float64Array(count);
    this.cameraOf = numbers.size > 0xffff ? new Uint32Array(count) : new Uint16Array(count);
    this.forms = new Uint8Array(count);
    for (const [place, index] of order.entries()) {
      this.micros[place] = micros[index]!;
      this.cameraOf[place] = places[cameras[index]!]!;
      this.forms[place] = forms[index]!;
    }
  }

  /** How many images there are. */
  get count(): number {
    return this.micros.length;
  }

  /** The camera of an image, by its place in {@link cameras}. @param index from 0 */
  cameraAt(index: number): number {
    return this.cameraOf[index]!;
  }

  /** The time of an image, in microseconds since midnight. */
  microsAt(index: number): number {
    return this.micros[index]!;
  }

  /** One image. @param index from 0, the earliest first */
  at(index: number): DayImage {
    const camera = this.cameras[this.cameraOf[index]!]!;
    const micros = this.micros[index]!;
    const form = this.forms[index]!;
    const suffix = IMAGE_SUFFIXES[form & ~NO_FRACTION]!;
    const hasFraction = (form & NO_FRACTION) === 0;
    const name = formatImageFileName({ camera, micros, hasFraction, suffix }, this.date);
    return { camera, micros, name };
  }

  /** The first image at or after a time of day. @returns {@link count} if there is none */
  find(micros: number): number {
    let low = 0;
    for (let high = this.count; low < high;) {
      const middle = (low + high) >>> 1;
      if (this.micros[middle]! < micros) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The arrays double when they are full. */
const FIRST_COUNT = 1024;

function grown<T extends Float64Array | Uint32Array | Uint8Array>(array: T): T {
  const next = new (array.constructor as new (length: number) => T)(array.length * 2);
  next.set(array);
  return next;
}

/** The bits of a sort key below the time: 33 million images. A folder of ext4 holds 12 million. */
const INDEX_BITS = 25;
/** With this bit, a key is an ordinary floating-point number, as no key has all those below it. */
const KEY_BIT = 0x4000_0000;

/**
 * The order of some times; where they are equal, that of their ranks. Numbers of 64 bits that hold
 * a time and its index are sorted in a tenth of the time that a comparison in JavaScript takes.
 * Positive floating-point numbers are in the order of their bits.
 */
function inOrder(micros: Float64Array, rankOf: (index: number) => number): Uint32Array {
  const keys = new Float64Array(micros.length);
  const words = new Uint32Array(keys.buffer);
  const lowSize = 2 ** (32 - INDEX_BITS);
  for (let index = 0; index < micros.length; index++) {
    const high = Math.floor(micros[index]! / lowSize);
    words[2 * index + 1] = KEY_BIT | high;
    words[2 * index] = ((micros[index]! - high * lowSize) << INDEX_BITS) | index;
  }
  keys.sort();
  const order = new Uint32Array(micros.length);
  for (let place = 0; place < order.length; place++)
    order[place] = words[2 * place]! & (2 ** INDEX_BITS - 1);
  for (let from = 0, to = 1; to <= order.length; to++) {
    if (to < order.length && micros[order[to]!] === micros[order[from]!]) continue;
    if (to - from > 1) order.subarray(from, to).sort((a, b) => rankOf(a) - rankOf(b));
    from = to;
  }
  return order;
}

/** The bit of a form that says that there is no fraction; the rest is the place of the suffix. */
const NO_FRACTION = 0x80;

function formOf({ suffix, hasFraction }: ImageFileName): number {
  const place = IMAGE_SUFFIXES.indexOf(suffix);
  return hasFraction ? place : place | NO_FRACTION;
}
