/**
 * Nodes and their views. A sender gives node and view in one text with a space between, and either
 * may contain spaces itself.
 *
 * @module
 */

import { NODE_NAME_MAX } from "../limits.ts";
import { cut } from "./names.ts";

/**
 * The node in field 0 of a text: the longest part up to a space that is known as a name by itself,
 * such as from a heartbeat; otherwise all of it. A name longer than {@link NODE_NAME_MAX} has no
 * view.
 */
export function nodeIn(name: string, known: Pick<ReadonlySet<string>, "has">): string {
  if (name.length > NODE_NAME_MAX) return name;
  for (let space = name.lastIndexOf(" "); space > 0; space = name.lastIndexOf(" ", space - 1)) {
    if (known.has(name.slice(0, space))) return name.slice(0, space);
  }
  return name;
}

/** The names of a node and its views among these. */
export function namesOfNode(node: string, names: readonly string[]): string[] {
  const known = new Set(names);
  return names.filter((name) => nodeIn(name, known) === node);
}

/** Longest name in a message, in bytes of UTF-8. A name may be as long as a text. */
const TITLE_BYTES_MAX = 200;

/** How a node is called at the beginning of a message to a person. */
export function titleOf(node: string): string {
  return node === "" ? "A node without a name" : cut(node, TITLE_BYTES_MAX);
}
