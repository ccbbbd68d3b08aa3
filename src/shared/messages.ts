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

/** The first and only message to a thread: all that it needs. */
export interface ThreadStart {
  readonly settings: Settings;
  readonly shared: Shared;
  /** The events that wake the receiver and the fast path, as file descriptors. */
  readonly wakeFd: number;
  readonly loanFd: number;
  /**
   * The number of a thread that stores: of a writer, from 0, and behind them of the fast path; of a
   * flusher, from 0; of no meaning for the others.
   */
  readonly writer: number;
  /** What a flusher brings to the disk. */
  readonly folders: readonly string[];
  /** What the file of the data directory's lock holds. */
  readonly lockText: string;
  /** What the fast path is lent; undefined until the receiver listens. */
  readonly socket: LendableSocket | undefined;
}

/** A line for the log. */
interface LogMessage {
  readonly type: "log";
  readonly level: LogLevel;
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
}

/** From a writer, or the fast path. */
export type WriterMessage = { readonly type: "ready" };

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
  /** It does not, and ends. `code` is the errno's name where that is one of the system's. */
  | {
      readonly type: "bindFailed";
      readonly endpoint: string;
      readonly code: string;
      readonly reason: string;
    }
  /**
   * It has stopped; `unanswered` requests were taken in and neither stored nor answered in time.
   */
  | { readonly type: "stopped"; readonly unanswered: number }
  | ActivityMessage
  | LogMessage;
