/**
 * The hub end to end: senders that put on the wire what imagezmq does, and then a look at the
 * files, from source and as the executables that people copy to a machine.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { lacks, PARTS, PROGRAMS, type Program } from "../../scripts/lib/available.ts";
import { get, httpOf, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { startHub, type Hub } from "../support/hub/hub.ts";
import {
  patternPixel,
  readJournal,
  Sender,
  type JournalEntry,
  type LoadTotals,
  type RandomArray,
  type RawImage,
} from "../support/peers/sender.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";

// Only so that nothing hangs for ever: an emulated hub takes seconds to start, and some tests start
// two.
setDefaultTimeout(120_000);

const FIXTURES = join(import.meta.dir, "../fixtures");
const BARN = join(FIXTURES, "Barn-2021-04-19T23.43.20.867255.jpg");

/** The name of an image: node and view, then the time of reception in ISO form with `.` for `:`. */
const IMAGE_NAME =
  /^(?<node>[^.].*)-(?<date>\d{4}-\d\d-\d\d)T\d\d\.\d\d\.\d\d\.\d{6}\.(?:jpg|png)$/u;
/** A line of the event log: local time, text. */
const LOG_LINE = /^(?<date>\d{4}-\d\d-\d\d) \d\d:\d\d:\d\d,\d{3} ~ (?<text>.*)$/u;
const CAP_NOTICE = "Max images written. Writing stopped.";

function sha256(bytes: Uint8Array): string {
  return Bun.SHA256.hash(bytes, "hex");
}

/**
 * The texts of the event log in order; each line is of the form that readers parse, and of today.
 */
function logTexts(hub: Hub): string[] {
  return hub.log().map((line) => {
    expect(line).toMatch(LOG_LINE);
    const { date, text } = LOG_LINE.exec(line)?.groups ?? {};
    expect(date).toBe(hub.today());
    return text ?? "";
  });
}

/** The events in the log: the hub's own notices hold no `|`. */
function events(hub: Hub): string[] {
  return logTexts(hub).filter((text) => text.includes("|"));
}

/**
 * The nodes of all images in the order of their names; each stands in today's folder under a name
 * of the right form.
 */
function storedNodes(hub: Hub): string[] {
  return hub.images().map((image) => {
    expect(image.name).toMatch(IMAGE_NAME);
    const { node, date } = IMAGE_NAME.exec(image.name)?.groups ?? {};
    expect([image.folder, date]).toEqual([hub.today(), hub.today()]);
    return node ?? "";
  });
}

const programsHere = PROGRAMS.map((program) => ({
  program,
  isMissing: lacks("python", ...PARTS[program]),
}));

for (const { program, isMissing } of programsHere) {
  describe.skipIf(isMissing)(`hub (${program}) with a sender as imagezmq's`, () => {
    receives(program);
  });
}

