import { describe, expect, test } from "bun:test";
import { TEXT_BYTES_MAX } from "../../src/limits.ts";
import {
  type Payload,
  parseRequest,
  type RawArray,
  type Request,
  RequestError,
  RequestReader,
  type RequestRules,
} from "../../src/protocol/request.ts";

const JPEG_BYTES = 5000;

const NO_SHAPE = "shape in frame 1 is not a list of whole numbers";

const wrongDtype = (dtype: string) =>
  `an image of dtype ${dtype} cannot be stored, only uint8, bool and uint16`;
const wrongShape = (shape: string) =>
  `an image of shape [${shape}] cannot be stored, only [height, width] and [height, width, 1, 3 or 4]`;
const wrongSize = (size: string) =>
  `an image of ${size} pixels cannot be stored, only 1 to 65500 a side`;

/** Frame 2, whose first bytes are those of no JPEG. */
const bytesOf = (size: number): Payload => ({ size, isJpeg: false });
/** Frame 2 that begins as a JPEG does. */
const jpegOf = (size: number): Payload => ({ size, isJpeg: true });

const STORE: RequestRules = {
  textBytesMax: 100,
  nameBytesMax: 100,
  payloadBytesMax: Number.POSITIVE_INFINITY,
  unlabelled: "store",
};

/** Texts and bytes, one after the other. */
function bytes(...parts: (string | number[])[]): Buffer {
  return Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.of(...part))),
  );
}

/** Parses a header with these fields. */
function parse(fields: Record<string, unknown>, payloadBytes = JPEG_BYTES): Request {
  return parseRequest(Buffer.from(JSON.stringify(fields)), bytesOf(payloadBytes));
}

/** Parses a text that comes with a JPEG. */
function parseText(msg: string): Request {
  return parse({ msg });
}

/** The reason why a header is refused. */
function refusal(
  header: Uint8Array | string | Record<string, unknown>,
  payloadBytes = JPEG_BYTES,
): string {
  const isText = typeof header === "string";
  const frame =
    header instanceof Uint8Array ? header : Buffer.from(isText ? header : JSON.stringify(header));
  try {
    parseRequest(frame, bytesOf(payloadBytes));
  } catch (error) {
    expect(error).toBeInstanceOf(RequestError);
    return (error as RequestError).message;
  }
  return "(taken)";
}

const event = (node: string, text: string): Request => ({ kind: "event", node, text });
const image = (node: string, name: string): Request => ({
  kind: "image",
  node,
  name,
  raw: undefined,
});

const unlabelled = (node: string): Request => ({ kind: "unlabelled", node });

describe("parseRequest tells by the text", () => {
  test.each<[text: string, request: Request]>([
    // Fewer than two fields: a test image of imagenode's, or a sender that gives its name alone.
    ["ROI", { kind: "test" }],
    [" Mean Pixel Value ", { kind: "test" }],
    ["roi", unlabelled("roi")],
    ["rpi-cam 2\n", unlabelled("rpi-cam 2")],
    ["", unlabelled("")],
    ["  ", unlabelled("")],
    ["jpg", unlabelled("jpg")],
    // Heartbeats.
    ["Barn|Heartbeat", { kind: "heartbeat", node: "Barn" }],
    ["Barn|heartbeat", { kind: "heartbeat", node: "Barn" }],
    ["Barn| HEARTBEAT \t", { kind: "heartbeat", node: "Barn" }],
    ["Barn|Heartbeat|more|of it", { kind: "heartbeat", node: "Barn" }],
    [" Barn Door |Heartbeat", { kind: "heartbeat", node: "Barn Door" }],
    // Images.
    ["Barn Door|jpg|moving", image("Barn Door", "Barn-Door")],
    ["Barn Door|image|moving", image("Barn Door", "Barn-Door")],
    ["Barn|jpg", image("Barn", "Barn")],
    ["Barn|JPG|", image("Barn", "Barn")],
    ["Barn| Image |x|y|z", image("Barn", "Barn")],
    ["|jpg|", image("", "unnamed")],
    ["../../x|jpg|", image("../../x", "__-..-x")],
    // Everything else is an event, also where the first letter is that of another type.
    ["Garage|Temp|76 F", event("Garage", "Garage|Temp|76 F")],
    [
      "Driveway|Restart|rpi20|RPi|192.168.86.52|875|738.71",
      event("Driveway", "Driveway|Restart|rpi20|RPi|192.168.86.52|875|738.71"),
    ],
    ["Cam|intruder|x", event("Cam", "Cam|intruder|x")],
    ["Attic|Humidity|40 %", event("Attic", "Attic|Humidity|40 %")],
    ["Cam|jpeg|x", event("Cam", "Cam|jpeg|x")],
    ["Cam|i", event("Cam", "Cam|i")],
    ["Cam|j", event("Cam", "Cam|j")],
    ["Cam|H", event("Cam", "Cam|H")],
    ["Cam|jpg.|x", event("Cam", "Cam|jpg.|x")],
    ["Cam|images", event("Cam", "Cam|images")],
    ["Cam|Heart beat", event("Cam", "Cam|Heart beat")],
    ["Barn|", event("Barn", "Barn|")],
    ["Barn||jpg", event("Barn", "Barn||jpg")],
    ["|", event("", "|")],
    ["Küche|Temp|21 °C", event("Küche", "Küche|Temp|21 °C")],
    // Cyrillic letters that look like "jpg" are not.
    ["Cam|jрg|x", event("Cam", "Cam|jрg|x")],
    // A dotless i, whose upper case is I, is not the i of "image".
    ["Cam|ımage|x", event("Cam", "Cam|ımage|x")],
  ])("%j", (text, request) => {
    expect(parseText(text)).toEqual(request);
  });
});

