/**
 * The nodes that the hub knows, in a file, so that after a restart it notices a node that does not
 * come back.
 *
 * @module
 */

import { constants, readFileSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { messageOf } from "../errors.ts";
import { NODE_NAME_MAX, NODES_MAX } from "../limits.ts";
import { instantOf } from "../protocol/calendar.ts";
import { parseJson } from "../protocol/json.ts";
import type { RememberedNode } from "../shared/messages.ts";
import { DataDirectory } from "./data-directory.ts";
import { type DataGuard, DataState } from "./data-guard.ts";
import { writeOwn, writeOwnSoon } from "./own-folder.ts";

const FILE = "nodes.json";

/** Largest file that is read, in bytes: {@link NODES_MAX} with the longest names. */
const BYTES_MAX = 4 * 1024 * 1024;

const VERSION = 1;

const instant = z.iso.datetime();

const fileSchema = z.object({
  version: z.literal(VERSION),
  nodes: z
    .array(
      z.object({
        /** As in `NodeRow`. */
        name: z.string().max(NODE_NAME_MAX),
        address: z.string(),
        last_seen: instant,
        last_heartbeat: instant.nullable(),
        silent_since: instant.nullable(),
        /** Whether the event log has a line about this silence. */
        told: z.boolean(),
      }),
    )
    .max(NODES_MAX),
});

/** Where it is. */
export function nodeFileOf({ own }: DataDirectory): string {
  return join(own, FILE);
}

/**
 * Reads the file.
 *
 * @returns undefined if there is none
 * @throws {Error} if it cannot be read or makes no sense
 */
export function readNodes(directory: DataDirectory): RememberedNode[] | undefined {
  const path = nodeFileOf(directory);
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) return undefined;
  if (size > BYTES_MAX) throw new Error(`${path} is larger than ${BYTES_MAX} bytes`);
  const { success, data } = fileSchema.safeParse(parseJson(readFileSync(path, "utf8")));
  if (!success) throw new Error(`${path} is damaged, or of another version of the hub`);
  const nodes = data.nodes.map((node) => ({
    name: node.name,
    address: node.address,
    lastSeenMs: Date.parse(node.last_seen),
    lastHeartbeatMs: msOf(node.last_heartbeat),
    silentSinceMs: msOf(node.silent_since),
    isTold: node.told,
  }));
  return [...new Map(nodes.map((node) => [node.name, node])).values()];
}

/** The content of the file for these nodes. */
export function nodeText(nodes: readonly RememberedNode[]): string {
  const known = nodes.filter(({ name }) => name.length <= NODE_NAME_MAX);
  const lines = known.map((node) =>
    JSON.stringify({
      name: node.name,
      address: node.address,
      last_seen: new Date(node.lastSeenMs).toISOString(),
      last_heartbeat: instantOf(node.lastHeartbeatMs),
      silent_since: instantOf(node.silentSinceMs),
      told: node.isTold,
    }),
  );
  return `{"version":${VERSION},"nodes":[\n${lines.join(",\n")}\n]}\n`;
}

/** Writes the file, waiting for the disk. The data directory must be locked. @throws {Error} */
export function writeNodes(directory: DataDirectory, nodes: readonly RememberedNode[]): void {
  writeOwn(directory, FILE, nodeText(nodes), true);
}

/**
 * Writes the file whole, on the runtime's own threads: the caller does not wait for the disk.
 *
 * @param text from {@link nodeText}
 * @returns false if the data directory is gone, which its watch logs
 * @throws {Error} of node:fs
 */
export async function saveNodes(guard: DataGuard, text: string): Promise<boolean> {
  const { state } = await guard.lookSoon();
  if (state !== DataState.right) return false;
  const top = await open(guard.directory.path, constants.O_DIRECTORY);
  // Leads into the open directory, whatever is mounted over its path by now.
  const path = `/proc/self/fd/${top.fd}`;
  try {
    const isRight = (await guard.lookSoon(path)).state === DataState.right;
    if (isRight) await writeOwnSoon(new DataDirectory(path), FILE, text);
    return isRight;
  } catch (cause) {
    throw new Error(messageOf(cause).replaceAll(path, guard.directory.path), { cause });
  } finally {
    await top.close();
  }
}

function msOf(time: string | null): number {
  return time === null ? 0 : Date.parse(time);
}
