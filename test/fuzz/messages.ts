/**
 * Messages with any frames, and the answer that a hub must give to each.
 *
 * @module
 */

import { parseRequest, RequestError } from "../../src/protocol/request.ts";
import type { Random } from "./random.ts";
import { anyRequest } from "./texts.ts";

/**
 * Longest frame 1, in bytes, and most frames before the delimiter (`src/receiver/reply-socket.ts`).
 */
const HEADER_BYTES_MAX = 64 * 1024;
const HOPS_MAX = 8;

/** Frames of random bytes are usually short. A few have this length, in bytes. */
const FRAME_BYTES_MAX = 300_000;

/**
 * A very large number of frames, and how often a message has it. Each frame costs as much as a
 * message.
 */
const MANY_FRAMES = 1000;
const MANY_FRAMES_SHARE = 0.02;

/** The node of valid images. */
export const FUZZ_NODE = "Fuzz";

/** A message, the required answer, and what must be stored. */
export interface Request {
  readonly frames: readonly Buffer[];
  /** Frames before the last frame of the reply. */
  readonly envelope: readonly Buffer[];
  /** The last frame of the reply, `OK` or `ERROR …`. */
  readonly reply: string;
  /**
   * The image's name if one is stored, and what is made of an array; undefined: it is stored
   * unchanged.
   */
  readonly image?: { readonly name: string; readonly encodedAs: "jpg" | "png" | undefined };
  readonly event?: string;
}

/** Frames as one text, for finding them again. */
export function key(frames: readonly Uint8Array[]): string {
  return frames.map((each) => Buffer.from(each).toString("latin1")).join("\0|\0");
}

/** The meaning of a peer's frames, computed from what libzmq passes to a ROUTER. */
export function requestOf(frames: readonly Buffer[]): Request {
  const delimiter = frames.findIndex((each) => each.byteLength === 0);
  if (delimiter < 0 || delimiter > HOPS_MAX) {
    return { frames, envelope: [], reply: "ERROR the request has no empty delimiter frame" };
  }
  const envelope = frames.slice(0, delimiter + 1);
  const [header, payload, ...rest] = frames.slice(delimiter + 1);
  if (header === undefined)
    return { frames, envelope, reply: "ERROR the request has no frames, 2 were expected" };
  if (payload === undefined)
    return { frames, envelope, reply: "ERROR the request has 1 frame, 2 were expected" };
  if (rest.length > 0) {
    return {
      frames,
      envelope,
      reply: `ERROR the request has ${rest.length + 2} frames, 2 were expected`,
    };
  }
  if (header.byteLength > HEADER_BYTES_MAX) {
    return {
      frames,
      envelope,
      reply: `ERROR frame 1 has ${header.byteLength} bytes, more than ${HEADER_BYTES_MAX}`,
    };
  }
  try {
    const request = parseRequest(header, {
      size: payload.byteLength,
      isJpeg: beginsAsJpeg(payload),
    });
    if (request.kind === "event") return { frames, envelope, reply: "OK", event: request.text };
    if (request.kind !== "image") return { frames, envelope, reply: "OK" };
    const image = {
      name: request.name,
      encodedAs:
        request.raw &&
        (request.raw.item.startsWith("uint16") ? ("png" as const) : ("jpg" as const)),
    };
    return { frames, envelope, reply: "OK", image };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return { frames, envelope, reply: `ERROR ${error.message}` };
  }
}

function beginsAsJpeg(payload: Uint8Array): boolean {
  return payload[0] === 0xff && payload[1] === 0xd8 && payload[2] === 0xff;
}

/** Frames of a valid image. */
export function validBody(random: Random, node: string): Buffer[] {
  const payload = Buffer.concat([
    Buffer.of(0xff, 0xd8),
    random.bytes(random.between(16, 4000)),
    Buffer.of(0xff, 0xd9),
  ]);
  return [Buffer.from(JSON.stringify({ msg: `${node}|jpg|moving` })), payload];
}

const anyFrame = (random: Random): Buffer =>
  random.bytes(random.skewed(random.chance(0.03) ? FRAME_BYTES_MAX : 300));

function anyCount(random: Random, counts: readonly number[]): number {
  return random.chance(MANY_FRAMES_SHARE) ? MANY_FRAMES : random.pick(counts);
}

/** Frames after the delimiter. */
export function anyBody(random: Random): Buffer[] {
  switch (random.below(8)) {
    case 0:
      return random.list(anyCount(random, [0, 1, 1, 3, 4]), () => random.bytes(random.below(40)));
    case 1:
      return [anyFrame(random), anyFrame(random)];
    case 2:
      return random.list(random.between(1, 3), () => anyFrame(random));
    case 3:
      return validBody(random, FUZZ_NODE);
    default: {
      const { header, payload } = anyRequest(random, 100_000);
      const bytes = random.bytes(payload.size);
      if (payload.isJpeg) bytes.set([0xff, 0xd8, 0xff]);
      return [header, bytes];
    }
  }
}

/** All frames of a message, including the delimiter if it has one. */
export function anyFrames(random: Random): Buffer[] {
  const body = anyBody(random);
  switch (random.below(8)) {
    case 0:
      return body.length === 0 ? [Buffer.of(1)] : body;
    case 1:
      return random.list(anyCount(random, [1, 2, 8, 9, 10]), () =>
        random.bytes(1 + random.skewed(30)),
      );
    case 2: {
      const hops = random.list(random.between(1, 10), () => random.bytes(1 + random.skewed(5000)));
      return [...hops, Buffer.alloc(0), ...body];
    }
    case 3:
      return [Buffer.concat([Buffer.of(1), anyFrame(random)]), Buffer.alloc(0), ...body];
    case 4:
      return [Buffer.alloc(0), Buffer.alloc(0), ...body];
    default:
      return [Buffer.alloc(0), ...body];
  }
}