test("parseRequest keeps an event on one line when its text breaks lines or drives terminals", () => {
  const forged = "Cam|note|x\r\n2021-01-01 00:00:00,000 ~ Safe|Alarm|off";
  expect(parseText(forged)).toEqual(
    event("Cam", "Cam|note|x  2021-01-01 00:00:00,000 ~ Safe|Alarm|off"),
  );
  const breaks = [
    "\n",
    "\r",
    "\v",
    "\f",
    "\0",
    "\u001B",
    "\u007F",
    "\u0085",
    "\u009B",
    "\u2028",
    "\u2029",
  ];
  for (const character of breaks) {
    expect(parseText(`A${character}B|note|x${character}y`)).toEqual(event("A B", "A B|note|x y"));
  }
});

test("parseRequest makes text of half a surrogate pair, which no file can hold", () => {
  const header = Buffer.from(String.raw`{"msg": "Cam\ud800|note|\udc00x"}`);
  expect(parseRequest(header, bytesOf(1))).toEqual(event("Cam\uFFFD", "Cam\uFFFD|note|\uFFFDx"));
  const jpg = Buffer.from(String.raw`{"msg": "Cam\ud800|jpg|"}`);
  expect(parseRequest(jpg, bytesOf(1))).toEqual(image("Cam\uFFFD", "Cam\uFFFD"));
});

describe("parseRequest takes an event up to its bound in bytes", () => {
  // How many bytes the last characters have, and so how much stands before them.
  test.each([
    ["of ASCII", "x"],
    ["that ends with a character of 2 bytes", "ü"],
    ["that ends with a character of 3 bytes", "€"],
    ["that ends with a character of 4 bytes", "🐄"],
  ])("%s", (_, last) => {
    const longest = `Cam|note|${"x".repeat(TEXT_BYTES_MAX - 9 - Buffer.byteLength(last))}${last}`;
    expect(Buffer.byteLength(longest)).toBe(TEXT_BYTES_MAX);
    expect(parseText(longest)).toEqual(event("Cam", longest));
    const reason = `the text is longer than ${TEXT_BYTES_MAX} bytes`;
    expect(refusal({ msg: `x${longest}` })).toBe(reason);
    expect(refusal({ msg: `${longest}${last}` })).toBe(reason);
  });

  test("of many characters of 3 bytes", () => {
    const text = `Cam|note|${"€".repeat(1362)}`;
    expect(Buffer.byteLength(text)).toBe(TEXT_BYTES_MAX - 1);
    expect(parseText(text)).toEqual(event("Cam", text));
    expect(refusal({ msg: `${text}€` })).toBe(`the text is longer than ${TEXT_BYTES_MAX} bytes`);
  });

  test("counted as it is stored", () => {
    // U+2028 is 3 bytes, and the space in its place is one.
    const text = `Cam|note|${"\u2028".repeat(TEXT_BYTES_MAX - 9)}`;
    expect(parseText(text)).toEqual(event("Cam", `Cam|note|${" ".repeat(TEXT_BYTES_MAX - 9)}`));
  });
});

test("parseRequest bounds the node of a text of 64 KiB", () => {
  const long = "ü".repeat(30_000);
  for (const type of ["jpg", "image", "Heartbeat"]) {
    const request = parseText(`${long}|${type}|`);
    const { node, name } = { name: "", ...request } as { node: string; name: string };
    expect(Buffer.byteLength(node)).toBeLessThanOrEqual(255);
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
  }
  expect(parseText("x".repeat(60_000))).toEqual(unlabelled("x".repeat(224)));
});

