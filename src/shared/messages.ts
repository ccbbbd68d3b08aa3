/**
 * What the threads of the hub say to each other by `postMessage`: little, and never on the way of
 * an image. That goes through the queue.
 *
 * @module
 */

import type { LogLevel } from "../log/format.ts";
import type { Address } from "../os/ffi.ts";
import type { Settings } from "../config/schema.ts";
import type { Shared } from "./memory.ts";

/**
 * The receiver's socket, as another thread can be lent it: where it is, and what to poll for it.
 */
export interface LendableSocket {
  readonly address: Address;
  readonly descriptor: number;
}

/** The first and only message to a thread: what each needs. */
interface ThreadStart {
  readonly settings: Settings;
  readonly shared: Shared;
}

/** To a writer. */
export interface WriterStart extends ThreadStart {
  /** From 0. */
  readonly number: number;
  /** The event that wakes the receiver, as a file descriptor. */
  readonly receiverWakeFd: number;
}

/** To the receiver. */
export interface ReceiverStart extends ThreadStart {
  /** The events that wake the receiver and the fast path, as file descriptors. */
  readonly receiverWakeFd: number;
  readonly fastPathWakeFd: number;
}

/** To the fast path, when the receiver listens. */
export interface FastPathStart extends ReceiverStart {
  /** What it is lent. */
  readonly socket: LendableSocket;
}

/** What one flusher brings to the disk. */
export interface FlushTask {
  /** The part of the data directory that it is for, one of `Part` of `store/data-directory.ts`. */
  readonly part: 0 | 1;
  /** Absolute paths. */
  readonly folders: readonly string[];
}

/** To a flusher. */
export interface FlusherStart extends ThreadStart {
  /** From 0. */
  readonly number: number;
  readonly task: FlushTask;
  /**
   * What the file of the data directory's lock holds, for the flusher that watches the directory
   * and the clock; undefined for another one.
   */
  readonly lockText: string | undefined;
}

/** A line for the log. */
interface LogMessage {
  readonly type: "log";
  readonly level: LogLevel;
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
}

/** From a writer or the fast path: it waits for work. */
export interface ReadyMessage {
  readonly type: "ready";
}

/** From a flusher. */
export type FlusherMessage =
  /** What was written may not be on the disk; it tries again after its interval. */
  | { readonly type: "flushFailed"; readonly reason: string }
  /** The first time that it could again after that. */
  | { readonly type: "flushed" }
  | LogMessage
  /** It has flushed a last time. */
  | { readonly type: "ended" };

/**
 * What could or could not be stored last, since the message before: null where it could, else why
 * not.
 */
export interface StoreOutcomes {
  readonly image?: string | null;
  readonly event?: string | null;
}

/** A node, or a view of one, as far as the receiver knows. */
export interface NodeRow {
  /** Its number in the table, from 0. */
  readonly place: number;
  /** Field 0 of its texts: the node, or the node and the view. */
  readonly name: string;
  /** Where its last message came from, e.g. `192.168.86.41`. */
  readonly address: string;
  /** When that was, in milliseconds since 1970. */
  readonly lastSeenMs: number;
  /** When its last heartbeat came, likewise; 0: none did. */
  readonly lastHeartbeatMs: number;
  /**
   * The local date of its last message as YYYYMMDD, and what was stored of it on that date, since
   * the hub's start.
   */
  readonly day: number;
  readonly images: number;
  readonly events: number;
}

/**
 * What has come of late: the nodes of which something has, and what became of it. At most one a
 * second.
 */
export interface ActivityMessage {
  readonly type: "activity";
  readonly nodes: readonly NodeRow[];
  readonly outcomes: StoreOutcomes;
}

/** From the receiver. */
export type ReceiverMessage =
  /** It listens. */
  | { readonly type: "bound"; readonly endpoint: string; readonly socket: LendableSocket }
  /** It does not, and ends. The reason is a whole message. */
  | { readonly type: "bindFailed"; readonly reason: string }
  /**
   * It has stopped; `unanswered` requests were taken in and neither stored nor answered in time.
   */
  | { readonly type: "stopped"; readonly unanswered: number }
  | ActivityMessage
  | LogMessage;