function receives(program: Program): void {
  test("stores a JPEG byte for byte under the name of its node, view and time", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    const sent = [
      { text: "Barn|jpg|moving", node: "Barn", file: BARN },
      {
        text: "Driveway Mailbox|jpg|still",
        node: "Driveway-Mailbox",
        file: join(FIXTURES, "Driveway-Mailbox-2021-09-23T16.58.47.490303.jpg"),
      },
      {
        text: " Grapes | JPG ",
        node: "Grapes",
        file: join(FIXTURES, "Grapes-2021-09-15T07.16.03.793690.jpg"),
      },
    ];
    for (const { text, file } of sent) {
      const reply = await sender.jpg(text, { file });
      expect(reply.frames.map(String)).toEqual(["OK"]);
    }
    expect(storedNodes(hub).toSorted()).toEqual(sent.map(({ node }) => node));
    for (const { node, file } of sent) {
      const image = hub.images().find(({ name }) => name.startsWith(`${node}-`));
      expect(image?.bytes.equals(readFileSync(file))).toBe(true);
    }
    expect(events(hub)).toEqual([]);
  });

  test.each<RawImage>([
    { kind: "bgr", height: 480, width: 640, seed: 100 },
    // Rows whose bytes are no multiple of four.
    { kind: "bgr", height: 101, width: 163, seed: 20 },
    { kind: "gray", height: 480, width: 640 },
    { kind: "gray", height: 75, width: 101 },
    { kind: "sliced", height: 120, width: 163, seed: 60 },
    { kind: "bgra", height: 101, width: 163, seed: 20 },
    { kind: "bool", height: 64, width: 97 },
  ])("stores a raw array as a JPEG of the same picture: $kind $height x $width", async (sent) => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    expect(await sender.raw("Barn Door|image|moving", sent)).toMatchObject({ reply: "OK" });
    expect(storedNodes(hub)).toEqual(["Barn-Door"]);
    const [image] = hub.images();
    const picture = await decode(image?.bytes ?? new Uint8Array());
    expect(picture).toMatchObject({ width: sent.width, height: sent.height });
    expect(largestDifference(picture, sent)).toBeLessThanOrEqual(8);
  });

  test("stores an array of 16 bits as a PNG with every bit of it", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    const sent: readonly RandomArray[] = [
      { dtype: "uint16", shape: [480, 640] },
      { dtype: "<u2", shape: [37, 101, 1] },
      { dtype: ">u2", shape: [101, 37] },
      { dtype: "uint16", spelt: "=u2", shape: [20, 31, 3] },
      { dtype: ">u2", shape: [31, 20, 3] },
      { dtype: "uint16", spelt: "H", shape: [1, 9, 4] },
      { dtype: ">u2", shape: [9, 1, 4] },
    ];
    for (const [seed, array] of sent.entries()) {
      const type = seed % 2 === 0 ? "image" : "jpg";
      const { reply, sha256: hash } = await sender.array(`Depth ${seed}|${type}|`, {
        ...array,
        seed,
      });
      expect([array, reply]).toEqual([array, "OK"]);
      const image = hub.images().find(({ name }) => name.startsWith(`Depth-${seed}-`))!;
      expect(image.name).toMatch(/-\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{6}\.png$/);
      const stored = await sender.png(
        join(hub.dataDir, "images", image.folder, image.name),
        array.dtype,
      );
      const [height, width, channels = 1] = array.shape;
      expect(stored).toEqual({
        shape: [height!, width!, ...(channels === 1 ? [] : [channels])],
        sha256: hash,
      });
    }
    expect(storedNodes(hub)).toHaveLength(sent.length);
  });

  test("refuses an array that is no picture, and says what is one", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    for (const dtype of ["float32", "float64", "int16", "uint32"]) {
      const { reply } = await sender.array("Barn|image|", { dtype, shape: [48, 64] });
      expect(reply).toBe(
        `ERROR an image of dtype ${dtype} cannot be stored, only uint8, bool and uint16`,
      );
    }
    expect(await sender.raw("Barn|image|", { kind: "gray", height: 48, width: 64 })).toMatchObject({
      reply: "OK",
    });
    expect(storedNodes(hub)).toEqual(["Barn"]);
  });

  test("stores a JPEG that was sent as an array byte for byte", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    const shapes = [[-1, 1], [-1]];
    for (const type of ["jpg", "image"]) {
      for (const shape of shapes) {
        expect(await sender.encoded(`Barn|${type}|`, BARN, shape)).toMatchObject({ reply: "OK" });
      }
    }
    expect(await sender.encoded("Barn|jpg|", BARN, [1, -1])).toMatchObject({ reply: "OK" });
    expect(storedHashes(hub)).toEqual(Array.from({ length: 5 }, () => sha256(readFileSync(BARN))));
  });

  test("answers what has no label, keeps none of it, and says so once", async () => {
    await using hub = await startHub({ program, env: WITH_HTTP });
    await using sender = new Sender(hub.port);
    for (let count = 0; count < 10; count += 1) {
      expect(await sender.raw("rpi-cam", { kind: "bgr", height: 48, width: 64 })).toMatchObject({
        reply: "OK",
      });
      expect(await sender.jpg("rpi-cam", { file: BARN })).toMatchObject({ reply: "OK" });
    }
    // What imagenode sends while a camera is set up is no mistake.
    expect(await sender.raw("Grayscale", { kind: "gray", height: 48, width: 64 })).toMatchObject({
      reply: "OK",
    });
    expect(hub.images()).toEqual([]);
    expect(await statusOf(hub)).toMatchObject({ nodes: [], totals: { unlabelled: 20, tests: 1 } });
    const [, metrics] = await get(`${httpOf(hub)}/metrics`);
    expect(metrics).toContain('imagehub_messages_total{kind="unlabelled",outcome="answered"} 20\n');
    expect(await hub.stop()).toBe(0);
    expect(linesWith(hub, " warn ").filter((line) => line.includes("rpi-cam"))).toEqual([
      expect.stringContaining(
        'Messages such as "rpi-cam" are answered OK and not kept: there is no | in the text. ' +
          'Send "rpi-cam|jpg" or "rpi-cam|image", or set unlabelled to store from=127.0.0.1',
      ) as string,
    ]);
    expect(hub.output()).not.toContain("Grayscale");
  });

  test("stores what has no label where that is set", async () => {
    await using hub = await startHub({ program, settings: { hub: { unlabelled: "store" } } });
    await using sender = new Sender(hub.port);
    expect(await sender.jpg("Front Door", { file: BARN })).toMatchObject({ reply: "OK" });
    expect(await sender.encoded("Encoded", BARN, [-1, 1])).toMatchObject({ reply: "OK" });
    expect(await sender.raw("../Raw", { kind: "bgr", height: 48, width: 64 })).toMatchObject({
      reply: "OK",
    });
    expect(await sender.array("Depth", { dtype: "uint16", shape: [48, 64] })).toMatchObject({
      reply: "OK",
    });
    const { reply } = await sender.frames(['{"msg": "Letter"}', "Dear hub"]);
    expect(reply).toBe(
      "ERROR frame 2 is neither a JPEG file nor an array, and the text has no type",
    );
    expect(await sender.event("Garage|Temp|76 F")).toMatchObject({ reply: "OK" });
    expect(storedNodes(hub).toSorted()).toEqual(["Depth", "Encoded", "Front-Door", "__-Raw"]);
    expect(storedHashes(hub).filter((hash) => hash === sha256(readFileSync(BARN)))).toHaveLength(2);
    expect(events(hub)).toEqual(["Garage|Temp|76 F"]);
  });

  test("logs the events of a recorded day in their order", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    const recorded = readFileSync(join(FIXTURES, "imagehub.log.2021-09-23"), "utf8")
      .trimEnd()
      .split("\n");
    const texts = recorded.map((line) => LOG_LINE.exec(line)?.groups?.["text"] ?? "");
    for (const [number, text] of texts.entries()) {
      // Nodes that send raw arrays send the tiny image raw, too.
      const reply = await sender.event(text, number % 2 === 0 ? "jpg" : "raw");
      expect(reply.reply).toBe("OK");
    }
    expect(events(hub)).toEqual(texts);
    expect(hub.images()).toEqual([]);
  });

  test("keeps neither heartbeats nor test images, and answers them", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    expect(await sender.heartbeat("Barn")).toMatchObject({ reply: "OK" });
    expect(await sender.event("Barn| heartbeat ", "raw")).toMatchObject({ reply: "OK" });
    expect(await sender.raw("ROI", { kind: "bgr", height: 48, width: 64 })).toMatchObject({
      reply: "OK",
    });
    expect(await sender.jpg("ROI", { file: BARN })).toMatchObject({ reply: "OK" });
    expect(await sender.event("")).toMatchObject({ reply: "OK" });
    expect(hub.images()).toEqual([]);
    expect(events(hub)).toEqual([]);
  });

  test("takes the whole type of a message, not its first letter, and keeps an event to one line", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    for (const text of ["Cam|intruder|x", "Attic|Humidity|40", "Cam|jpeg|x", "Küche|Temp|21 °C"]) {
      expect(await sender.event(text)).toMatchObject({ reply: "OK" });
    }
    const forged = "Cam|note|x\r\n2021-01-01 00:00:00,000 ~ Safe|Alarm|off";
    expect(await sender.event(forged)).toMatchObject({ reply: "OK" });
    const logged = events(hub);
    expect(logged.slice(0, -1)).toEqual([
      "Cam|intruder|x",
      "Attic|Humidity|40",
      "Cam|jpeg|x",
      "Küche|Temp|21 °C",
    ]);
    expect(logged.at(-1)).toStartWith("Cam|note|x");
    expect(hub.images()).toEqual([]);
  });

  test("answers malformed requests with ERROR and goes on", async () => {
    await using hub = await startHub({ program });
    await using sender = new Sender(hub.port);
    const good = JSON.stringify({ msg: "Barn|jpg|moving" });
    const bytes = new Uint8Array(300);
    const malformed: Record<string, readonly (string | Uint8Array)[]> = {
      "one frame": [good],
      "three frames": [good, "x", "x"],
      "not JSON": ["hello", "x"],
      "nothing as JSON": ["", "x"],
      "not UTF-8": [
        Buffer.concat([Buffer.from('{"msg":"'), Buffer.of(0xff, 0xfe), Buffer.from('"}')]),
        "x",
      ],
      "no object": ["[1]", "x"],
      null: ["null", "x"],
      "no msg": ['{"dtype": "uint8", "shape": [10, 10, 3]}', bytes],
      "msg not a text": ['{"msg": 5}', "x"],
      "too few bytes": [rawHeader({ shape: [10, 10, 3] }), bytes.subarray(1)],
      "too many bytes": [rawHeader({ shape: [9, 10, 3] }), bytes],
      "no shape": [rawHeader({}), bytes],
      "shape not a list": [rawHeader({ shape: 300 }), bytes],
      "one dimension": [rawHeader({ shape: [300] }), bytes],
      "four dimensions": [rawHeader({ shape: [1, 10, 10, 3] }), bytes],
      "a shape without a dtype": [rawHeader({ dtype: null, shape: [10, 10, 3] }), bytes],
      "two channels": [rawHeader({ shape: [15, 10, 2] }), bytes],
      "a side below zero": [rawHeader({ shape: [-10, -10, 3] }), bytes],
      "a side of zero": [rawHeader({ shape: [0, 10, 3] }), ""],
      "half a row": [rawHeader({ shape: [2.5, 40, 3] }), bytes],
      "a side beyond any image": [rawHeader({ shape: [1e9, 1e9, 3] }), bytes],
      "float32 for uint8": [rawHeader({ dtype: "float32", shape: [5, 5, 3] }), bytes],
      "dtype not a text": [rawHeader({ dtype: 8, shape: [10, 10, 3] }), bytes],
    };
    for (const [what, frames] of Object.entries(malformed)) {
      const { reply, frames: answered } = await sender.frames(frames);
      expect([what, answered.length, reply]).toEqual([
        what,
        1,
        expect.stringMatching(/^ERROR \S/u),
      ]);
    }
    // What no REQ socket makes: a REP socket never answers these, and neither must they do harm.
    await sender.frames([good, "no delimiter before"], { socket: "dealer", wait: false });
    await sender.frames([""], { socket: "dealer", wait: false });

    expect(await sender.jpg("Barn|jpg|moving", { file: BARN })).toMatchObject({ reply: "OK" });
    expect(await sender.event("Garage|Temp|76 F")).toMatchObject({ reply: "OK" });
    expect(storedNodes(hub)).toEqual(["Barn"]);
    expect(events(hub)).toEqual(["Garage|Temp|76 F"]);
  });

  test("stores every image of several senders with one name, and shows none before it is whole", async () => {
    using scratch = tempDir();
    await using hub = await startHub({ program });
    const count = program === "arm64" && process.arch !== "arm64" ? 50 : 200;
    await using senders = startSenders(hub, 4);
    const loads = startLoads(senders, scratch, count);
    const [totals, atFirstSight] = await Promise.all([
      loads.totals,
      watchImages(hub, loads.totals),
    ]);

    expect(totals).toEqual(
      senders.all.map(() => ({ sent: count, ok: count, refused: 0, unanswered: 0 })),
    );
    expect(storedHashes(hub)).toEqual(
      loads
        .journal()
        .map((entry) => entry.sha256)
        .toSorted(),
    );
    const inTheEnd = new Map(hub.images().map(({ name, bytes }) => [name, sha256(bytes)]));
    expect([...atFirstSight].filter(([name, hash]) => inTheEnd.get(name) !== hash)).toEqual([]);
    expect(new Set(storedNodes(hub))).toEqual(new Set(["Barn"]));
  });

  test("stops writing at max_images_write, says so once, and keeps to it after a restart", async () => {
    using home = tempDir();
    const options = { program, dir: home.path, settings: { hub: { max_images_write: 3 } } };
    {
      await using hub = await startHub(options);
      await sendImages(hub, 3);
      expect(storedNodes(hub)).toEqual(["Barn", "Barn", "Barn"]);
      expect(capNotices(hub)).toBe(0);
      await sendImages(hub, 2);
      expect(storedNodes(hub)).toHaveLength(3);
      expect(capNotices(hub)).toBe(1);
      await until(
        hub,
        () => linesWith(hub, "all the 3 images that it may have (max_images_write)").length === 1,
      );
      expect({ status: await hub.stop(), output: hub.output() }).toMatchObject({ status: 0 });
    }
    await using hub = await startHub(options);
    await sendImages(hub, 2);
    expect(storedNodes(hub)).toHaveLength(3);
    expect(capNotices(hub)).toBe(1);
  });

  test("makes one safe name of any node", async () => {
    using outside = tempDir();
    // As deep as the names climb, so that whatever got out would be seen.
    const dir = join(outside.path, "a/b/c");
    await using hub = await startHub({ program, dir });
    await using sender = new Sender(hub.port);
    const nodes = [
      "../../x",
      "../../../../x",
      "..",
      ".",
      "/tmp/x",
      "Front/Door",
      ".hidden",
      "-rf",
      "nul\0byte",
      "line\nbreak",
      "back\\slash",
      "Küche 🐄",
      "x".repeat(300),
      "ü".repeat(300),
    ];
    for (const node of nodes) {
      const { reply } = await sender.jpg(`${node}|jpg|moving`, { file: BARN });
      expect([node, reply]).toEqual([node, "OK"]);
    }
    expect(storedNodes(hub)).toHaveLength(nodes.length);
    for (const { name } of hub.images()) {
      expect(name).not.toMatch(/^[.]|[\p{Cc}/\\]/u);
    }
    const everywhere = readdirSync(outside.path, { recursive: true, withFileTypes: true });
    const strays = everywhere.filter(
      (entry) => entry.isFile() && !entry.parentPath.startsWith(join(dir, "imagehub_data")),
    );
    expect(strays.map(({ name }) => name)).toEqual([]);
    expect(readdirSync(join(hub.dataDir, "images"))).toEqual([hub.today()]);
  });

  test("stores and answers what has arrived when it is stopped, and exits with 0", async () => {
    using scratch = tempDir();
    // The cap would else be reached, and images beyond it are answered and not kept.
    await using hub = await startHub({
      program,
      settings: { hub: { max_images_write: 1_000_000 } },
    });
    await using senders = startSenders(hub, 4, 2000);
    const loads = startLoads(senders, scratch, 100_000);
    await storedAtLeast(hub, 40, loads.totals);
    expect({ status: await hub.stop(), output: hub.output() }).toMatchObject({ status: 0 });
    await loads.totals;

    const answered = loads.journal().filter(({ reply }) => reply !== null);
    expect(new Set(answered.map(({ reply }) => reply))).toEqual(new Set(["OK"]));
    const acknowledged = new Set(answered.map((entry) => entry.sha256));
    const stored = new Set(storedHashes(hub));
    // Seen where the listening socket was unbound before the last replies were sent: libzmq then
    // drops them.
    expect({
      lost: acknowledged.difference(stored).size,
      unanswered: stored.difference(acknowledged).size,
    }).toEqual({
      lost: 0,
      unanswered: 0,
    });
    expect(storedNodes(hub).length).toBeGreaterThanOrEqual(40);
    const notices = logTexts(hub);
    expect(notices.at(0)).toMatch(/^start/iu);
    expect(notices.at(-1)).toMatch(/^(?:stop|exit)/iu);
    expect(notices).toHaveLength(2);
  });
}