describe("parseRequest refuses", () => {
  test.each<[what: string, header: string | Uint8Array, reason: string]>([
    ["an empty frame", "", "frame 1 is not JSON in UTF-8"],
    ["plain text", "Barn|jpg|", "frame 1 is not JSON in UTF-8"],
    ["half an object", '{"msg": "Barn|jpg|"', "frame 1 is not JSON in UTF-8"],
    ["two objects", '{"msg": "a|b"}{"msg": "a|b"}', "frame 1 is not JSON in UTF-8"],
    ["the NaN that Python writes", '{"msg": "a|b", "x": NaN}', "frame 1 is not JSON in UTF-8"],
    ["a NUL behind", '{"msg": "a|b"}\0', "frame 1 is not JSON in UTF-8"],
    ["a line break within a string", '{"msg": "a|\n"}', "frame 1 is not JSON in UTF-8"],
    ["UTF-16", Buffer.from('{"msg": "a|b"}', "utf16le"), "frame 1 is not JSON in UTF-8"],
    ["ISO 8859-1", Buffer.from('{"msg": "Küche|b"}', "latin1"), "frame 1 is not JSON in UTF-8"],
    ["an overlong slash", bytes('{"msg": "a|', [0xc0, 0xaf], '"}'), "frame 1 is not JSON in UTF-8"],
    [
      "a surrogate in UTF-8",
      bytes('{"msg": "a|', [0xed, 0xa0, 0x80], '"}'),
      "frame 1 is not JSON in UTF-8",
    ],
    ["an array", '["a|b"]', "frame 1 is not a JSON object"],
    ["a string", '"a|b"', "frame 1 is not a JSON object"],
    ["a number", "1", "frame 1 is not a JSON object"],
    ["null", "null", "frame 1 is not a JSON object"],
    ["an object without msg", "{}", "frame 1 has no msg"],
    ["msg in other letters", '{"Msg": "a|b"}', "frame 1 has no msg"],
    ["msg one level down", '{"a": {"msg": "a|b"}}', "frame 1 has no msg"],
    ["msg in __proto__", '{"__proto__": {"msg": "a|b"}}', "frame 1 has no msg"],
    ["msg null", '{"msg": null}', "msg in frame 1 is not a string"],
    ["msg a number", '{"msg": 5}', "msg in frame 1 is not a string"],
    ["msg a list", '{"msg": ["a|b"]}', "msg in frame 1 is not a string"],
    ["msg an object", '{"msg": {"length": 3}}', "msg in frame 1 is not a string"],
  ])("%s", (_, header, reason) => {
    expect(refusal(header)).toBe(reason);
  });

  test.each<[what: string, fields: Record<string, unknown>, bytes: number, reason: string]>([
    ["a shape without dtype", { shape: [2, 2] }, 4, "dtype in frame 1 is not a string"],
    [
      "a dtype that is a number",
      { dtype: 8, shape: [2, 2] },
      4,
      "dtype in frame 1 is not a string",
    ],
    ["a dtype that is null", { dtype: null, shape: [2, 2] }, 4, "dtype in frame 1 is not a string"],
    ["a dtype without shape", { dtype: "uint8" }, 4, NO_SHAPE],
    ["a shape that is null", { dtype: "uint8", shape: null }, 4, NO_SHAPE],
    ["a shape that is a number", { dtype: "uint8", shape: 4 }, 4, NO_SHAPE],
    ["a shape that is a text", { dtype: "uint8", shape: "22" }, 4, NO_SHAPE],
    ["a shape like a list", { dtype: "uint8", shape: { 0: 2, 1: 2, length: 2 } }, 4, NO_SHAPE],
    ["a side below zero", { dtype: "uint8", shape: [-2, -2] }, 4, NO_SHAPE],
    ["a broken side", { dtype: "uint8", shape: [2.5, 4] }, 10, NO_SHAPE],
    ["a side as text", { dtype: "uint8", shape: ["2", 2] }, 4, NO_SHAPE],
    ["a side as list", { dtype: "uint8", shape: [[2], 2] }, 4, NO_SHAPE],
    ["a side that is true", { dtype: "uint8", shape: [true, 4] }, 4, NO_SHAPE],
    ["a side that is null", { dtype: "uint8", shape: [null, 4] }, 0, NO_SHAPE],
    ["a side beyond the whole numbers", { dtype: "uint8", shape: [2 ** 53, 1] }, 4, NO_SHAPE],
    [
      "too few bytes",
      { dtype: "uint8", shape: [10, 10, 3] },
      299,
      "frame 2 has 299 bytes, uint8 of shape [10,10,3] takes 300",
    ],
    [
      "too many bytes",
      { dtype: "uint8", shape: [10, 10, 3] },
      301,
      "frame 2 has 301 bytes, uint8 of shape [10,10,3] takes 300",
    ],
    [
      "wider numbers than there are bytes",
      { dtype: "float32", shape: [5, 5] },
      25,
      "frame 2 has 25 bytes, float32 of shape [5,5] takes 100",
    ],
    [
      "an array and no bytes",
      { dtype: "uint8", shape: [2, 2] },
      0,
      "frame 2 has 0 bytes, uint8 of shape [2,2] takes 4",
    ],
    [
      "a number of items beyond 2^53",
      { dtype: "uint8", shape: [1e9, 1e9, 3] },
      300,
      "frame 2 has 300 bytes, uint8 of shape [1000000000,1000000000,3] takes 3000000000000000000",
    ],
    [
      "a number of items that is 0 modulo 2^64",
      { dtype: "uint8", shape: [2 ** 32, 2 ** 32] },
      0,
      "frame 2 has 0 bytes, uint8 of shape [4294967296,4294967296] takes 18446744073709552000",
    ],
  ])("%s", (_, fields, payloadBytes, reason) => {
    // For every kind of text: an array that does not fit tells that sender and hub do not mean the
    // same.
    for (const msg of ["Barn|image|", "Barn|jpg|", "Barn|Temp|1", "Barn|Heartbeat", "ROI"]) {
      expect(refusal({ msg, ...fields }, payloadBytes)).toBe(reason);
    }
  });

  test("a number of items beyond all numbers", () => {
    const shape = Array.from({ length: 30 }, () => 2 ** 52);
    expect(refusal({ msg: "Barn|image|", dtype: "uint8", shape })).toStartWith(
      "frame 2 has 5000 bytes, uint8",
    );
    expect(refusal({ msg: "Barn|image|", dtype: "uint8", shape: [...shape, 0] }, 0)).toStartWith(
      "frame 2 has 0",
    );
  });

  test.each<[what: string, fields: Record<string, unknown>, bytes: number, reason: string]>([
    ["float32", { dtype: "float32", shape: [2, 2] }, 16, wrongDtype("float32")],
    ["int8", { dtype: "int8", shape: [2, 2] }, 4, wrongDtype("int8")],
    ["int16", { dtype: "int16", shape: [2, 2] }, 8, wrongDtype("int16")],
    ["uint32", { dtype: "<u4", shape: [2, 2] }, 16, wrongDtype("<u4")],
    ["characters", { dtype: "b", shape: [2, 2] }, 4, wrongDtype("b")],
    ["two byte orders", { dtype: "<>u2", shape: [2, 2] }, 8, wrongDtype("<>u2")],
    ["objects", { dtype: "object", shape: [2, 2] }, 4, wrongDtype("object")],
    ["an unknown dtype", { dtype: "x\ny", shape: [2, 2] }, 4, wrongDtype("x y")],
    [
      "a dtype that is long",
      { dtype: "z".repeat(9000), shape: [2, 2] },
      4,
      wrongDtype("z".repeat(40)),
    ],
    ["a number", { dtype: "uint8", shape: [] }, 1, wrongShape("")],
    ["a row", { dtype: "uint8", shape: [300] }, 300, wrongShape("300")],
    ["two channels", { dtype: "uint8", shape: [10, 10, 2] }, 200, wrongShape("10,10,2")],
    ["five channels", { dtype: "uint8", shape: [10, 10, 5] }, 500, wrongShape("10,10,5")],
    [
      "depth with two channels",
      { dtype: "uint16", shape: [10, 10, 2] },
      400,
      wrongShape("10,10,2"),
    ],
    [
      "no channel",
      { dtype: "uint8", shape: [10, 10, 0] },
      0,
      "frame 2 is empty, an image was expected",
    ],
    ["channels first", { dtype: "uint8", shape: [3, 10, 10] }, 300, wrongShape("3,10,10")],
    ["four dimensions", { dtype: "uint8", shape: [1, 10, 10, 3] }, 300, wrongShape("1,10,10,3")],
    [
      "more height than a PNG is given",
      { dtype: "<u2", shape: [65_501, 1] },
      131_002,
      wrongSize("1 x 65501"),
    ],
    [
      "no height",
      { dtype: "uint8", shape: [0, 10, 3] },
      0,
      "frame 2 is empty, an image was expected",
    ],
    [
      "more height than a JPEG has",
      { dtype: "uint8", shape: [65_501, 1] },
      65_501,
      wrongSize("1 x 65501"),
    ],
    [
      "more width than a JPEG has",
      { dtype: "uint8", shape: [1, 65_501] },
      65_501,
      wrongSize("65501 x 1"),
    ],
    ["dtype U1, which is text", { dtype: "<U1", shape: [0, 10] }, 1, wrongDtype("<U1")],
    [
      "sides of 0 where the bytes do not count",
      { dtype: "|V0", shape: [0, 10] },
      1,
      wrongDtype("|V0"),
    ],
  ])("an image of %s", (_, fields, payloadBytes, reason) => {
    expect(refusal({ msg: "Barn|image|", ...fields }, payloadBytes)).toBe(reason);
    expect(refusal({ msg: "Barn|jpg|", ...fields }, payloadBytes)).toBe(reason);
  });

  test("an image without bytes", () => {
    expect(refusal({ msg: "Barn|jpg|" }, 0)).toBe("frame 2 is empty, an image was expected");
    expect(parse({ msg: "Barn|Temp|1" }, 0)).toEqual(event("Barn", "Barn|Temp|1"));
    expect(parse({ msg: "Barn|Heartbeat" }, 0)).toMatchObject({ kind: "heartbeat" });
    expect(parse({ msg: "ROI" }, 0)).toEqual({ kind: "test" });
    expect(parse({ msg: "rpi-cam" }, 0)).toEqual(unlabelled("rpi-cam"));
  });

  test("with a short reason on one line when what was sent is long", () => {
    const shape = Array.from({ length: 20_000 }, () => 1);
    for (const fields of [
      { dtype: "uint8", shape },
      { dtype: "uint8", shape: [...shape, JPEG_BYTES] },
    ]) {
      const reason = refusal({ msg: "Barn|image|", ...fields });
      expect(reason).not.toBe("(taken)");
      expect(reason.length).toBeLessThanOrEqual(200);
      expect(reason).not.toMatch(/\p{Cc}/u);
    }
  });
});

