/**
 * What a sender asks for: the meaning of a request's text, and whether its two frames fit each other.
 *
 * Frame 1 is JSON as imagezmq makes it: `{"msg": "Barn Door|jpg|moving"}`, with `dtype` and `shape` where frame 2 is a numpy
 * array instead of a JPEG file. The text is `node view|type|anything`. Other than the Python hub, which looks at the first
 * letter of the type, the whole type counts: `intruder` and `Humidity` are events.
 *
 * @module
 */

import { cut, IMAGE_NAME_BYTES_MAX, imageName, oneLine } from "./store/names.ts";

/** Longest text of an event, in bytes of UTF-8. imagenode's own stay below 200. */
export const TEXT_BYTES_MAX = 4096;

/** Largest width and height that a JPEG can have, in pixels (ITU T.81, B.2.2, less what libjpeg keeps for itself). */
const JPEG_SIDE_MAX = 65_500;

/** Bounds on what a sender may call itself and say, in bytes of UTF-8. */
export interface RequestLimits {
  /** Of an event; a longer one is refused. At most {@link TEXT_BYTES_MAX}. */
  readonly textBytesMax: number;
  /** Of field 0, the node and view; a longer one is cut. At most `IMAGE_NAME_BYTES_MAX` of `names.ts`. */
  readonly nameBytesMax: number;
  /** Of frame 2; a request with a longer one is refused. */
  readonly payloadBytesMax: number;
}

const LIMITS_MAX: RequestLimits = {
  textBytesMax: TEXT_BYTES_MAX,
  nameBytesMax: IMAGE_NAME_BYTES_MAX,
  payloadBytesMax: Number.POSITIVE_INFINITY,
};

/** A raw array as OpenCV holds it: rows from the top, 8 bits a channel, channels in the order B, G, R. */
export interface RawShape {
  readonly height: number;
  readonly width: number;
  /** 1 is gray, 3 is BGR. */
  readonly channels: 1 | 3;
}

/** A request that makes sense. `node` is field 0 of the text, trimmed, on one line, and cut where it is too long for a name. */
export type Request =
  | { readonly kind: "test" }
  | { readonly kind: "heartbeat"; readonly node: string }
  | { readonly kind: "event"; readonly node: string; readonly text: string }
  /** `name` is what the file name starts with; `raw` is there where frame 2 is an array to be encoded. */
  | {
      readonly kind: "image";
      readonly node: string;
      readonly name: string;
      readonly raw: RawShape | undefined;
    };

/** One that is stored. */
export type StoredRequest = Extract<Request, { kind: "image" | "event" }>;

/** Longest reason in a reply, in characters: it may quote what was sent. */
const REASON_CHARS_MAX = 200;

/** A request that makes no sense. The message is the reason in the reply `ERROR <reason>`, and on one line. */
export class RequestError extends Error {
  override readonly name = "RequestError";

  /** @param code what kind of nonsense it is, without anything of what was sent */
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
 * Reads a request.
 *
 * @param header frame 1
 * @param payloadBytes the length of frame 2
 * @param limits how long texts and names may be; default: as long as the hub can hold
 * @throws {RequestError}
 */
export function parseRequest(
  header: Uint8Array,
  payloadBytes: number,
  { textBytesMax, nameBytesMax } = LIMITS_MAX,
): Request {
  const fields = parseHeader(header);
  const { msg: text } = fields;
  if (text === undefined) throw new RequestError("msg", "frame 1 has no msg");
  if (typeof text !== "string") throw new RequestError("msg", "msg in frame 1 is not a string");
  const array = parseArray(fields, payloadBytes);

  const [whole, type] = splitText(text);
  const node = cut(whole, nameBytesMax);
  if (type === undefined) return { kind: "test" };
  switch (type.trim().toLowerCase()) {
    case "heartbeat":
      return { kind: "heartbeat", node };
    case "jpg":
    case "image":
      if (payloadBytes === 0) throw new RequestError("image", "frame 2 is empty, an image was expected");
      return { kind: "image", node, name: imageName(node), raw: array && rawShape(array) };
    default:
      return { kind: "event", node, text: eventText(text, textBytesMax) };
  }
}

/** Requests that are remembered at most: cameras, their views, and what they say of an image. */
const REMEMBERED_MAX = 1000;

/** Longest header that is remembered, in bytes. */
const REMEMBERED_BYTES_MAX = 256;

/** A request that may come again, and how long its frame 2 has to be for that; undefined: anything but empty. */
interface Remembered {
  readonly request: Request;
  readonly payloadBytes: number | undefined;
}

/**
 * Reads requests as {@link parseRequest} does, and remembers them: a camera sends the same header with each image, byte for
 * byte, and to look it up costs a fraction of reading JSON and making names of it.
 */
export class RequestReader {
  private readonly remembered = new Map<string, Remembered>();

