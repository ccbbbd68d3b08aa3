/**
 * Reads the names in a folder of a day from their bytes. There are 200,000, and a thread that has
 * just begun is slow: with a string for each name and its parts it would take twice as long.
 *
 * @module
 */

import { IMAGE_SUFFIXES, type ImageSuffix, parseImageFileName } from "../protocol/names.ts";

/** Takes a name: these bytes, from a start to before an end. */
export type TakeName = (bytes: Buffer, start: number, end: number) => void;

/** The arrays double when they are full. */
const FIRST_COUNT = 1024;

/** Buckets of beginnings by their hash. */
const BUCKET_BITS = 12;

/** The bit of a form that says that there is no fraction; the rest is the place of the suffix. */
export const NO_FRACTION = 0x80;

const [DOT, ZERO] = [".", "0"].map((each) => each.charCodeAt(0)) as [number, number];
const [FIRST_SUFFIX, SECOND_SUFFIX] = IMAGE_SUFFIXES.map(wordOf) as [number, number];

/** The bytes of `T23.13.31.jpg`: no name is shorter. */
const SHORTEST = 13;

/** What names begin with, up to the time: a camera and a date. */
interface Beginning {
  readonly bytes: Uint8Array;
  /** The camera's place among all; -1 if names with it are not those of images of the day. */
  readonly camera: number;
  readonly next: Beginning | undefined;
}

/** Reads names, in any order, by the rules of {@link parseImageFileName}. */
export class NameReader {
  /** The cameras, in the order in which they were seen first. */
  readonly cameras: string[] = [];
  /** How many names were those of images. */
  count = 0;
  /** Of each image: the local time of day, in microseconds since midnight. */
  micros = new Float64Array(FIRST_COUNT);
  /** Of each image: its camera's place in {@link cameras}. */
  cameraOf = new Uint32Array(FIRST_COUNT);
  /** Of each image: the place of its suffix in {@link IMAGE_SUFFIXES}, and {@link NO_FRACTION}. */
  forms = new Uint8Array(FIRST_COUNT);
  private readonly numbers = new Map<string, number>();
  private readonly beginnings: (Beginning | undefined)[] = Array.from({ length: 2 ** BUCKET_BITS });

  /** @param date of the folder, such as `2018-12-30` */
  constructor(private readonly date: string) {}

  /**
   * Takes in a name, unless it is not that of an image of this day. It is one piece and has no
   * calls, as it is over before the compiler has made much of it.
   */
  readonly take: TakeName = (bytes, start, end) => {
    if (end - start < SHORTEST || bytes[end - 4] !== DOT) return;
    const suffix = (bytes[end - 3]! << 16) | (bytes[end - 2]! << 8) | bytes[end - 1]!;
    if (suffix !== FIRST_SUFFIX && suffix !== SECOND_SUFFIX) return;
    let form = suffix === FIRST_SUFFIX ? 0 : 1;
    let fraction = 0;
    let at = end - 12;
    // A digit that is none makes this negative.
    let digits = 0;
    if (bytes[end - 11] === DOT) {
      for (let place = end - 10; place < end - 4; place++) {
        const digit = bytes[place]! - ZERO;
        digits |= digit | (9 - digit);
        fraction = fraction * 10 + digit;
      }
      at = end - 19;
    } else form |= NO_FRACTION;
    if (at <= start || bytes[at + 2] !== DOT || bytes[at + 5] !== DOT) return;
    const hours = bytes[at]! - ZERO;
    const hour = bytes[at + 1]! - ZERO;
    const minutes = bytes[at + 3]! - ZERO;
    const minute = bytes[at + 4]! - ZERO;
    const seconds = bytes[at + 6]! - ZERO;
    const second = bytes[at + 7]! - ZERO;
    digits |= hours | hour | (9 - hour) | (23 - hours * 10 - hour);
    digits |= minutes | (5 - minutes) | minute | (9 - minute);
    digits |= seconds | (5 - seconds) | second | (9 - second);
    if (digits < 0) return;

    let hash = 0;
    for (let place = start; place < at; place++) hash = (hash << 5) ^ (hash >>> 27) ^ bytes[place]!;
    const bucket = Math.imul(hash, 0x9e3779b1) >>> (32 - BUCKET_BITS);
    let beginning = this.beginnings[bucket];
    for (; beginning !== undefined; beginning = beginning.next) {
      const known = beginning.bytes;
      let same = known.length === at - start ? 0 : -1;
      while (same >= 0 && same < known.length)
        same = known[same] === bytes[start + same] ? same + 1 : -1;
      if (same >= 0) break;
    }
    beginning ??= this.begin(bucket, bytes.toString("utf8", start, end), bytes.subarray(start, at));
    const { camera } = beginning;
    if (camera < 0) return;
    const { count } = this;
    if (count === this.micros.length) this.grow();
    const minutesOfDay = (hours * 10 + hour) * 60 + minutes * 10 + minute;
    this.micros[count] = (minutesOfDay * 60 + seconds * 10 + second) * 1_000_000 + fraction;
    this.cameraOf[count] = camera;
    this.forms[count] = form;
    this.count = count + 1;
  };

  /** Takes in the beginning of a name whose other bytes are right. */
  private begin(bucket: number, name: string, bytes: Uint8Array): Beginning {
    const parsed = parseImageFileName(name, this.date);
    const camera = parsed === undefined ? -1 : this.numberOf(parsed.camera);
    const beginning = { bytes: new Uint8Array(bytes), camera, next: this.beginnings[bucket] };
    this.beginnings[bucket] = beginning;
    return beginning;
  }

  /** Two beginnings that are no UTF-8 can be read as the same camera. */
  private numberOf(camera: string): number {
    let number = this.numbers.get(camera);
    if (number === undefined) this.numbers.set(camera, (number = this.cameras.push(camera) - 1));
    return number;
  }

  private grow(): void {
    const { micros, cameraOf, forms } = this;
    const length = 2 * micros.length;
    (this.micros = new Float64Array(length)).set(micros);
    (this.cameraOf = new Uint32Array(length)).set(cameraOf);
    (this.forms = new Uint8Array(length)).set(forms);
  }
}

/** The three letters of a suffix. */
function wordOf(suffix: ImageSuffix): number {
  return Number.parseInt(Buffer.from(suffix.slice(1)).toString("hex"), 16);
}