describe("parseRequest takes an array of", () => {
  test.each<[dtype: string, itemBytes: number]>([
    ["uint8", 1],
    ["int8", 1],
    ["bool", 1],
    ["uint16", 2],
    ["int16", 2],
    ["float16", 2],
    ["uint32", 4],
    ["int32", 4],
    ["float32", 4],
    ["uint64", 8],
    ["int64", 8],
    ["float64", 8],
    ["complex64", 8],
    ["complex128", 16],
    ["float128", 16],
    ["complex256", 32],
    ["|u1", 1],
    ["<u2", 2],
    [">i4", 4],
    ["=f8", 8],
    [">c16", 16],
  ])("%s with an event when the bytes fit", (dtype, itemBytes) => {
    const fields = { msg: "Barn|Temp|1", dtype, shape: [3, 5] };
    expect(parse(fields, 15 * itemBytes)).toEqual(event("Barn", "Barn|Temp|1"));
    expect(refusal(fields, 15 * itemBytes + 1)).toBe(
      `frame 2 has ${15 * itemBytes + 1} bytes, ${dtype} of shape [3,5] takes ${15 * itemBytes}`,
    );
  });

  test.each([
    "object",
    "<U7",
    "|S5",
    "datetime64[ns]",
    "<M8[us]",
    "[('a', '<i4'), ('b', 'u1')]",
    "",
    "🐄",
  ])("%j with an event whatever the bytes are", (dtype) => {
    const fields = { msg: "Barn|Temp|1", dtype, shape: [3, 5] };
    expect(parse(fields, 77)).toEqual(event("Barn", "Barn|Temp|1"));
    expect(parse(fields, 0)).toEqual(event("Barn", "Barn|Temp|1"));
  });

  test("no item or no dimension with an event", () => {
    expect(parse({ msg: "Barn|Temp|1", dtype: "uint8", shape: [0, 3] }, 0)).toMatchObject({
      kind: "event",
    });
    expect(parse({ msg: "Barn|Temp|1", dtype: "float64", shape: [] }, 8)).toMatchObject({
      kind: "event",
    });
  });

  test.each<[what: string, shape: number[], picture: Omit<RawArray, "item">]>([
    ["gray", [480, 640], { height: 480, width: 640, channels: 1 }],
    ["gray with its channel", [480, 640, 1], { height: 480, width: 640, channels: 1 }],
    ["BGR", [480, 640, 3], { height: 480, width: 640, channels: 3 }],
    ["BGRA", [480, 640, 4], { height: 480, width: 640, channels: 4 }],
    ["one pixel", [1, 1, 3], { height: 1, width: 1, channels: 3 }],
    ["three columns of gray", [480, 3], { height: 480, width: 3, channels: 1 }],
    ["one column of gray", [480, 1], { height: 480, width: 1, channels: 1 }],
    ["the largest side of a JPEG", [65_500, 1], { height: 65_500, width: 1, channels: 1 }],
  ])("%s as an image", (_, shape, picture) => {
    const items = picture.height * picture.width * picture.channels;
    // All that numpy.dtype() takes for these three.
    const dtypes: Record<RawArray["item"], string> = {
      uint8: "uint8 ubyte u1 B |u1 <u1 >u1 =u1 |B <B >B =B",
      bool: "bool bool_ b1 ? |b1 <b1 |? <?",
      uint16: "uint16 ushort u2 H <u2 =u2 |u2 <H =H",
      uint16be: ">u2 >H",
    };
    for (const [item, names] of Object.entries(dtypes)) {
      for (const dtype of names.split(" ")) {
        for (const msg of ["Barn Door|image|moving", "Barn Door|jpg|moving"]) {
          const size = item.startsWith("uint16") ? items * 2 : items;
          expect([dtype, parse({ msg, dtype, shape }, size)]).toEqual([
            dtype,
            { ...image("Barn Door", "Barn-Door"), raw: { ...picture, item } } as Request,
          ]);
          expect(refusal({ msg, dtype, shape }, size + 1)).toStartWith(
            `frame 2 has ${size + 1} bytes`,
          );
        }
      }
    }
  });
});