  /** @param limits how long texts and names may be */
  constructor(private readonly limits: RequestLimits) {}

  /**
   * Reads a request.
   *
   * @param bytes that begin with frame 1
   * @param length how many of them that are
   * @param payloadBytes the length of frame 2
   * @throws {RequestError}
   */
  read(bytes: Buffer, length: number, payloadBytes: number): Request {
    const { payloadBytesMax } = this.limits;
    if (payloadBytes > payloadBytesMax) {
      const reason = `frame 2 has ${payloadBytes} bytes, more than ${payloadBytesMax} (max_message_bytes)`;
      throw new RequestError("frames", reason);
    }
    const key = length <= REMEMBERED_BYTES_MAX ? bytes.toString("latin1", 0, length) : "";
    const known = this.remembered.get(key);
    if (known !== undefined) {
      const isSame =
        known.payloadBytes === undefined ? payloadBytes > 0 : payloadBytes === known.payloadBytes;
      if (isSame) return known.request;
    }
    const request = parseRequest(bytes.subarray(0, length), payloadBytes, this.limits);
    // The text of an event is another each time.
    if (key === "" || request.kind === "event") return request;
    if (this.remembered.size >= REMEMBERED_MAX) this.remembered.clear();
    const isJpeg = request.kind === "image" && request.raw === undefined;
    this.remembered.set(key, { request, payloadBytes: isJpeg ? undefined : payloadBytes });
    return request;
  }
}

/** The fields before and after the first `|`; the second is not there where the text has no `|`. */
function splitText(text: string): [node: string, type: string | undefined] {
  const first = text.indexOf("|");
  if (first < 0) return [text, undefined];
  const second = text.indexOf("|", first + 1);
  return [oneLine(text.slice(0, first)).trim(), text.slice(first + 1, second < 0 ? text.length : second)];
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

/** A numpy array as its header describes it. `shape` may have any number of dimensions. */
interface NumpyArray {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/**
 * The array that frame 2 holds, or undefined where the header speaks of none.
 *
 * @throws {RequestError} where dtype and shape do not fit each other or the bytes
 */
function parseArray({ dtype, shape }: Record<string, unknown>, bytes: number): NumpyArray | undefined {
  if (dtype === undefined && shape === undefined) return undefined;
  if (typeof dtype !== "string") throw new RequestError("array", "dtype in frame 1 is not a string");
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
 * Bytes of one item of a numpy dtype, for the plain numbers (`uint8`, `float64`, `<i4`, `bool`) that its `str()` names;
 * undefined for the others, which only an event can carry, and there frame 2 does not count.
 */
function itemSize(dtype: string): number | undefined {
  if (dtype === "bool") return 1;
  const bits = /^(?:u?int|float|complex)(8|16|32|64|128|256)$/.exec(dtype)?.[1];
  if (bits !== undefined) return Number(bits) / 8;
  const bytes = /^[<>=|]?[biufc](\d{1,2})$/.exec(dtype)?.[1];
  return bytes === undefined ? undefined : Number(bytes);
}

/** @throws {RequestError} where the array is no picture that a JPEG can hold */
function rawShape({ dtype, shape }: NumpyArray): RawShape {
  if (dtype !== "uint8" && dtype !== "|u1" && dtype !== "u1") {
    throw new RequestError("image", `an image of dtype ${dtype.slice(0, 40)} cannot be stored, only uint8`);
  }
  const [height = 0, width = 0, channels = 1] = shape;
  if (shape.length < 2 || shape.length > 3 || (channels !== 1 && channels !== 3)) {
    throw new RequestError(
      "image",
      `an image of shape [${shape.slice(0, 8).join()}] cannot be stored, only [height, width] or [height, width, 3]`,
    );
  }
  if (height < 1 || width < 1 || height > JPEG_SIDE_MAX || width > JPEG_SIDE_MAX) {
    throw new RequestError(
      "image",
      `an image of ${width} x ${height} pixels cannot be stored, a JPEG has 1 to ${JPEG_SIDE_MAX} a side`,
    );
  }
  return { height, width, channels };
}
