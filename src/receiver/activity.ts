/**
 * What the receiver knows about each node: when it was last heard of, and what it sent today. It
 * also records whether things could be stored, and how long answers took.
 *
 * The main thread is told of changes at most once a second. So a message costs a table lookup and a
 * few additions.
 *
 * @module
 */

import type { Calendar } from "../protocol/calendar.ts";
import { NODES_MAX } from "../limits.ts";
import type {
  ActivityMessage,
  NodeRow,
  RememberedNode,
  StoreOutcomes,
} from "../shared/messages.ts";
import { observe } from "../shared/histogram.ts";
import { histogramAt, type Shared } from "../shared/memory.ts";
import type { Report } from "./complaints.ts";

/**
 * After this time without a message, a node may be replaced by a new one if the table is full, in
 * milliseconds: a day.
 */
const GIVES_WAY_MS = 86_400_000;

/** How often the main thread is told, in milliseconds. */
const POST_MS = 1000;

const MINUTE_MICROS = 60_000_000;

/** What is known about a node. */
export type NodeState = { -readonly [Key in keyof NodeRow]: NodeRow[Key] };

/** What the activity needs to know about a request in hand. */
export interface Seen {
  /** The node that sent it; undefined if there are too many nodes. */
  node: NodeState | undefined;
  /** The local date that it counts for, as YYYYMMDD. */
  day: number;
  /** When it was received; by `performance.now`, in milliseconds. */
  receivedMs: number;
}

/** What the activity needs. */
export interface ActivityParts {
  readonly calendar: Calendar;
  readonly shared: Shared;
  readonly report: Report;
}

/** The activity of the nodes of one hub. It belongs to the receiver's thread. */
export class Activity {
  private readonly rows: NodeState[] = [];
  private readonly byName = new Map<string, NodeState>();
  /** Nodes with changes that the main thread does not know yet. */
  private readonly changed = new Set<NodeState>();
  private outcomes: { -readonly [Key in keyof StoreOutcomes]: StoreOutcomes[Key] } = {};
  private hasOutcome = false;
  private isNews = false;
  private postedMs = Number.NEGATIVE_INFINITY;
  private firstMessages = 0;
  /** Rises when a row comes or goes. */
  generation = 0;
  /**
   * The time of the current batch, in microseconds since 1970 UTC and in milliseconds by
   * `performance.now`.
   */
  private batchMicros = 0;
  private batchMs = Number.NaN;
  private readonly answers: Float64Array;
  /** The minute for which `day` was computed. Everywhere, days begin at whole minutes. */
  private minute = Number.NaN;
  private day = 0;

  constructor(private readonly parts: ActivityParts) {
    this.answers = histogramAt(parts.shared);
  }

  /** Whether there are changes to tell the main thread. */
  get pending(): boolean {
    return this.changed.size > 0 || this.hasOutcome || this.isNews;
  }

  /** All rows. A row is the same object as long as it is known. */
  get all(): readonly NodeState[] {
    return this.rows;
  }

  /** Takes in the nodes of an earlier run. Call it before anything is seen. */
  restore(nodes: readonly RememberedNode[]): void {
    for (const node of nodes.slice(0, NODES_MAX))
      this.changed.add(this.add({ ...newRow(node.name, this.rows.length), ...node }));
    // That is where they come from.
    this.isNews = false;
  }

  /**
   * Notes a message from a node.
   *
   * @param request the record of the request
   * @param nowMs by `performance.now`, in milliseconds; the same for a whole batch
   * @param addressOf returns the address of the sender; undefined if it is no longer known
   * @param receivedMicros when it arrived, in microseconds since 1970 UTC; undefined for just now
   */
  seen<Request extends Seen>(
    request: Request,
    name: string,
    nowMs: number,
    addressOf: (request: Request) => string | undefined,
    receivedMicros?: number,
  ): void {
    if (nowMs !== this.batchMs) {
      this.batchMs = nowMs;
      this.batchMicros = this.parts.calendar.now();
    }
    const micros = receivedMicros ?? this.batchMicros;
    const node = this.byName.get(name) ?? this.meet(name, request, addressOf);
    request.node = node;
    request.receivedMs = nowMs;
    if (node === undefined) return;
    request.day = this.dayOf(micros);
    if (node.day !== request.day) {
      node.day = request.day;
      node.images = 0;
      node.events = 0;
    }
    node.lastSeenMs = micros / 1000;
    // A node rarely moves, so once per message to the main thread is often enough.
    if (this.changed.has(node)) return;
    node.address = addressOf(request) ?? node.address;
    this.changed.add(node);
  }

  /** The request was a heartbeat. */
  heartbeat({ node }: Seen): void {
    if (node !== undefined) node.lastHeartbeatMs = node.lastSeenMs;
  }

  /** The request was stored. */
  stored({ node, day }: Seen, kind: "image" | "event"): void {
    this.setOutcome(kind, null);
    // The row may have gone to another node since.
    if (node === undefined || node.day !== day || this.rows[node.place] !== node) return;
    if (kind === "image") node.images++;
    else node.events++;
    this.changed.add(node);
  }