describe("parseRequest takes for a JPEG file", () => {
  const parseJpeg = (fields: Record<string, unknown>): Request =>
    parseRequest(Buffer.from(JSON.stringify(fields)), jpegOf(JPEG_BYTES));

  test.each<[what: string, header: Record<string, unknown>]>([
    ["what cv2.imencode gives", { dtype: "uint8", shape: [JPEG_BYTES, 1] }],
    ["what later versions of it give", { dtype: "uint8", shape: [JPEG_BYTES] }],
    ["other bytes", { dtype: "int8", shape: [JPEG_BYTES] }],
  ])("%s, whatever the type", (_, header) => {
    for (const type of ["jpg", "image", " JPG "]) {
      expect(parseJpeg({ msg: `Barn|${type}|`, ...header })).toEqual(image("Barn", "Barn"));
    }
  });

  test.each<[what: string, header: Record<string, unknown>]>([
    ["the shape of what was encoded", { dtype: "uint8", shape: [480, 640, 3] }],
    ["no shape", { dtype: "uint8" }],
    ["no dtype", { shape: [480, 640, 3] }],
    ["nothing that is right", { dtype: 5, shape: "480x640" }],
  ])("a payload that is one, with the type jpg and a header of %s", (_, header) => {
    expect(parseJpeg({ msg: "Barn|jpg|", ...header })).toEqual(image("Barn", "Barn"));
    expect(() => parseJpeg({ msg: "Barn|image|", ...header })).toThrow(RequestError);
  });

  test.each([
    [[10, 10, 3], { height: 10, width: 10, channels: 3 }],
    [[1, 300], { height: 1, width: 300, channels: 1 }],
  ])("no array of type image whose first pixel is of that colour: %j", (shape, raw) => {
    const fields = { msg: "Barn|image|", dtype: "uint8", shape };
    expect(parseRequest(Buffer.from(JSON.stringify(fields)), jpegOf(300))).toMatchObject({ raw });
  });

  test.each([
    {},
    { dtype: null },
    { shape: null },
    { dtype: null, shape: null },
    { dtype: "", shape: "" },
  ])("any bytes with %j in the header, which speaks of no array", (fields) => {
    for (const type of ["jpg", "image"]) {
      expect(parse({ msg: `Barn|${type}|`, ...fields })).toEqual(image("Barn", "Barn"));
    }
    expect(parse({ msg: "Barn|Temp|1", ...fields })).toEqual(event("Barn", "Barn|Temp|1"));
  });
});

