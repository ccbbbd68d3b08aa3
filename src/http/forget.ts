/**
 * The answer of `/api/v1/forget`: the hub forgets a node with its views.
 *
 * @module
 */

import { nearest } from "../config/nearest.ts";
import { namesOfNode, nodeIn } from "../protocol/nodes.ts";
import { type Answer, type HttpRequest, json, plain } from "./answer.ts";

/** Its address. */
export const FORGET_PATH = "/api/v1/forget";

/** How long the receiver and the disk may take, in milliseconds. */
const DONE_MS_MAX = 5000;

/**
 * Forgets the node that a request names.
 *
 * @param known the rows of the hub's table
 * @param forgetNode does it
 */
export async function forget(
  { method, body }: HttpRequest,
  known: readonly { readonly name: string }[],
  forgetNode: (node: string) => Promise<void>,
): Promise<Answer> {
  if (method !== "POST") return plain(405, "This address takes POST only", { Allow: "POST" });
  const node = nodeOf(body);
  if (node === undefined) return plain(400, 'The body must be JSON such as {"node": "Barn"}');
  const names = known.map(({ name }) => name);
  const { length: rows } = namesOfNode(node, names);
  if (rows === 0) return plain(404, unknownNode(node, names));
  const isDone = await Promise.race([
    forgetNode(node).then(() => true),
    Bun.sleep(DONE_MS_MAX).then(() => false),
  ]);
  return isDone ? json({ node, rows }) : plain(503, "The hub has not forgotten it in time");
}

/** The message if no node has this name, with a guess at the one that was meant. */
export function unknownNode(node: string, names: readonly string[]): string {
  const known = new Set(names);
  const guess = nearest(
    node,
    names.map((name) => nodeIn(name, known)),
  );
  const hint = guess === undefined ? "imagehub status lists the nodes" : `did you mean "${guess}"?`;
  return `The hub knows no node "${node}"; ${hint}`;
}

function nodeOf(body: Uint8Array): string | undefined {
  try {
    const { node } = JSON.parse(Buffer.from(body).toString()) as { readonly node?: unknown };
    return typeof node === "string" ? node : undefined;
  } catch {
    return undefined;
  }
}
