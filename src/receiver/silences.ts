/**
 * Decides which nodes are silent. A node is silent if it and its views have sent nothing for
 * `silent_after` of its entry in `cameras`, or for `patience` if it has none. If it has an entry,
 * the event log and the log say so once, and again when it is back.
 *
 * The rows of `activity.ts` are compared about once a second with what they were, so a message
 * costs nothing more. Time is what the hub has spent listening in this run: no step of the wall
 * clock, and no time in which the hub was off or stood still, makes a node silent.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { duration } from "../log/amounts.ts";
import { nodeIn, titleOf } from "../protocol/nodes.ts";
import type { Activity, NodeState } from "./activity.ts";
import type { Report } from "./complaints.ts";
import { silentAfterIn } from "./silent-after.ts";

/** Longest time between two looks that counts in full, in milliseconds. */
const STEP_MS_MAX = 5000;

/** How many nodes are told of at a look. If a switch fails, all fall silent at once. */
const TOLD_MAX = 32;

/** A longer absence shows that the wall clock was wrong, in milliseconds: ten years. */
const AWAY_MS_MAX = 10 * 365 * 86_400_000;

/** What this needs. */
export interface SilencesParts {
  readonly settings: Pick<Settings, "patience" | "cameras">;
  readonly activity: Activity;
  readonly report: Report;
  /** Writes a line of the hub to the event log. @returns false if there is no room at the moment */
  readonly notice: (text: string) => boolean;
  /** The nodes that wait for their replies: they cannot send. */
  readonly waiting: () => ReadonlySet<NodeState>;
}

/** A row, and what was last seen of it. */
interface Ear {
  readonly row: NodeState;
  /** Its `lastSeenMs`, by the wall clock; 0 if it is new. */
  seenMs: number;
  /** When that changed, by the time of this class. */
  heardMs: number;
  /** Whether it is from an earlier run, and has sent nothing in this one. */
  isFromBefore: boolean;
  /** Whether it would be silent, but waited for its reply at the last look. */
  isHeld: boolean;
}

/** A node with its views. */
interface Node {
  readonly name: string;
  readonly ears: readonly Ear[];
  readonly afterMs: number;
  /** Whether it has an entry in `cameras`. */
  readonly hasEntry: boolean;
}

/** The silences of one hub. They belong to the receiver's thread. */
export class Silences {
  private readonly silentAfter: (node: string) => number | undefined;
  private nodes: readonly Node[] = [];
  private ears: ReadonlyMap<NodeState, Ear> = new Map();
  private generation = -1;
  /** How long the hub has listened, and when that was last counted; in milliseconds. */
  private listenedMs = 0;
  private countedMs: number;
  private left = TOLD_MAX;
  /** Those that wait for their replies at this look; undefined until it is asked for. */
  private waiting: ReadonlySet<NodeState> | undefined;

  /**
   * All nodes that the activity has are from an earlier run.
   *
   * @param nowMs by `performance.now`, in milliseconds
   */
  constructor(
    private readonly parts: SilencesParts,
    nowMs: number,
  ) {
    const { cameras } = parts.settings;
    this.countedMs = nowMs;
    this.silentAfter = silentAfterIn(cameras);
    this.group(true);
  }

  /** Whether a node may fall silent, so that {@link look} must be called each second. */
  get isWatching(): boolean {
    return (
      this.generation !== this.parts.activity.generation ||
      this.nodes.some(({ ears }) => !isSilent(ears))
    );
  }

  /** Looks at all nodes. Everything that has arrived must have been received. */
  look(nowMs: number): void {
    this.listenedMs += Math.min(nowMs - this.countedMs, STEP_MS_MAX);
    this.countedMs = nowMs;
    this.left = TOLD_MAX;
    this.waiting = undefined;
    if (this.generation !== this.parts.activity.generation) this.group(false);
    for (const node of this.nodes) {
      if (node.ears.some(hasSpoken)) this.hear(node);
      else if (!isSilent(node.ears)) this.wait(node);
    }
  }

