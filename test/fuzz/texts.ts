/**
 * Fuzzes what the hub reads in frame 1 of a request (`src/protocol/request.ts`): JSON, texts,
 * arrays.
 *
 * Seen when a line was taken out of a copy of the sources (seed 20181230): the reason not put on
 * one line, caught at iteration 30,698, and not cut, 791; the text of an event not put on one line,
 * 3, and the bound on its bytes, 172; the error of the JSON parser let through, 1; null not told
 * from an object, 12; bytes not compared with the shape, 85; the type not put into lower case, 51;
 * an empty image taken, 2; the node as it was sent for a name, 0; a JPEG in an array of the type
 * jpg taken for pixels, 338; a column taken for a JPEG unseen, 85; unlabelled bytes taken for one,
 * 20; any number of channels taken, 10,589.
 *
 * @module
 */

import { TEXT_BYTES_MAX } from "../../src/limits.ts";
import {
  type Payload,
  parseRequest,
  type Request,
  RequestError,
  type RequestRules,
} from "../../src/protocol/request.ts";
import { mustBeSafeName } from "./names.ts";
import { anyText, mutateBytes, mutateText, type Random } from "./random.ts";
import { functionTarget, must, mustBeOneLine } from "./target.ts";

const REASON_CHARS_MAX = 200;
const NODE_BYTES_MAX = 224;
const SIDE_MAX = 65_500;

/** As imagenode sends them. */
const TEXTS = [
  "ROI",
  "raspberrypi",
  "Barn|Heartbeat",
  "Barn Door|jpg|moving",
  "Barn Door|image|moving",
  "Garage|Temp|76 F",
  "Driveway|Restart|rpi20|RPi|192.168.86.52|875|738.71",
  "BackDeck|Restart|rpi13|RPi|192.168.86.57|370|1918.5",
  "Cam|intruder|x",
] as const;

const TYPES = [
  "jpg",
  "image",
  "JPG",
  " image ",
  "Heartbeat",
  " heartbeat\t",
  "Temp",
  "jpeg",
  "",
  "i",
  "h",
  "ımage",
];

const DTYPES = [
  "uint8",
  "|u1",
  "u1",
  "B",
  ">u1",
  "float32",
  "<i4",
  "bool",
  "?",
  "uint16",
  "<u2",
  ">u2",
  "H",
  "complex256",
  "object",
  "uint9",
  "<U7",
  "int128",
  "[('a', '<i4')]",
];

/** Frame 1, and what is to be known of frame 2. */
interface Frames {
  readonly header: Buffer;
  readonly payload: Payload;
}

interface TextInput extends Frames {
  readonly rules: RequestRules;
}

function anyNumber(random: Random): number {
  switch (random.below(6)) {
    case 0:
      return random.pick([
        0,
        -0,
        -1,
        1e308,
        2 ** 53,
        2 ** 53 - 1,
        2 ** 31,
        2 ** 32,
        1.5,
        65_500,
        65_501,
        65_536,
      ]);
    case 1:
      return random.next();
    default:
      return random.skewed(700);
  }
}

/** Any value that JSON has. */
function anyValue(random: Random, depth = 3): unknown {
  switch (random.below(depth === 0 ? 5 : 7)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
      return anyNumber(random);
    case 3:
      return anyText(random, 200);
    case 4:
      return random.pick(TEXTS);
    case 5:
      return random.list(random.skewed(6), () => anyValue(random, depth - 1));
    default: {
      const entries = random.list(random.skewed(4), () => [
        anyText(random, 20),
        anyValue(random, depth - 1),
      ]);
      return Object.fromEntries(entries) as unknown;
    }
  }
}

/** A text of a request, right or nearly. */
function requestText(random: Random): string {
  const node = random.chance(0.5) ? random.pick(["Barn", "Barn Door", ""]) : anyText(random, 5000);
  const rest = random.chance(0.5) ? "" : `|${anyText(random, 6000)}`;
  switch (random.below(4)) {
    case 0:
      return random.pick(TEXTS);
    case 1:
      return mutateText(random, random.pick(TEXTS));
    case 2:
      return anyText(random);
    default:
      return `${node}|${random.pick(TYPES)}${rest}`;
  }
}

/**
 * A list of sides as numpy's, and how many bytes so many items of one byte take; mostly a picture.
 */