/** Parses a header with these fields where unlabelled images are stored. */
function parseBy(fields: Record<string, unknown>, payload: Payload): Request {
  return parseRequest(Buffer.from(JSON.stringify(fields)), payload, STORE);
}

describe("parseRequest with unlabelled: store", () => {
  test.each<[msg: string, node: string, name: string]>([
    ["rpi-cam", "rpi-cam", "rpi-cam"],
    [" Front Door\r\n", "Front Door", "Front-Door"],
    ["../../x", "../../x", "__-..-x"],
    ["", "", "unnamed"],
    ["ROI", "ROI", "ROI"],
    ["x".repeat(300), "x".repeat(100), "x".repeat(100)],
  ])("keeps an image under its text, %j", (msg, node, name) => {
    expect(parseBy({ msg }, jpegOf(JPEG_BYTES))).toEqual(image(node, name));
  });

  test("tells arrays and files by header and payload", () => {
    const raw = { dtype: "uint8", shape: [10, 10, 3] };
    const array = { height: 10, width: 10, channels: 3, item: "uint8" };
    for (const payload of [bytesOf(300), jpegOf(300)]) {
      expect(parseBy({ msg: "cam", ...raw }, payload)).toMatchObject({ name: "cam", raw: array });
    }
    const encoded = { dtype: "uint8", shape: [JPEG_BYTES, 1] };
    expect(parseBy({ msg: "cam", ...encoded }, jpegOf(JPEG_BYTES))).toEqual(image("cam", "cam"));
    expect(parseBy({ msg: "cam", dtype: "", shape: "" }, jpegOf(9))).toEqual(image("cam", "cam"));
  });

  test("refuses what is neither", () => {
    const neither = "frame 2 is neither a JPEG file nor an array, and the text has no type";
    expect(() => parseBy({ msg: "cam" }, bytesOf(9))).toThrow(neither);
    expect(() => parseBy({ msg: "cam" }, bytesOf(0))).toThrow(
      "frame 2 is empty, an image was expected",
    );
    expect(() => parseBy({ msg: "cam", dtype: "float32", shape: [3, 3] }, bytesOf(36))).toThrow(
      wrongDtype("float32"),
    );
  });

  test("leaves the others as they are", () => {
    expect(parseBy({ msg: "cam|Heartbeat" }, bytesOf(9))).toEqual({
      kind: "heartbeat",
      node: "cam",
    });
    expect(parseBy({ msg: "cam|Temp|1" }, bytesOf(9))).toEqual(event("cam", "cam|Temp|1"));
    expect(parseBy({ msg: "cam|jpg|" }, bytesOf(9))).toEqual(image("cam", "cam"));
  });
});

