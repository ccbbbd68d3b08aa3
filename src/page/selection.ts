/**
 * The images that a person has chosen, to do something with all of them.
 *
 * @module
 */

import { signal } from "@preact/signals";
import type { Image } from "./answers.ts";
import { ask } from "./hub.ts";

/** Whether images are being chosen: a click chooses then. */
export const selecting = signal(false);

/** Names of the chosen images of the day that is shown. */
export const selected = signal<ReadonlySet<string>>(new Set());

/** The hub takes so many names of the usual length at once: its bound is 64 KiB. */
export const SELECTED_MAX = 500;

/** Chooses an image, or no longer. */
export function toggle(name: string): void {
  const next = new Set(selected.value);
  if (!next.delete(name) && next.size < SELECTED_MAX) next.add(name);
  selected.value = next;
}

/** Chooses these, too. */
export function add(images: readonly Pick<Image, "name">[]): void {
  const next = new Set(selected.value);
  for (const { name } of images) if (next.size < SELECTED_MAX) next.add(name);
  selected.value = next;
}

/** Chooses nothing more. */
export function endSelecting(): void {
  selecting.value = false;
  selected.value = new Set();
}

function pairs(date: string, names: Iterable<string>): (readonly [string, string])[] {
  return [...names].map((name) => [date, name]);
}

/** Protects images of a day, or no longer. @returns what went wrong */
export async function protect(
  date: string,
  names: Iterable<string>,
  isProtected: boolean,
): Promise<readonly string[]> {
  const { problems } = await ask<{ problems: readonly string[] }>("api/v1/protect", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ images: pairs(date, names), protect: isProtected }),
  });
  return problems;
}

/** Lets the browser save a ZIP of images of a day. */
export function saveZip(date: string, names: Iterable<string>): void {
  // A form, as the browser then writes to the disk what comes, however much it is.
  const form = document.createElement("form");
  form.method = "post";
  form.action = new URL("api/v1/zip", document.baseURI).href;
  const field = document.createElement("input");
  field.type = "hidden";
  field.name = "json";
  field.value = JSON.stringify({ images: pairs(date, names) });
  form.append(field);
  document.body.append(form);
  form.submit();
  form.remove();
}
