/**
 * What is in a tar, and where: read from its headers alone, so a tar of 10 GB costs one short read
 * for each member. Understands the headers that the hub and GNU tar write.
 *
 * @module
 */

import { fstatSync, readSync } from "node:fs";
import { DamagedDay } from "./content.ts";

const BLOCK = 512;
/** Longest extended header, in bytes. A path has up to 4096. */
const EXTENDED_BYTES_MAX = 64 * 1024;

/** Where fields are in a header (POSIX, "ustar Interchange Format"). */
const AT = { name: 0, size: 124, time: 136, sum: 148, type: 156, magic: 257, prefix: 345 } as const;
const LENGTH = { name: 100, size: 12, time: 12, sum: 8, magic: 5, prefix: 155 } as const;

const TYPE = { file: "0", oldFile: "\0", extended: "x", longName: "L" } as const;

/** Where a member is in a tar. */
export interface Place {
  readonly at: number;
  readonly size: number;
  /** When its content was changed last, in seconds since 1970. */
  readonly modifiedS: number;
}

/**
 * Reads where the files in a tar are.
 *
 * @param path for messages
 * @returns by the names of the members
 * @throws {DamagedDay} if it is no tar, or is cut off
 * @throws {Error} of node:fs
 */
export function indexOf(fd: number, path: string): Map<string, Place> {
  const places = new Map<string, Place>();
  const end = fstatSync(fd).size;
  const fail = (what: string): never => {
    throw new DamagedDay(
      `${path} ${what}. If the images of the day are still in the data directory, move it away, and ` +
        'the day is archived again; if not, see "A damaged archive" in docs/OPERATION.md',
    );
  };
  let next: { path?: string; size?: number } = {};
  for (let at = 0; ;) {
    const header = readAt(fd, at, BLOCK);
    if (header.byteLength < BLOCK) fail("is cut off");
    // A tar ends with blocks of zeros.
    if (header.every((byte) => byte === 0)) return places;
    if (!isHeader(header)) fail("is damaged, or is no tar");
    const size = next.size ?? numberIn(header, "size");
    const type = String.fromCharCode(header[AT.type]!);
    at += BLOCK;
    if (!Number.isSafeInteger(size) || at + size > end) fail("is cut off");
    if (type === TYPE.extended || type === TYPE.longName) {
      if (size > EXTENDED_BYTES_MAX) fail("is damaged");
      const text = readAt(fd, at, size);
      next = type === TYPE.extended ? extensionsIn(text) : { path: textIn(text, 0, size) };
    } else {
      if (type === TYPE.file || type === TYPE.oldFile)
        places.set(next.path ?? nameIn(header), { at, size, modifiedS: numberIn(header, "time") });
      next = {};
    }
    at += Math.ceil(size / BLOCK) * BLOCK;
  }
}

function readAt(fd: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, at));
}

function isHeader(header: Buffer): boolean {
  const stored = Number.parseInt(textIn(header, AT.sum, LENGTH.sum), 8);
  // The sum counts its own field as spaces.
  const sum = header.reduce(
    (total, byte, index) => total + (index >= AT.sum && index < AT.sum + LENGTH.sum ? 0x20 : byte),
    0,
  );
  return sum === stored && textIn(header, AT.magic, LENGTH.magic) === "ustar";
}

/** A number in octal digits or, if it is larger, as GNU tar writes it in bytes. */
function numberIn(header: Buffer, field: "size" | "time"): number {
  const [at, length] = [AT[field], LENGTH[field]];
  if ((header[at]! & 0x80) !== 0) return header.readUIntBE(at + length - 6, 6);
  return Number.parseInt(textIn(header, at, length).trim() || "0", 8);
}

function nameIn(header: Buffer): string {
  const name = textIn(header, AT.name, LENGTH.name);
  // GNU tar's own form has other fields there, and says so after the magic.
  const isGnu = header[AT.magic + LENGTH.magic] === 0x20;
  const prefix = isGnu ? "" : textIn(header, AT.prefix, LENGTH.prefix);
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** The text of a field, up to its first NUL. */
function textIn(bytes: Buffer, at: number, length: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString("utf8", at, end < 0 || end > at + length ? at + length : end);
}

/** Reads records such as `30 path=…\n`, whose length is in bytes. */
function extensionsIn(bytes: Buffer): { path?: string; size?: number } {
  const found: { path?: string; size?: number } = {};
  for (let at = 0; at < bytes.byteLength;) {
    const length = Number.parseInt(bytes.toString("latin1", at, at + 10), 10);
    if (!(length > 0)) break;
    const record = bytes.toString("utf8", at, at + length - 1);
    const [, key, value] = /^\d+ ([^=]+)=(.*)$/s.exec(record) ?? [];
    if (key === "path" && value !== undefined) found.path = value;
    if (key === "size") found.size = Number(value);
    at += length;
  }
  return found;
}
