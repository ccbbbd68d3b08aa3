/**
 * What a hub has stored as its readers find it, and tests of each program that can be the hub.
 *
 * @module
 */

import { describe, expect } from "bun:test";
import { join } from "node:path";
import { lacks, PARTS, PROGRAMS, type Program } from "../../scripts/lib/available.ts";
import type { Hub } from "../support/hub/hub.ts";

export const FIXTURES = join(import.meta.dir, "../fixtures");
export const BARN = join(FIXTURES, "Barn-2021-04-19T23.43.20.867255.jpg");

/** The name of an image: node and view, then the time of reception in ISO form with `.` for `:`. */
export const IMAGE_NAME =
  /^(?<node>[^.].*)-(?<date>\d{4}-\d\d-\d\d)T\d\d\.\d\d\.\d\d\.\d{6}\.(?:jpg|png)$/u;
/** A line of the event log: local time, text. */
export const LOG_LINE = /^(?<date>\d{4}-\d\d-\d\d) \d\d:\d\d:\d\d,\d{3} ~ (?<text>.*)$/u;

export function sha256(bytes: Uint8Array): string {
  return Bun.SHA256.hash(bytes, "hex");
}

/**
 * The texts of the event log in order; each line is of the form that readers parse, and of today.
 */
export function logTexts(hub: Hub): string[] {
  return hub.log().map((line) => {
    expect(line).toMatch(LOG_LINE);
    const { date, text } = LOG_LINE.exec(line)?.groups ?? {};
    expect(date).toBe(hub.today());
    return text ?? "";
  });
}

/** The events in the log: the hub's own notices hold no `|`. */
export function events(hub: Hub): string[] {
  return logTexts(hub).filter((text) => text.includes("|"));
}

/**
 * The nodes of all images in the order of their names; each stands in today's folder under a name
 * of the right form.
 */
export function storedNodes(hub: Hub): string[] {
  return hub.images().map((image) => {
    expect(image.name).toMatch(IMAGE_NAME);
    const { node, date } = IMAGE_NAME.exec(image.name)?.groups ?? {};
    expect([image.folder, date]).toEqual([hub.today(), hub.today()]);
    return node ?? "";
  });
}

/** The hashes of all images, sorted. */
export function storedHashes(hub: Hub): string[] {
  return hub
    .images()
    .map(({ bytes }) => sha256(bytes))
    .toSorted();
}

/** Defines the tests of the hub from source, and of each executable that runs on this machine. */
export function describeEachProgram(define: (program: Program) => void): void {
  for (const program of PROGRAMS) {
    describe.skipIf(lacks("python", ...PARTS[program]))(
      `hub (${program}) with a sender as imagezmq's`,
      () => define(program),
    );
  }
}