function anyShape(random: Random, bytesMax: number): unknown[] {
  if (random.chance(0.2)) return random.list(random.skewed(12), () => anyNumber(random));
  if (random.chance(0.02))
    return random.list(random.skewed(30_000), () => random.pick([0, 1, 9, 1e15]));
  if (random.chance(0.02))
    return random.list(random.between(6, 9), () => Number.MAX_SAFE_INTEGER - random.below(9));
  const height = 1 + random.skewed(Math.min(300, bytesMax / 3 - 1));
  const width = 1 + random.skewed(Math.min(300, bytesMax / 3 / height - 1));
  return random.pick<unknown[]>([
    [height, width],
    [height, width, 3],
    [height, width, 3],
    [height, width, 1],
    [height, width, 4],
    [height * width],
    [height * width, 1],
    [height, width, 3, 1],
    [height, String(width)],
  ]);
}

function bytesOf(shape: readonly unknown[]): number {
  const items = shape.reduce<number>((product, side) => product * Number(side), 1);
  return Number.isSafeInteger(items) && items >= 0 ? items : 0;
}

/** The fields of a request, each right, wrong or not there. */
function requestFields(
  random: Random,
  bytesMax: number,
): { fields: Record<string, unknown>; bytes: number } {
  const fields: Record<string, unknown> = {};
  if (random.chance(0.95))
    fields["msg"] = random.chance(0.93) ? requestText(random) : anyValue(random);
  let bytes = random.skewed(Math.min(bytesMax, 2000));
  if (random.chance(0.4)) {
    if (random.chance(0.95))
      fields["dtype"] = random.chance(0.9) ? random.pick(DTYPES) : anyValue(random);
    if (random.chance(0.6))
      fields["dtype"] = random.pick(["uint8", "uint8", "uint16", ">u2", "bool"]);
    const shape = anyShape(random, bytesMax);
    if (random.chance(0.95)) fields["shape"] = random.chance(0.95) ? shape : anyValue(random);
    const isDeep = /^(?:uint16|[<>]u2|H)$/.test(String(fields["dtype"]));
    if (random.chance(0.85)) bytes = bytesOf(shape) * (isDeep ? 2 : 1);
    if (random.chance(0.05)) bytes += random.pick([-1, 1]);
  }
  if (random.chance(0.1)) fields[anyText(random, 20)] = anyValue(random);
  return { fields, bytes: Math.max(0, bytes) };
}

/** JSON that is deep or long without need. */
function heavyJson(random: Random): string {
  const depth = random.skewed(32_000);
  return random.pick([
    "[".repeat(depth),
    "[".repeat(depth) + "]".repeat(depth),
    `${'{"msg":'.repeat(depth / 4)}0${"}".repeat(depth / 4)}`,
    `{"msg":"${"a".repeat(depth)}|jpg"}`,
    `{"msg":"${"\\u0000".repeat(depth / 4)}|Temp|1"}`,
    `{${'"msg":"a|jpg",'.repeat(depth / 15)}"msg":"b|jpg"}`,
    `{"msg":"a|jpg","dtype":"uint8","shape":[${"1,".repeat(depth)}1]}`,
    `{"msg":"a|jpg","n":1e${"9".repeat(depth / 2)}}`,
  ]);
}

/** @param bytesMax of frame 2, for those who have to make it */
export function anyRequest(random: Random, bytesMax = Number.MAX_SAFE_INTEGER): Frames {
  const { fields, bytes } = requestFields(random, Math.min(bytesMax, 70_000));
  const size = Math.min(bytes, bytesMax);
  const payload = { size, isJpeg: size >= 3 && random.chance(0.3) };
  const json = JSON.stringify(fields);
  switch (random.below(10)) {
    case 0:
      return { header: mutateBytes(random, Buffer.from(json)), payload };
    case 1:
      return { header: Buffer.from(mutateText(random, json)), payload };
    case 2:
      return { header: random.bytes(random.skewed(400)), payload };
    case 3:
      return { header: Buffer.from(JSON.stringify(anyValue(random)) ?? "", "utf8"), payload };
    case 4:
      return { header: Buffer.from(heavyJson(random)), payload };
    default:
      return { header: Buffer.from(json), payload };
  }
}

function generate(random: Random): TextInput {
  const usual = random.chance(0.7);
  return {
    ...anyRequest(random),
    rules: {
      textBytesMax: usual ? TEXT_BYTES_MAX : 1 + random.skewed(TEXT_BYTES_MAX - 1),
      nameBytesMax: usual ? NODE_BYTES_MAX : 1 + random.skewed(NODE_BYTES_MAX - 1),
      unlabelled: random.chance(0.5) ? "ignore" : "store",
      payloadBytesMax: Number.POSITIVE_INFINITY,
    },
  };
}

