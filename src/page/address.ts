/**
 * The address of what is shown. It is in the hash, as the hub serves one document: `#/now`,
 * `#/day/2018-12-30?at=14:05&camera=Barn`, `#/day/2018-12-30/NAME`, `#/events?text=door`,
 * `#/calendar`.
 *
 * @module
 */

import { signal } from "@preact/signals";

export interface Address {
  readonly view: string;
  readonly date: string;
  /** The name of an image; empty if none is shown. */
  readonly name: string;
  readonly query: URLSearchParams;
}

/** Parameters; those that are undefined or empty are left out. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What is shown now. */
export const address = signal(read());

function read(): Address {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/u, "").split("?", 2);
  const [view = "", date = "", name = ""] = path.split("/").map(decoded);
  return { view: view || "now", date, name, query: new URLSearchParams(query) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A damaged link leads to "no such image", not to a blank page.
  }
}

/** The link to a view: `href("day", "2018-12-30", { at: "14:05" })`. */
export function href(view: string, ...rest: (string | Query)[]): string {
  const path = rest.filter((each) => typeof each === "string").map(encodeURIComponent);
  const query = new URLSearchParams();
  for (const each of rest) if (typeof each === "object") fill(query, each);
  return `#/${[view, ...path].join("/")}${asText(query)}`;
}

function fill(query: URLSearchParams, changes: Query): void {
  for (const [key, value] of Object.entries(changes)) {
    query.delete(key);
    for (const each of [value ?? []].flat()) if (each !== "") query.append(key, each);
  }
}

function asText(query: URLSearchParams): string {
  // A colon needs no escape here, and people read these links.
  const text = query.toString().replaceAll("%3A", ":");
  return text === "" ? "" : `?${text}`;
}

/** Goes to a link of {@link href}. */
export function go(link: string): void {
  location.hash = link;
}

/** Puts another address in the place of this one: Back does not lead to this one. */
export function replace(link: string): void {
  if (link === location.hash) return;
  history.replaceState(null, "", link);
  address.value = read();
}

/** Changes parameters of this address, in its place. */
export function replaceQuery(changes: Query): void {
  const { view, date, name, query } = address.peek();
  const next = new URLSearchParams(query);
  fill(next, changes);
  const path = [view, ...[date, name].filter((each) => each !== "").map(encodeURIComponent)];
  replace(`#/${path.join("/")}${asText(next)}`);
}

addEventListener("hashchange", () => {
  address.value = read();
});
