/**
 * Remembers the nodes over a restart: writes the main thread's table of them to a file. A node that
 * is new, forgotten, silent or back is written soon, and when nodes were last seen once a minute.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import type { ForgottenNode, NodeRow, RememberedNode } from "../shared/messages.ts";
import type { DataGuard } from "../store/data-guard.ts";
import {
  keepDamaged,
  NodesDamaged,
  nodeText,
  readNodes,
  saveNodes,
  withForgotten,
} from "../store/node-file.ts";

/** Shortest time from one write to the next, in milliseconds: with news, and without. */
const NEWS_MS = 5000;
const PAUSE_MS = 60_000;

/** How long the end of the hub waits for a disk, in milliseconds. */
const END_MS_MAX = 2000;

/** What the memory needs. */
export interface NodeMemoryParts {
  readonly overview: {
    readonly guard: DataGuard;
    readonly nodes: readonly NodeRow[];
    forgotten: readonly ForgottenNode[];
  };
  readonly log: Pick<Log, "info" | "warn">;
}

/** The memory of one hub. It lives in the main thread. */
export class NodeMemory {
  private saved = "";
  private savedMs = Number.NEGATIVE_INFINITY;
  private timer: Timer | undefined;
  private dueMs = Number.POSITIVE_INFINITY;
  /** The write that runs, or the last one, and the one that follows it. */
  private saving: Promise<void> = Promise.resolve();
  private next: Promise<void> | undefined;
  private problem: string | undefined;

  constructor(private readonly parts: NodeMemoryParts) {}

  /** The nodes of an earlier run. This waits for the disk, as all of the start does. */
  recall(): readonly RememberedNode[] {
    const { overview, log } = this.parts;
    try {
      const known = readNodes(overview.guard.directory);
      if (known === undefined) {
        log.info("No nodes are known from an earlier run");
        return [];
      }
      this.saved = nodeText(known);
      overview.forgotten = known.forgotten;
      return known.nodes;
    } catch (error) {
      log.warn(`The nodes of an earlier run are not known: ${messageOf(error)}`);
      if (error instanceof NodesDamaged) this.keepDamaged();
      return [];
    }
  }

  /** A person has had the node forgotten. @returns when that is written, or cannot be */
  async forgot(node: string): Promise<void> {
    const { overview } = this.parts;
    overview.forgotten = withForgotten(overview.forgotten, node, Date.now());
    await this.save();
  }

  /** The table has changed. @param isNews whether that must not wait for long */
  note(isNews: boolean): void {
    const dueMs = this.savedMs + (isNews ? NEWS_MS : PAUSE_MS);
    if (dueMs >= this.dueMs) return;
    clearTimeout(this.timer);
    this.dueMs = dueMs;
    const waitMs = Math.max(0, dueMs - performance.now());
    this.timer = setTimeout(() => void this.save(), waitMs);
  }

  /** Writes the table now. @returns when it is written, or cannot be */
  async save(): Promise<void> {
    clearTimeout(this.timer);
    this.dueMs = Number.POSITIVE_INFINITY;
    // One at a time: a disk that does not respond holds up one, and the next has all that is new.
    this.next ??= this.writeAfter(this.saving);
    this.saving = this.next;
    await this.saving;
  }

  /** Writes the table a last time, unless the disk stalls. */
  async end(): Promise<void> {
    await Promise.race([this.save(), Bun.sleep(END_MS_MAX)]);
    clearTimeout(this.timer);
  }

  private keepDamaged(): void {
    const { overview, log } = this.parts;
    try {
      keepDamaged(overview.guard.directory);
    } catch (error) {
      log.warn(`Cannot keep the damaged file: ${messageOf(error)}`);
    }
  }

  private async writeAfter(before: Promise<void>): Promise<void> {
    await before;
    this.next = undefined;
    await this.write();
  }

  private async write(): Promise<void> {
    const { overview, log } = this.parts;
    const text = nodeText(overview);
    if (text === this.saved) return;
    this.savedMs = performance.now();
    try {
      if (await saveNodes(overview.guard, text)) this.saved = text;
      this.problem = undefined;
    } catch (error) {
      const problem = `Cannot note which nodes are known: ${messageOf(error)}`;
      if (problem !== this.problem) log.warn(problem);
      this.problem = problem;
    }
  }
}