/** The first frame of a raw array, with fields that do not fit. */
function rawHeader(fields: object): string {
  return JSON.stringify({ msg: "Barn|image|moving", dtype: "uint8", ...fields });
}

async function sendImages(hub: Hub, count: number): Promise<void> {
  await using sender = new Sender(hub.port);
  for (let sent = 0; sent < count; sent += 1) {
    expect(await sender.jpg("Barn|jpg|moving", { file: BARN })).toMatchObject({ reply: "OK" });
  }
}

function capNotices(hub: Hub): number {
  return logTexts(hub).filter((text) => text === CAP_NOTICE).length;
}

interface Senders extends AsyncDisposable {
  readonly all: readonly Sender[];
}

function startSenders(hub: Hub, count: number, timeoutMs = 20_000): Senders {
  const stack = new AsyncDisposableStack();
  const all = Array.from({ length: count }, () => stack.use(new Sender(hub.port, { timeoutMs })));
  return { all, [Symbol.asyncDispose]: async () => await stack.disposeAsync() };
}

/** Makes all senders send at full speed, each different images under the same name. */
function startLoads(
  senders: Senders,
  scratch: TempDir,
  count: number,
): { readonly totals: Promise<LoadTotals[]>; readonly journal: () => JournalEntry[] } {
  const sending = senders.all.map((sender, seed) => {
    const journal = join(scratch.path, `${seed}.jsonl`);
    return sender.load({ msg: "Barn|jpg", count, size: 45_000, seed, journal });
  });
  const journal = () =>
    senders.all.flatMap((_, seed) => readJournal(join(scratch.path, `${seed}.jsonl`)));
  return { totals: Promise.all(sending), journal };
}