  /**
   * Notes that a slot could not be stored. @param code of the system error, such as `ENOSPC`;
   * undefined if the disk is not to blame
   */
  failed(kind: "image" | "event", reason: string, code: string | undefined): void {
    if (code !== undefined) this.setOutcome(kind, reason);
  }

  /** Notes why something was not in the bucket in time. */
  unconfirmed(reason: string): void {
    this.outcomes.bucket = reason;
    this.hasOutcome = true;
  }

  /**
   * Notes that a request is answered now, after a writer had it. @returns how long it took, in ms
   */
  answered({ receivedMs }: Seen, nowMs: number): number {
    const durationMs = nowMs - receivedMs;
    this.answeredAfter(durationMs);
    return durationMs;
  }

  /** Notes that the fast path answered a request, and how long it took. */
  answeredAfter(durationMs: number): void {
    observe(this.answers, durationMs);
  }

  /** A node of an earlier run has sent something for the first time in this one. */
  hasReturned(row: NodeState): void {
    this.sayFirst(row.name, row.address);
  }

  /** Sets after how many minutes a node counts as silent; null: after `patience`. */
  setSilentAfter(row: NodeState, minutes: number | null): void {
    if (row.silentAfter === minutes) return;
    row.silentAfter = minutes;
    this.changed.add(row);
  }

  /**
   * A node has fallen silent, or is heard again.
   *
   * @param awayMs how long it has sent nothing, in milliseconds
   * @param isTold whether the event log says that it is silent
   */
  setSilent(row: NodeState, isSilent: boolean, awayMs: number, isTold = false): void {
    row.silentSinceMs = isSilent ? this.parts.calendar.now() / 1000 : 0;
    row.awayMs = awayMs;
    row.isTold = isTold;
    this.changed.add(row);
    this.isNews = true;
  }

  /** Forgets rows. If their nodes send again, they are new. */
  forget(rows: readonly NodeState[]): void {
    for (const row of rows) {
      this.byName.delete(row.name);
      this.changed.delete(row);
      // The last row takes the place, so that there are no gaps.
      const last = this.rows.pop()!;
      if (last !== row) {
        last.place = row.place;
        this.rows[last.place] = last;
        this.changed.add(last);
      }
      this.generation++;
      this.isNews = true;
    }
  }

  /**
   * Returns the changes to report, if there are any and it is time. Call it about once a second
   * while `pending`.
   *
   * @param isUrgent whether it is time, however short the last time was ago
   */
  nextMessage(nowMs: number, isUrgent = false): ActivityMessage | undefined {
    if (!this.pending || (!isUrgent && nowMs - this.postedMs < POST_MS)) return undefined;
    this.postedMs = nowMs;
    const nodes = Array.from(this.changed, (row) => ({ ...row }));
    const { outcomes, isNews } = this;
    this.changed.clear();
    this.outcomes = {};
    this.hasOutcome = false;
    this.isNews = false;
    return { type: "activity", nodes, count: this.rows.length, isNews, outcomes };
  }

  private setOutcome(kind: "image" | "event", reason: string | null): void {
    this.outcomes[kind] = reason;
    this.hasOutcome = true;
  }

  private dayOf(micros: number): number {
    const minute = Math.floor(micros / MINUTE_MICROS);
    if (minute !== this.minute) {
      this.day = this.parts.calendar.local(micros).day;
      this.minute = minute;
    }
    return this.day;
  }

  /** A row for a new node. @returns undefined if there are too many nodes */
  private meet<Request extends Seen>(
    name: string,
    request: Request,
    addressOf: (request: Request) => string | undefined,
  ): NodeState | undefined {
    const place = this.placeFor(this.batchMicros / 1000);
    this.sayFirst(name, addressOf(request));
    if (place === undefined) return undefined;
    const old = this.rows[place];
    if (old !== undefined) {
      this.byName.delete(old.name);
      this.changed.delete(old);
    }
    return this.add(newRow(name, place));
  }

  private add(row: NodeState): NodeState {
    this.rows[row.place] = row;
    this.byName.set(row.name, row);
    this.generation++;
    this.isNews = true;
    return row;
  }

  private sayFirst(name: string, address = "an unknown address"): void {
    if (this.firstMessages >= NODES_MAX) return;
    this.firstMessages++;
    this.parts.report("info", `First message from ${name || "a node without a name"}`, { address });
    if (this.firstMessages < NODES_MAX) return;
    const text = `There are ${NODES_MAX} nodes: the first messages of further ones are not logged`;
    this.parts.report("warn", text);
  }

  private placeFor(nowMs: number): number | undefined {
    if (this.rows.length < NODES_MAX) return this.rows.length;
    const longest = this.rows.reduce((silent, row) =>
      row.lastSeenMs < silent.lastSeenMs ? row : silent,
    );
    return nowMs - longest.lastSeenMs > GIVES_WAY_MS ? longest.place : undefined;
  }
}

/** The row of a node that nothing is known about yet. */
export function newRow(name: string, place: number): NodeState {
  return {
    place,
    name,
    address: "",
    lastSeenMs: 0,
    lastHeartbeatMs: 0,
    day: 0,
    images: 0,
    events: 0,
    silentAfter: null,
    silentSinceMs: 0,
    isTold: false,
    awayMs: 0,
  };
}