describe("parseRequest takes a header", () => {
  test("with further fields, with fields in any order, and with blanks", () => {
    const header =
      ' \n{"fps": 30, "shape": [1, 2], "dtype": "uint8", "msg": "Barn|Temp|1", "nested": {"a": [1]}}\t';
    expect(parseRequest(Buffer.from(header), bytesOf(2))).toEqual(event("Barn", "Barn|Temp|1"));
  });

  test("whose keys are those of every object", () => {
    const header =
      '{"__proto__": {"dtype": 5}, "constructor": 1, "toString": 2, "msg": "Barn|Temp|1"}';
    expect(parseRequest(Buffer.from(header), bytesOf(2))).toEqual(event("Barn", "Barn|Temp|1"));
    expect(({} as Record<string, unknown>)["dtype"]).toBeUndefined();
  });

  test("that says a thing twice by what it says last, as Python does", () => {
    expect(parseRequest(Buffer.from('{"msg": 5, "msg": "Barn|Temp|1"}'), bytesOf(2))).toMatchObject(
      {
        kind: "event",
      },
    );
  });

  test("with a byte order mark", () => {
    expect(parseRequest(Buffer.from('\uFEFF{"msg": "Barn|Temp|1"}'), bytesOf(2))).toMatchObject({
      kind: "event",
    });
  });

  test("nested as deep as fits or refuses it", () => {
    const depth = 30_000;
    const nested = `{"msg": "Barn|Temp|1", "x": ${"[".repeat(depth)}${"]".repeat(depth)}}`;
    expect(["(taken)", "frame 1 is not JSON in UTF-8"]).toContain(refusal(nested));
    expect(refusal("[".repeat(65_536))).toBe("frame 1 is not JSON in UTF-8");
    expect(refusal('{"a":'.repeat(13_000))).toBe("frame 1 is not JSON in UTF-8");
  });

  test("that is part of a larger buffer", () => {
    const whole = Buffer.from('xx{"msg": "Barn|Temp|1"}}}');
    expect(parseRequest(whole.subarray(2, -2), bytesOf(2))).toEqual(event("Barn", "Barn|Temp|1"));
  });
});

test("parseRequest only ever throws a RequestError when bytes are random or mutated", () => {
  const good = Buffer.from(
    '{"msg": "Barn Door|image|moving", "dtype": "uint8", "shape": [480, 640, 3]}',
  );
  let state = 20_261_122;
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.floor((state / 2 ** 31) * below);
  };
  for (let round = 0; round < 20_000; round++) {
    const header = round % 4 === 0 ? Buffer.alloc(random(60)) : Buffer.from(good);
    const changes = round % 4 === 0 ? header.length : 1 + random(4);
    for (let change = 0; change < changes; change++) header[random(header.length)] = random(256);
    try {
      parseRequest(header, bytesOf(480 * 640 * 3));
    } catch (error) {
      if (!(error instanceof RequestError)) {
        throw new Error(`At ${header.toString("hex")}`, { cause: error });
      }
    }
  }
});