/** Waits until so many images are stored. @throws {Error} When `sending` ends before. */
async function storedAtLeast(hub: Hub, count: number, sending: Promise<unknown>): Promise<void> {
  const folder = join(hub.dataDir, "images", hub.today());
  const isSending = async () =>
    await Promise.race([sending.then(() => false), Bun.sleep(5).then(() => true)]);
  while (!existsSync(folder) || readdirSync(folder).length < count) {
    if (!(await isSending()))
      throw new Error(`The senders ended before ${count} images were stored`);
  }
}

function storedHashes(hub: Hub): string[] {
  return hub
    .images()
    .map(({ bytes }) => sha256(bytes))
    .toSorted();
}

/**
 * Lists and reads the date folder again and again, as a reader of the images does, until nothing is
 * sent any more. Returns the hash of what stood in each file when it was first seen.
 */
async function watchImages(hub: Hub, sending: Promise<unknown>): Promise<Map<string, string>> {
  const seen = new Map<string, string>();
  const folder = join(hub.dataDir, "images", hub.today());
  const isSending = async () =>
    await Promise.race([sending.then(() => false), Bun.sleep(1).then(() => true)]);
  while (await isSending()) {
    const names = existsSync(folder) ? readdirSync(folder) : [];
    for (const name of names) {
      if (!seen.has(name) && IMAGE_NAME.test(name))
        seen.set(name, sha256(readFileSync(join(folder, name))));
    }
  }
  return seen;
}

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** Row by row, a byte for each channel; red, green, blue. */
  readonly pixels: Uint8Array;
}

