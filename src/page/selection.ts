/**
 * The images that a person has chosen, to do something with all of them.
 *
 * @module
 */

import { signal } from "@preact/signals";
import type { Image } from "./answers.ts";
import { ApiError, request } from "./api.ts";
import { ask, noteFailure } from "./hub.ts";
import { parseName } from "./sequence.ts";

/** Whether images are being chosen: a click chooses then. */
export const selecting = signal(false);

/** Names of the chosen images of the day that is shown. */
export const selected = signal<ReadonlySet<string>>(new Set());

/** A ZIP takes its time over a slow line. */
const ZIP_MS_MAX = 600_000;

/** So long a browser may take to begin to save. */
const BLOB_MS = 60_000;

/** Whether an image was left out, as no more can be chosen. */
export const isFull = signal(false);

/** Most images that can be chosen. */
const SELECTED_MAX = 500;

/** The hub takes bodies of 64 KiB. Names may be long, and in any alphabet. */
const BODY_BYTES_MAX = 65_000;

/** In the body, a name has a date and brackets around it. */
function bytesOf(name: string): number {
  return new TextEncoder().encode(JSON.stringify(name)).length + 16;
}

/** Chooses an image, or no longer. */
export function toggle(name: string): void {
  if (selected.value.has(name)) keepOnly((each) => each !== name);
  else add([{ name }]);
}

/** Chooses these, too, as many as the hub takes at once. */
export function add(images: readonly Pick<Image, "name">[]): void {
  const next = new Set(selected.value);
  let bytes = [...next].reduce((sum, name) => sum + bytesOf(name), 0);
  isFull.value = false;
  for (const { name } of images) {
    if (next.has(name)) continue;
    bytes += bytesOf(name);
    isFull.value = next.size >= SELECTED_MAX || bytes > BODY_BYTES_MAX;
    if (isFull.value) break;
    next.add(name);
  }
  selected.value = next;
}

function keepOnly(isKept: (name: string) => boolean): void {
  isFull.value = false;
  selected.value = new Set([...selected.value].filter(isKept));
}

/** Others are shown now: what cannot be seen must not stay chosen. @param cameras all, if none */
export function keepCameras(cameras: readonly string[]): void {
  if (cameras.length === 0) return;
  keepOnly((name) => cameras.includes(parseName(name)?.camera ?? ""));
}

/** Chooses nothing more. */
export function endSelecting(): void {
  selecting.value = false;
  keepOnly(() => false);
}

function pairs(date: string, names: Iterable<string>): (readonly [string, string])[] {
  return [...names].map((name) => [date, name]);
}

/** Posts JSON. */
function inJson(value: unknown): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(value),
  };
}

/** Protects images of a day, or no longer. @returns what went wrong */
export async function protect(
  date: string,
  names: Iterable<string>,
  isProtected: boolean,
): Promise<readonly string[]> {
  const { problems } = await ask<{ problems: readonly string[] }>(
    "api/v1/protect",
    inJson({ images: pairs(date, names), protect: isProtected }),
  );
  return problems;
}

/**
 * Saves a ZIP of images of a day. It is fetched first: a form would lead away to the bare text of
 * an error.
 *
 * @throws {Error} as {@link request}
 */
export async function saveZip(date: string, names: Iterable<string>): Promise<void> {
  const zip = await fetchZip(date, names).catch((error: unknown) => {
    // It is said beside the selection; who must log in finds that there again.
    if (error instanceof ApiError && error.status === 401) noteFailure(error);
    throw error;
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(zip);
  link.download = `imagehub-${date}.zip`;
  link.click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), BLOB_MS);
}

async function fetchZip(date: string, names: Iterable<string>): Promise<Blob> {
  const wish = inJson({ images: pairs(date, names) });
  return await (await request("api/v1/zip", wish, ZIP_MS_MAX)).blob();
}