  /** Puts the rows of each node together. */
  private group(areFromBefore: boolean): void {
    const { activity, settings } = this.parts;
    this.generation = activity.generation;
    const names = new Set(activity.all.map(({ name }) => name));
    const known = activity.all.map((row) => this.ears.get(row) ?? newEar(row, areFromBefore));
    this.ears = new Map(known.map((ear) => [ear.row, ear]));
    const byNode = Map.groupBy(known, ({ row }) => nodeIn(row.name, names));
    this.nodes = Array.from(byNode, ([name, ears]) => {
      const minutes = this.silentAfter(name);
      for (const { row } of ears) activity.setSilentAfter(row, minutes ?? null);
      const afterMs = (minutes ?? settings.patience) * 60_000;
      return { name, ears, afterMs, hasEntry: minutes !== undefined };
    });
    if (!areFromBefore) return;
    // Who had no entry was not told. It is now, if the node stays silent.
    for (const { ears, hasEntry } of this.nodes)
      if (hasEntry && isSilent(ears) && !isTold(ears)) this.setSilent(ears, false, 0);
  }

  /** A node has sent something. */
  private hear({ name, ears, hasEntry }: Node): void {
    if (isSilent(ears)) {
      if (this.left === 0) return;
      this.left--;
      const awayMs = this.awayMs(ears);
      const text = `${titleOf(name)} is back after ${duration(Math.round(awayMs / 1000))}`;
      if (hasEntry && isTold(ears) && !this.say("info", text)) return;
      this.setSilent(ears, false, awayMs);
    }
    for (const ear of ears.filter(hasSpoken)) {
      if (ear.isFromBefore) this.parts.activity.hasReturned(ear.row);
      ear.isFromBefore = false;
      ear.seenMs = ear.row.lastSeenMs;
      ear.heardMs = this.listenedMs;
    }
  }

  /** A node has sent nothing since the last look. */
  private wait({ name, ears, afterMs, hasEntry }: Node): void {
    const isDue = this.listenedMs - lastHeard(ears) >= afterMs;
    if (!isDue && !ears.some(({ isHeld }) => isHeld)) return;
    this.waiting ??= this.parts.waiting();
    for (const ear of ears) {
      ear.isHeld = this.waiting.has(ear.row);
      // From the reply on, it has its full time.
      if (ear.isHeld) ear.heardMs = this.listenedMs;
    }
    if (!isDue || ears.some(({ isHeld }) => isHeld) || this.left === 0) return;
    this.left--;
    const awayMs = Math.max(1000, afterMs);
    const text = `${titleOf(name)} has been silent for ${duration(Math.round(awayMs / 1000))}`;
    if (hasEntry && !this.say("warn", text)) return;
    this.setSilent(ears, true, awayMs, hasEntry);
  }

  private setSilent(
    ears: readonly Ear[],
    isNowSilent: boolean,
    awayMs: number,
    isNowTold = false,
  ): void {
    for (const { row } of ears) this.parts.activity.setSilent(row, isNowSilent, awayMs, isNowTold);
  }

  /** How long a node that speaks again has sent nothing. */
  private awayMs(ears: readonly Ear[]): number {
    const inThisRun = this.listenedMs - lastHeard(ears);
    if (ears.some(({ isFromBefore, seenMs }) => !isFromBefore && seenMs > 0)) return inThisRun;
    // Only the wall clock goes on while the hub is off.
    const seenMs = Math.max(...ears.map((ear) => ear.seenMs));
    const awayMs = Math.max(...ears.map(({ row }) => row.lastSeenMs)) - seenMs;
    return awayMs > inThisRun && awayMs < AWAY_MS_MAX ? awayMs : inThisRun;
  }

  /** @returns false if it must be said later */
  private say(level: "warn" | "info", text: string): boolean {
    const isSaid = this.parts.notice(`${text}.`);
    if (isSaid) this.parts.report(level, text);
    else this.left = 0;
    return isSaid;
  }
}

function newEar(row: NodeState, isFromBefore: boolean): Ear {
  const seenMs = isFromBefore ? row.lastSeenMs : 0;
  return { row, seenMs, heardMs: 0, isFromBefore, isHeld: false };
}

/** Asked for each node at each look, so it makes no garbage. */
function lastHeard(ears: readonly Ear[]): number {
  let lastMs = 0;
  for (const { heardMs } of ears) if (heardMs > lastMs) lastMs = heardMs;
  return lastMs;
}

function hasSpoken({ row, seenMs }: Ear): boolean {
  return row.lastSeenMs !== seenMs;
}

function isSilent(ears: readonly Ear[]): boolean {
  return ears.some(({ row }) => row.silentSinceMs > 0);
}

function isTold(ears: readonly Ear[]): boolean {
  return ears.some(({ row }) => row.isTold);
}
