/**
 * Parses requests: the meaning of the text, and whether the two frames match.
 *
 * Frame 1 is JSON as imagezmq makes it: `{"msg": "Barn Door|jpg|moving"}`, plus `dtype` and `shape`
 * if frame 2 is a numpy array instead of a JPEG file. The text is `node view|type|anything`. The
 * Python hub checks only the first letter of the type. Here the whole type counts: `intruder` and
 * `Humidity` are events. Most examples of imagezmq send only the name of their machine. The setting
 * `unlabelled` says what happens to those.
 *
 * @module
 */

import { IMAGE_NAME_BYTES_MAX, TEXT_BYTES_MAX } from "../limits.ts";
import { cut, imageName, oneLine } from "./names.ts";

/**
 * Largest width and height of an array that is stored, in pixels: the limit of a JPEG (ITU T.81,
 * B.2.2, minus what libjpeg reserves). A PNG could be larger, but no camera's picture is.
 */
const SIDE_MAX = 65_500;

/** Rules for reading requests. */
export interface RequestRules {
  /** For the text of an event; a longer one is refused. At most {@link TEXT_BYTES_MAX}. */
  readonly textBytesMax: number;
  /** For field 0, the node and view; a longer one is cut. At most {@link IMAGE_NAME_BYTES_MAX}. */
  readonly nameBytesMax: number;
  /** For frame 2; a longer one is refused. */
  readonly payloadBytesMax: number;
  /** The setting `unlabelled`. */
  readonly unlabelled: "ignore" | "store";
}

const RULES: RequestRules = {
  textBytesMax: TEXT_BYTES_MAX,
  nameBytesMax: IMAGE_NAME_BYTES_MAX,
  payloadBytesMax: Number.POSITIVE_INFINITY,
  unlabelled: "ignore",
};

/** What parsing needs to know about frame 2. */
export interface Payload {
  /** Its length in bytes. */
  readonly size: number;
  /** Whether it begins like a JPEG file: `FF D8 FF`. */
  readonly isJpeg: boolean;
}

/**
 * Item types of raw arrays. `uint16be` is `uint16` with the high byte first. `bool` is a byte; 0 is
 * black.
 */
export const ITEMS = ["uint8", "bool", "uint16", "uint16be"] as const;

/** One of {@link ITEMS}. */
type Item = (typeof ITEMS)[number];

/** A raw array as OpenCV holds it: rows from the top, channels in the order B, G, R. */
export interface RawArray {
  readonly height: number;
  readonly width: number;
  /** 1 is gray, 3 is BGR, 4 is BGR plus alpha. */
  readonly channels: 1 | 3 | 4;
  readonly item: Item;
}

/**
 * A valid request. `node` is field 0 of the text: trimmed, on one line, cut if it is too long for a
 * name.
 */
export type Request =
  /** One of imagenode's test images. */
  | { readonly kind: "test" }
  /** Not labelled, and not to be stored; the node is the whole text. */
  | { readonly kind: "unlabelled"; readonly node: string }
  | { readonly kind: "heartbeat"; readonly node: string }
  | { readonly kind: "event"; readonly node: string; readonly text: string }
  /** `name` is the beginning of the file name. `raw` is set if frame 2 is an array to encode. */
  | {
      readonly kind: "image";
      readonly node: string;
      readonly name: string;
      readonly raw: RawArray | undefined;
    };

/** A request that is stored. */
export type StoredRequest = Extract<Request, { kind: "image" | "event" }>;

/** Longest reason in a reply, in characters: it may quote the request. */
const REASON_CHARS_MAX = 200;

/**
 * A request that is not valid. The message is the reason in the reply `ERROR <reason>`, on one
 * line.
 */
export class RequestError extends Error {
  override readonly name = "RequestError";

