/**
 * Whether an image is whole, as far as its form shows: it begins and ends as it must. What cameras
 * add after the end is ignored. The picture itself is not decoded.
 *
 * @module
 */

import { type ImageSuffix } from "../protocol/names.ts";

/** Sees an image piece by piece. */
export interface ImageCheck {
  feed(piece: Buffer): void;
  /** What is wrong after the last piece; undefined if nothing is. */
  problem(): string | undefined;
}

/** The check for an image of this kind. */
export function checkFor(suffix: ImageSuffix): ImageCheck {
  return suffix === ".png" ? new PngCheck() : new JpegCheck();
}

const PREFIX = 0xff;
const START = 0xd8;
const END = 0xd9;

/** What the next byte is. */
type State = "start1" | "start2" | "data" | "marker" | "length1" | "length2" | "end" | "wrong";

/**
 * Goes from segment to segment, so the end of a small picture inside of the file (a thumbnail) is
 * not taken for its own. In the data of a picture, the prefix of a marker stands for a byte only
 * with a zero after it (ITU-T T.81, B.1.1.5).
 */
class JpegCheck implements ImageCheck {
  private state: State = "start1";
  private length = 0;
  /** Bytes of a segment that are still to come. */
  private skip = 0;
  private isEmpty = true;

  feed(piece: Buffer): void {
    if (piece.byteLength > 0) this.isEmpty = false;
    for (let at = 0; at < piece.byteLength && this.state !== "end" && this.state !== "wrong";) {
      if (this.skip > 0) {
        const step = Math.min(this.skip, piece.byteLength - at);
        this.skip -= step;
        at += step;
      } else if (this.state === "data") {
        const next = piece.indexOf(PREFIX, at);
        if (next < 0) return;
        this.state = "marker";
        at = next + 1;
      } else this.take(piece[at++]!);
    }
  }

  problem(): string | undefined {
    if (this.isEmpty) return "is empty";
    if (this.state === "wrong" || this.state === "start2") return "is no JPEG";
    return this.state === "end" ? undefined : "is cut off";
  }

  private take(byte: number): void {
    switch (this.state) {
      case "start1":
        this.state = byte === PREFIX ? "start2" : "wrong";
        break;
      case "start2":
        this.state = byte === START ? "data" : "wrong";
        break;
      case "marker":
        this.state = afterMarker(byte);
        break;
      case "length1":
        this.length = byte << 8;
        this.state = "length2";
        break;
      case "length2":
        this.skip = Math.max(0, this.length + byte - 2);
        this.state = "data";
        break;
      case "data":
      case "end":
      case "wrong":
        break;
    }
  }
}

function afterMarker(byte: number): State {
  if (byte === PREFIX) return "marker";
  if (byte === END) return "end";
  // A byte of data, or a marker without a segment: TEM, RST0 to RST7, SOI.
  const isAlone = byte <= 0x01 || (byte >= 0xd0 && byte <= START);
  return isAlone ? "data" : "length1";
}

const PNG_START = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
/** The last chunk, which is always the same (PNG specification, 11.2.5). */
const PNG_END = Buffer.from("\0\0\0\0IEND\xae\x42\x60\x82", "latin1");

class PngCheck implements ImageCheck {
  private head = Buffer.alloc(0);
  private tail = Buffer.alloc(0);

  feed(piece: Buffer): void {
    if (this.head.byteLength < PNG_START.byteLength)
      this.head = Buffer.concat([this.head, piece]).subarray(0, PNG_START.byteLength);
    const end = piece.subarray(-PNG_END.byteLength);
    this.tail = Buffer.from(Buffer.concat([this.tail, end]).subarray(-PNG_END.byteLength));
  }

  problem(): string | undefined {
    if (this.head.byteLength === 0) return "is empty";
    if (!this.head.equals(PNG_START)) return "is no PNG";
    return this.tail.equals(PNG_END) ? undefined : "is cut off";
  }
}