/**
 * The pixels of a JPEG. `Bun.Image` hands out no pixels, so it makes a PNG of them, which is
 * lossless, and this undoes the PNG (RFC 2083: chunks, zlib, one filter a row).
 */
async function decode(jpeg: Uint8Array): Promise<Picture> {
  expect(await new Bun.Image(jpeg).metadata()).toMatchObject({ format: "jpeg" });
  const png = await new Bun.Image(jpeg).png().buffer();
  const data: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const body = png.subarray(at + 8, at + 8 + png.readUInt32BE(at));
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") data.push(body);
  }
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const channels = { 0: 1, 2: 3, 6: 4 }[png.readUInt8(25)] ?? 0;
  const stride = width * channels;
  const filtered = inflateSync(Buffer.concat(data));
  expect(filtered).toHaveLength((stride + 1) * height);

  const pixels = new Uint8Array(stride * height);
  for (let y = 0; y < height; y += 1) {
    const filter = filtered[y * (stride + 1)] ?? 0;
    for (let x = 0; x < stride; x += 1) {
      const at = y * stride + x;
      const left = x < channels ? 0 : (pixels[at - channels] ?? 0);
      const above = pixels[at - stride] ?? 0;
      const corner = x < channels ? 0 : (pixels[at - stride - channels] ?? 0);
      const predicted =
        [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter] ?? 0;
      pixels[at] = (filtered[y * (stride + 1) + 1 + x] ?? 0) + predicted;
    }
  }
  return { width, height, channels, pixels };
}

/** PNG's predictor: whichever of the three neighbours is nearest to left + above - corner. */
function paeth(left: number, above: number, corner: number): number {
  const [toLeft, toAbove] = [Math.abs(above - corner), Math.abs(left - corner)];
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

/** By how much the worst channel of any pixel differs from what was sent, in steps of 255. */
function largestDifference(picture: Picture, sent: RawImage): number {
  let largest = 0;
  for (let y = 0; y < picture.height; y += 1) {
    for (let x = 0; x < picture.width; x += 1) {
      const at = (y * picture.width + x) * picture.channels;
      for (const [channel, value] of patternPixel(sent, x, y).entries()) {
        const offset = picture.channels === 1 ? 0 : channel;
        largest = Math.max(largest, Math.abs((picture.pixels[at + offset] ?? 0) - value));
      }
    }
  }
  return largest;
}