/** What the table in docs/STORAGE.md says of a text, worked out another way than in the hub. */
function kindOf(text: string, { unlabelled }: RequestRules): Request["kind"] {
  const [, type] = text.split("|");
  if (type === undefined && unlabelled === "store") return "image";
  if (type === undefined) return /^[\p{Cc}\s]*ROI[\p{Cc}\s]*$/u.test(text) ? "test" : "unlabelled";
  const word = type.trim().toLowerCase();
  if (word === "heartbeat") return "heartbeat";
  return word === "jpg" || word === "image" ? "image" : "event";
}

/** What a header says that was taken for right. */
interface SentFields {
  readonly msg: string;
  readonly dtype?: unknown;
  readonly shape?: unknown;
}

function fieldsOf(header: Buffer): SentFields {
  // A byte order mark before it is no part of the text.
  return JSON.parse(new TextDecoder().decode(header)) as SentFields;
}

function sentText(header: Buffer): string {
  return fieldsOf(header).msg;
}

function checkNode(node: string, text: string, { nameBytesMax }: RequestRules): void {
  mustBeOneLine(node, "The node");
  const bytes = Buffer.byteLength(node);
  must(bytes <= nameBytesMax, `The node has ${bytes} bytes`);
  const [field = ""] = text.split("|");
  const isPlain = /^[\p{L}\p{N} ]{0,50}$/u.test(field);
  const isShort = Buffer.byteLength(field) <= nameBytesMax;
  must(!isPlain || !isShort || node === field.trim(), `The node is ${JSON.stringify(node)}`);
}

function checkEvent(line: string, text: string, { textBytesMax }: RequestRules): void {
  mustBeOneLine(line, "The event");
  const bytes = Buffer.byteLength(line);
  must(bytes <= textBytesMax, `The event has ${bytes} bytes`);
  must(line.includes("|"), "The event has no | and reads as a notice of the hub's own");
  must(line.length === text.length, "The event has another length than the text");
  const isClean = text.isWellFormed() && !/[\p{Cc}\u2028\u2029]/u.test(text);
  must(!isClean || line === text, "The event is not the text as it was sent");
}

const isEmpty = (value: unknown): boolean => value === undefined || value === null || value === "";

function checkImage(request: Request & { kind: "image" }, { header, payload }: TextInput): void {
  mustBeSafeName(request.name);
  must(payload.size > 0, "An image of no bytes was taken");
  const { msg, dtype, shape } = fieldsOf(header);
  const { raw } = request;
  const isArray = !isEmpty(dtype) || !isEmpty(shape);
  must(isArray || raw === undefined, "A file was taken for an array");
  if (raw === undefined) {
    must(!isArray || payload.isJpeg, "An array was taken for a file");
    must(msg.includes("|") || payload.isJpeg, "Bytes without a label were taken for an image");
    return;
  }
  const [, type] = msg.split("|");
  must(!payload.isJpeg || type?.trim().toLowerCase() !== "jpg", "A JPEG was taken for an array");
  const { height, width, channels, item } = raw;
  must([1, 3, 4].includes(channels), `There are ${String(channels)} channels`);
  for (const side of [height, width]) {
    must(Number.isInteger(side) && side >= 1 && side <= SIDE_MAX, `A side has ${side} pixels`);
  }
  const itemBytes = item === "uint16" || item === "uint16be" ? 2 : 1;
  must(
    height * width * channels * itemBytes === payload.size,
    `${JSON.stringify(raw)} does not take ${payload.size} bytes`,
  );
}

function check(input: TextInput): string {
  let request: Request;
  try {
    request = parseRequest(input.header, input.payload, input.rules);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    mustBeOneLine(error.message, "The reason");
    must(error.message !== "", "There is no reason");
    must(
      error.message.length <= REASON_CHARS_MAX,
      `The reason has ${error.message.length} characters`,
    );
    return `refused: ${error.code}`;
  }
  const text = sentText(input.header);
  const kind = kindOf(text, input.rules);
  // imagenode has further test images than the one that is sent here, which chance does not hit
  // upon.
  must(request.kind === kind, `It was taken for ${request.kind}, and is ${kind}`);
  if (request.kind !== "test") checkNode(request.node, text, input.rules);
  if (request.kind === "event") checkEvent(request.text, text, input.rules);
  if (request.kind !== "image") return request.kind;
  checkImage(request, input);
  if (request.raw === undefined) return "image";
  return request.raw.item.startsWith("uint16") ? "raw image of 16 bits" : "raw image";
}

/** Fuzzes `parseRequest`. */
export const textsTarget = functionTarget({
  name: "texts",
  promise: "frame 1 gives a request that is as it says, or a reason on one line",
  generate,
  check,
  show: ({ header, payload, rules }: TextInput) =>
    `frame 1 ${header.toString("hex")}, frame 2 ${JSON.stringify(payload)}, ${JSON.stringify(rules)}`,
});