  /** @param code the kind of error, without any text from the request */
  constructor(
    readonly code: "frames" | "json" | "msg" | "array" | "image" | "text",
    reason: string,
    options?: ErrorOptions,
  ) {
    super(oneLine(reason.slice(0, REASON_CHARS_MAX)), options);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Names that imagenode gives to images sent with `send_test_images`. People look at these while
 * setting up a camera.
 */
const TEST_IMAGES = new Set([
  "ROI",
  "Grayscale",
  "frameDelta",
  "thresholded",
  "State",
  "Mean Pixel Value",
  "N Contours",
  "Area",
]);

/**
 * Parses a request.
 *
 * @param header frame 1
 * @param payload frame 2; `isJpeg` is read only if the meaning depends on it
 * @param rules default: the longest texts and names that the hub can hold, and `unlabelled: ignore`
 * @throws {RequestError} if it is not valid
 */
export function parseRequest(header: Uint8Array, payload: Payload, rules = RULES): Request {
  const fields = parseHeader(header);
  const { msg: text } = fields;
  if (text === undefined) throw new RequestError("msg", "frame 1 has no msg");
  if (typeof text !== "string") throw new RequestError("msg", "msg in frame 1 is not a string");

  const [whole, type] = splitText(text);
  const node = cut(whole, rules.nameBytesMax);
  const isImage =
    type === undefined ? rules.unlabelled === "store" : type === "jpg" || type === "image";
  if (isImage)
    return { kind: "image", node, name: imageName(node), raw: parseImage(fields, type, payload) };

  // An array that does not match its header shows that sender and hub disagree, so refuse it in any
  // kind of request.
  if (!isFile(fields)) parseArray(fields, payload.size);
  if (type === undefined)
    return TEST_IMAGES.has(whole) ? { kind: "test" } : { kind: "unlabelled", node };
  if (type === "heartbeat") return { kind: "heartbeat", node };
  return { kind: "event", node, text: eventText(text, rules.textBytesMax) };
}

/** Maximum remembered requests: one per camera, view, and further text. */
const REMEMBERED_MAX = 1000;

/** Longest header that is remembered, in bytes. */
const REMEMBERED_BYTES_MAX = 256;

/** A known request, and what frame 2 must be for the same header to mean the same. */
interface Remembered {
  readonly request: Request;
  /** undefined: any length but 0. */
  readonly payloadBytes: number | undefined;
  /** undefined: the first bytes do not matter. */
  readonly isJpeg: boolean | undefined;
}

/** A payload that records whether its first bytes were read. */
class WatchedPayload implements Payload {
  readonly size: number;
  /** What was seen; undefined if nobody has looked. */
  seen: boolean | undefined;

  constructor(private readonly payload: Payload) {
    this.size = payload.size;
  }

  get isJpeg(): boolean {
    return (this.seen ??= this.payload.isJpeg);
  }
}

/**
 * Parses requests like {@link parseRequest}, and remembers them. A camera sends the same header
 * with each image, byte for byte. Looking it up costs a fraction of parsing JSON and making names.
 */
export class RequestReader {
  private readonly remembered = new Map<string, Remembered>();

  constructor(private readonly rules: RequestRules) {}

  /**
   * Parses a request.
   *
   * @param bytes start with frame 1
   * @param length of frame 1
   * @param payload frame 2
   * @throws {RequestError} if it is not valid
   */
  read(bytes: Buffer, length: number, payload: Payload): Request {
    const { payloadBytesMax } = this.rules;
    const { size } = payload;
    if (size > payloadBytesMax) {
      const reason = `frame 2 has ${size} bytes, more than ${payloadBytesMax} (max_message_bytes)`;
      throw new RequestError("frames", reason);
    }
    const key = length <= REMEMBERED_BYTES_MAX ? bytes.toString("latin1", 0, length) : "";
    const known = this.remembered.get(key);
    if (known !== undefined && isSame(known, payload)) return known.request;
    const watched = new WatchedPayload(payload);
    const request = parseRequest(bytes.subarray(0, length), watched, this.rules);
    // The text of an event is different each time.
    if (key === "" || request.kind === "event") return request;
    if (this.remembered.size >= REMEMBERED_MAX) this.remembered.clear();
    // Each JPEG has a different length.
    const hasAnyLength = request.kind === "image" && request.raw === undefined;
    const payloadBytes = hasAnyLength ? undefined : watched.size;
    this.remembered.set(key, { request, payloadBytes, isJpeg: watched.seen });
    return request;
  }
}

/** Whether a request with the same header means the same. */
function isSame({ payloadBytes, isJpeg }: Remembered, payload: Payload): boolean {
  const { size } = payload;
  if (payloadBytes === undefined ? size === 0 : size !== payloadBytes) return false;
  return isJpeg === undefined || isJpeg === payload.isJpeg;
}

/**
 * Field 0, trimmed and on one line, and the type in lower case; undefined if the text has no `|`.
 */
function splitText(text: string): [node: string, type: string | undefined] {
  const first = text.indexOf("|");
  const node = oneLine(first < 0 ? text : text.slice(0, first)).trim();
  if (first < 0) return [node, undefined];
  const second = text.indexOf("|", first + 1);
  const type = text.slice(first + 1, second < 0 ? text.length : second);
  return [node, type.trim().toLowerCase()];
}

function eventText(text: string, bytesMax: number): string {
  const line = oneLine(text);
  if (line.length * 3 > bytesMax && Buffer.byteLength(line) > bytesMax) {
    throw new RequestError("text", `the text is longer than ${bytesMax} bytes`);
  }
  return line;
}

function parseHeader(header: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(header));
  } catch (cause) {
    throw new RequestError("json", "frame 1 is not JSON in UTF-8", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RequestError("json", "frame 1 is not a JSON object");
  }
  return value as Record<string, unknown>;
}

/**
 * Whether frame 2 is a file: the header describes no array. Some senders leave these fields empty.
 */
function isFile({ dtype, shape }: Record<string, unknown>): boolean {
  return isAbsent(dtype) && isAbsent(shape);
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}

/**
 * What an image is.
 *
 * @param type from the text, if any
 * @returns undefined if frame 2 is a file, which is stored unchanged
 * @throws {RequestError} if it cannot be stored
 */
function parseImage(
  fields: Record<string, unknown>,
  type: string | undefined,
  payload: Payload,
): RawArray | undefined {
  if (!isFile(fields)) {
    // `cv2.imencode` returns the bytes of a JPEG as an array. Some senders pass it on to
    // `send_image`.
    if ((type === "jpg" || isColumn(fields["shape"])) && payload.isJpeg) return undefined;
    const array = parseArray(fields, payload.size);
    if (payload.size > 0) return rawArray(array);
  }
  if (payload.size === 0)
    throw new RequestError("image", "frame 2 is empty, an image was expected");
  // If the text has a type, trust the sender and do not look into the file.
  if (type === undefined && !payload.isJpeg) {
    throw new RequestError(
      "image",
      "frame 2 is neither a JPEG file nor an array, and the text has no type",
    );
  }
  return undefined;
}

/** Whether an array of this shape is a column of bytes, not a picture. */
function isColumn(shape: unknown): boolean {
  return Array.isArray(shape) && (shape.length === 1 || (shape.length === 2 && shape[1] === 1));
}

/** A numpy array as its header describes it. `shape` may have any number of dimensions. */
interface NumpyArray {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/**
 * The array in frame 2.
 *
 * @throws {RequestError} if dtype, shape and the number of bytes do not match
 */
function parseArray({ dtype, shape }: Record<string, unknown>, bytes: number): NumpyArray {
  if (typeof dtype !== "string")
    throw new RequestError("array", "dtype in frame 1 is not a string");
  if (!Array.isArray(shape) || !shape.every((side) => Number.isSafeInteger(side) && side >= 0)) {
    throw new RequestError("array", "shape in frame 1 is not a list of whole numbers");
  }
  const items = shape.reduce((product: number, side: number) => product * side, 1);
  const itemBytes = itemSize(dtype);
  if (itemBytes !== undefined && items * itemBytes !== bytes) {
    throw new RequestError(
      "array",
      `frame 2 has ${bytes} bytes, ${dtype.slice(0, 40)} of shape [${shape.slice(0, 8).join()}] takes ${items * itemBytes}`,
    );
  }
  return { dtype, shape };
}

/**
 * numpy's names for the dtypes of pictures: names, codes of `dtype.str`, and characters of
 * `dtype.char`.
 *
 * @see https://numpy.org/doc/stable/reference/arrays.dtypes.html
 */
const ITEM_NAMES = new Map<string, "uint8" | "bool" | "uint16">([
  ...["uint8", "ubyte", "u1", "B"].map((name) => [name, "uint8"] as const),
  ...["bool", "bool_", "b1", "?"].map((name) => [name, "bool"] as const),
  ...["uint16", "ushort", "u2", "H"].map((name) => [name, "uint16"] as const),
]);

/**
 * The item type of a picture with this dtype, with or without a byte order prefix; undefined if
 * none.
 */
function itemOf(dtype: string): Item | undefined {
  const hasOrder = /^[<>=|]/.test(dtype);
  const item = ITEM_NAMES.get(hasOrder ? dtype.slice(1) : dtype);
  return item === "uint16" && dtype.startsWith(">") ? "uint16be" : item;
}

/**
 * Bytes per item of a numpy dtype. Knows the plain numbers (`uint8`, `float64`, `<i4`, `bool`).
 * Others give undefined: only events can have them, and their frame 2 does not matter.
 */
function itemSize(dtype: string): number | undefined {
  const item = itemOf(dtype);
  if (item !== undefined) return item.startsWith("uint16") ? 2 : 1;
  const bits = /^(?:u?int|float|complex)(8|16|32|64|128|256)$/.exec(dtype)?.[1];
  if (bits !== undefined) return Number(bits) / 8;
  const bytes = /^[<>=|]?[biufc](\d{1,2})$/.exec(dtype)?.[1];
  return bytes === undefined ? undefined : Number(bytes);
}

/** @throws {RequestError} if the array is not a picture that can be stored */
function rawArray({ dtype, shape }: NumpyArray): RawArray {
  const item = itemOf(dtype);
  if (item === undefined) {
    throw new RequestError(
      "image",
      `an image of dtype ${dtype.slice(0, 40)} cannot be stored, only uint8, bool and uint16`,
    );
  }
  const [height = 0, width = 0, channels = 1] = shape;
  if (
    shape.length < 2 ||
    shape.length > 3 ||
    (channels !== 1 && channels !== 3 && channels !== 4)
  ) {
    throw new RequestError(
      "image",
      `an image of shape [${shape.slice(0, 8).join()}] cannot be stored, only [height, width] and [height, width, 1, 3 or 4]`,
    );
  }
  if (height < 1 || width < 1 || height > SIDE_MAX || width > SIDE_MAX) {
    throw new RequestError(
      "image",
      `an image of ${width} x ${height} pixels cannot be stored, only 1 to ${SIDE_MAX} a side`,
    );
  }
  return { height, width, channels, item };
}