const PAYLOAD_BYTES_MAX = 5000;
const newReader = (rules: Partial<RequestRules> = {}): RequestReader =>
  new RequestReader({
    textBytesMax: 100,
    nameBytesMax: 100,
    payloadBytesMax: PAYLOAD_BYTES_MAX,
    unlabelled: "ignore",
    ...rules,
  });

/** Bytes whose first may not be looked at. */
const unseen = (size: number): Payload => ({
  size,
  get isJpeg(): boolean {
    throw new Error("It was looked at");
  },
});

function read(reader: RequestReader, header: string, payload: number | Payload): Request {
  const whole = Buffer.from(`${header}what an earlier request left`);
  const frame = typeof payload === "number" ? unseen(payload) : payload;
  return reader.read(whole, Buffer.byteLength(header), frame);
}

describe("RequestReader", () => {
  test("refuses a frame 2 that is too long, also where it knows the header", () => {
    const reader = newReader();
    const header = JSON.stringify({ msg: "Barn|jpg|" });
    expect(read(reader, header, PAYLOAD_BYTES_MAX)).toMatchObject({ kind: "image" });
    expect(() => read(reader, header, PAYLOAD_BYTES_MAX + 1)).toThrow(
      "frame 2 has 5001 bytes, more than 5000 (max_message_bytes)",
    );
  });

  const jpg = JSON.stringify({ msg: "Barn Döör|jpg|moving" });
  const raw = JSON.stringify({ msg: "Barn|image|x", dtype: "uint8", shape: [2, 3, 3] });
  const encoded = JSON.stringify({ msg: "Barn|jpg|x", dtype: "uint8", shape: [18, 1] });

  test("gives what parseRequest gives, the first time and when it comes again", () => {
    const reader = newReader();
    for (const header of [
      jpg,
      raw,
      '{"msg": "Barn|Heartbeat"}',
      '{"msg": "ROI"}',
      '{"msg": "Barn|Temp|1"}',
    ]) {
      const wanted = parseRequest(Buffer.from(header), bytesOf(18));
      expect([read(reader, header, 18), read(reader, header, 18)]).toEqual([wanted, wanted]);
    }
  });

  test("takes a JPEG of any length but none, also when it has been remembered", () => {
    const reader = newReader();
    const first = read(reader, jpg, 10);
    expect(read(reader, jpg, 5000)).toBe(first);
    expect(() => read(reader, jpg, 0)).toThrow("frame 2 is empty, an image was expected");
  });

  test("looks anew whether an array has the bytes of its shape", () => {
    const reader = newReader();
    read(reader, raw, 18);
    expect(() => read(reader, raw, 17)).toThrow(
      "frame 2 has 17 bytes, uint8 of shape [2,3,3] takes 18",
    );
    expect(read(reader, raw, 18)).toMatchObject({ kind: "image" });
  });

  // Where the reader remembers only that the bytes fit, the second of each is taken for what the
  // first was.
  test("looks anew whether an array is the bytes of a JPEG", () => {
    const reader = newReader();
    for (let round = 0; round < 2; round++) {
      expect(read(reader, encoded, jpegOf(18))).toEqual(image("Barn", "Barn"));
      expect(read(reader, encoded, bytesOf(18))).toMatchObject({ raw: { height: 18, width: 1 } });
    }
    expect(read(reader, encoded, jpegOf(20))).toEqual(image("Barn", "Barn"));
    expect(() => read(reader, encoded, bytesOf(20))).toThrow("frame 2 has 20 bytes");
  });

  test("looks anew whether an unlabelled image is a JPEG", () => {
    const reader = newReader({ unlabelled: "store" });
    const first = read(reader, '{"msg": "cam"}', jpegOf(18));
    expect(read(reader, '{"msg": "cam"}', jpegOf(500))).toBe(first);
    expect(() => read(reader, '{"msg": "cam"}', bytesOf(18))).toThrow("frame 2 is neither");
    expect(read(reader, '{"msg": "cam"}', jpegOf(18))).toBe(first);
  });

  test("refuses again what was refused", () => {
    const reader = newReader();
    for (const _ of [1, 2]) expect(() => read(reader, '{"msg": 5}', 1)).toThrow(RequestError);
  });

  test("reads on when more have come than it remembers", () => {
    const reader = newReader();
    for (let camera = 0; camera < 2500; camera++) {
      const header = JSON.stringify({ msg: `Camera ${camera}|jpg|` });
      expect(read(reader, header, 1)).toEqual(image(`Camera ${camera}`, `Camera-${camera}`));
    }
    expect(read(reader, jpg, 1)).toEqual(image("Barn Döör", "Barn-Döör"));
  });
});
