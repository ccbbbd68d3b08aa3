/**
 * `imagehub forget`: has the hub forget a node with its views. If no hub runs, it is removed from
 * the file in which the hub remembers its nodes.
 *
 * @module
 */

import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { FORGET_PATH, unknownNode } from "../http/forget.ts";
import { counted } from "../log/amounts.ts";
import { escape } from "../log/fields.ts";
import { namesOfNode } from "../protocol/nodes.ts";
import { createShared } from "../shared/memory.ts";
import { DataDirectory } from "../store/data-directory.ts";
import { DataDirectoryInUse, DataLock } from "../store/data-lock.ts";
import {
  type KnownNodes,
  nodeFileOf,
  readNodes,
  withForgotten,
  writeNodes,
} from "../store/node-file.ts";
import { actAsOwner } from "./as-owner.ts";
import { type HubOptions, request, type Target, targetOf } from "./hub-target.ts";
import { settingsFor } from "./settings-for.ts";
import { statusOf } from "./status.ts";

/** How long the hub may take to answer, in milliseconds. */
const ANSWER_MS_MAX = 10_000;

/** The options of `forget`. */
export type ForgetOptions = HubOptions;

/**
 * Forgets a node.
 *
 * @throws {FatalError} if it is not known, or nobody can be asked
 */
export async function forget(node: string, options: ForgetOptions): Promise<ExitStatus> {
  let rows: number;
  try {
    rows = await askHub(node, targetOf(options));
  } catch (error) {
    if (!(error instanceof FatalError) || options.url !== undefined || !isNobody(error))
      throw error;
    rows = forgetInFile(node, new DataDirectory(settingsFor(options).data_directory), error);
  }
  const views = rows > 1 ? ` with ${counted(rows - 1, "view")}` : "";
  process.stdout.write(`Forgot ${escape(node || "the node without a name")}${views}\n`);
  return EXIT.ok;
}

/** Whether there may be no hub: none answers, or the settings do not let it be asked. */
function isNobody({ status }: FatalError): boolean {
  return status === EXIT.unanswered || status === EXIT.config;
}

/** @returns how many rows the node had */
async function askHub(node: string, target: Target): Promise<number> {
  const rows = rowsOf(
    node,
    (await statusOf(target)).nodes.map((row) =>
      row.view === "" ? row.node : `${row.node} ${row.view}`,
    ),
  );
  await request(target, FORGET_PATH, AbortSignal.timeout(ANSWER_MS_MAX), { node });
  return rows.size;
}

/**
 * Edits the file, under the lock that a hub would have.
 *
 * @param unasked why no hub was asked
 */
function forgetInFile(node: string, directory: DataDirectory, unasked: FatalError): number {
  const { nodes, forgotten } = nodesIn(directory, unasked);
  const rows = rowsOf(
    node,
    nodes.map(({ name }) => name),
  );
  try {
    writeNodes(directory, {
      nodes: nodes.filter(({ name }) => !rows.has(name)),
      forgotten: withForgotten(forgotten, node, Date.now()),
    });
  } catch (cause) {
    throw failure(directory, cause);
  }
  return rows.size;
}

/** Takes the lock, which is released with the end of this process, and reads the file. */
function nodesIn(directory: DataDirectory, unasked: FatalError): KnownNodes {
  const path = nodeFileOf(directory);
  try {
    const nodes = readNodes(directory);
    if (nodes === undefined)
      throw new FatalError(unasked.status, `${unasked.message}\nNor is there a file ${path}`);
    actAsOwner(directory, "forget", true);
    new DataLock(directory, createShared(1)).acquire();
    // A hub may have ended in between.
    return readNodes(directory) ?? nodes;
  } catch (cause) {
    if (cause instanceof FatalError) throw cause;
    if (cause instanceof DataDirectoryInUse)
      throw new FatalError(unasked.status, `${unasked.message}\n${cause.message}`, { cause });
    throw failure(directory, cause);
  }
}

function failure({ path }: DataDirectory, cause: unknown): FatalError {
  return new FatalError(EXIT.data, `Cannot forget a node in ${path}: ${messageOf(cause)}`, {
    cause,
  });
}

/** The names of the node and its views. @throws {FatalError} if there are none */
function rowsOf(node: string, names: readonly string[]): Set<string> {
  const rows = new Set(namesOfNode(node, names));
  if (rows.size === 0) throw new FatalError(EXIT.failure, escape(unknownNode(node, names)));
  return rows;
}
