/**
 * The nodes that the hub knows, in a file, so that after a restart it notices a node that does not
 * come back.
 *
 * @module
 */

import { constants, readFileSync, renameSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { messageOf } from "../errors.ts";
import { NODE_NAME_MAX, NODES_MAX } from "../limits.ts";
import { instantOf } from "../protocol/calendar.ts";
import { parseJson } from "../protocol/json.ts";
import type { ForgottenNode, RememberedNode } from "../shared/messages.ts";
import { DataDirectory } from "./data-directory.ts";
import { type DataGuard, DataState } from "./data-guard.ts";
import { writeOwn, writeOwnSoon } from "./own-folder.ts";

const FILE = "nodes.json";

/** A damaged file is kept under this name. */
const DAMAGED = "nodes.json.damaged";

/** Largest file that is read, in bytes: {@link NODES_MAX} of both kinds with the longest names. */
const BYTES_MAX = 4 * 1024 * 1024;

const VERSION = 1;

/** Most nodes that are known to be forgotten: as many as can be known. */
const FORGOTTEN_MAX = NODES_MAX;

/** How long a node is known to be forgotten, in milliseconds: a year. */
const FORGOTTEN_MS_MAX = 365 * 86_400_000;

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
  forgotten: z
    .array(z.object({ name: z.string().max(NODE_NAME_MAX), time: instant }))
    .max(FORGOTTEN_MAX)
    .default([]),
});

/** What the file holds. */
export interface KnownNodes {
  readonly nodes: readonly RememberedNode[];
  /** The latest one last. */
  readonly forgotten: readonly ForgottenNode[];
}

/** The file makes no sense. */
export class NodesDamaged extends Error {}

/** Where it is. */
export function nodeFileOf({ own }: DataDirectory): string {
  return join(own, FILE);
}

/** Adds a node that is forgotten now. The oldest ones make room. */
export function withForgotten(
  forgotten: readonly ForgottenNode[],
  name: string,
  nowMs: number,
): ForgottenNode[] {
  const others = forgotten.filter(
    (node) => node.name !== name && nowMs - node.atMs < FORGOTTEN_MS_MAX,
  );
  return [...others, { name, atMs: nowMs }].slice(-FORGOTTEN_MAX);
}

/**
 * Reads the file.
 *
 * @returns undefined if there is none
 * @throws {NodesDamaged} if it makes no sense, and errors of node:fs
 */
export function readNodes(directory: DataDirectory): KnownNodes | undefined {
  const path = nodeFileOf(directory);
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) return undefined;
  if (size > BYTES_MAX) throw new NodesDamaged(`${path} is larger than ${BYTES_MAX} bytes`);
  const { success, data } = fileSchema.safeParse(parseJson(readFileSync(path, "utf8")));
  if (!success) throw new NodesDamaged(`${path} is damaged, or of another version of the hub`);
  const nodes = data.nodes.map((node) => ({
    name: node.name,
    address: node.address,
    lastSeenMs: Date.parse(node.last_seen),
    lastHeartbeatMs: msOf(node.last_heartbeat),
    silentSinceMs: msOf(node.silent_since),
    isTold: node.told,
  }));
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const forgotten = data.forgotten.map(({ name, time }) => ({ name, atMs: Date.parse(time) }));
  return {
    nodes: [...byName.values()],
    // One that has come back is known.
    forgotten: forgotten.filter(({ name }) => !byName.has(name)),
  };
}

/** Keeps a damaged file, which the next write would replace. @throws {Error} of node:fs */
export function keepDamaged({ own }: DataDirectory): void {
  renameSync(join(own, FILE), join(own, DAMAGED));
}

/** The content of the file. */
export function nodeText({ nodes, forgotten }: KnownNodes): string {
  const known = nodes.filter(isShort).map((node) =>
    JSON.stringify({
      name: node.name,
      address: node.address,
      last_seen: new Date(node.lastSeenMs).toISOString(),
      last_heartbeat: instantOf(node.lastHeartbeatMs),
      silent_since: instantOf(node.silentSinceMs),
      told: node.isTold,
    }),
  );
  const gone = forgotten
    .filter(isShort)
    .map(({ name, atMs }) => JSON.stringify({ name, time: new Date(atMs).toISOString() }));
  const rest = gone.length === 0 ? "" : `,"forgotten":${listOf(gone)}`;
  return `{"version":${VERSION},"nodes":${listOf(known)}${rest}}\n`;
}

function isShort({ name }: { readonly name: string }): boolean {
  return name.length <= NODE_NAME_MAX;
}

function listOf(lines: readonly string[]): string {
  return `[\n${lines.join(",\n")}\n]`;
}

/** Writes the file, waiting for the disk. The data directory must be locked. @throws {Error} */
export function writeNodes(directory: DataDirectory, known: KnownNodes): void {
  writeOwn(directory, FILE, nodeText(known), true);
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
