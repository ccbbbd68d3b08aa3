/**
 * Messages that the hub's threads send by `postMessage`. They are few, and none is sent per image:
 * images go through the queue.
 *
 * @module
 */

import type { LogLevel } from "../log/format.ts";
import type { Address } from "../os/ffi.ts";
import type { Settings } from "../config/schema.ts";
import type { Shared } from "./memory.ts";
import type { ReplicationState } from "./replication-state.ts";

/**
 * The receiver's socket, for lending it to another thread: its address, and the descriptor to poll.
 */
export interface LendableSocket {
  readonly address: Address;
  readonly descriptor: number;
}

/** The first and only message to a thread: everything it needs. */
export interface ThreadStart {
  readonly settings: Settings;
  readonly shared: Shared;
}

/** To a writer. */
export interface WriterStart extends ThreadStart {
  /** Its number, from 0. */
  readonly number: number;
  /** The event that wakes the receiver, as a file descriptor. */
  readonly receiverWakeFd: number;
}

/** To a thread that uses the socket. */
interface SocketThreadStart extends ThreadStart {
  /** The events that wake the receiver and the fast path, as file descriptors. */
  readonly receiverWakeFd: number;
  readonly fastPathWakeFd: number;
}

/** To the receiver. */
export interface ReceiverStart extends SocketThreadStart {
  /** The nodes of an earlier run. */
  readonly remembered: readonly RememberedNode[];
  /** Where {@link ToReceiver} comes. The receiver looks there when the queue says so. */
  readonly orders: MessagePort;
}

/** To the receiver while it runs. */
export type ToReceiver =
  /** A node and its views are to be forgotten. */
  | { readonly type: "forget"; readonly node: string }
  /** Whether each camera's connection is to end with its next reply. */
  | { readonly type: "letGo"; readonly isWanted: boolean }
  /** A replicator has begun: from now on, {@link BucketWait} goes there, and its answers come. */
  | { readonly type: "bucket"; readonly port: MessagePort };

/** To the fast path, when the receiver listens. */
export interface FastPathStart extends SocketThreadStart {
  /** The socket to borrow. */
  readonly socket: LendableSocket;
}

/** What one flusher flushes to disk. */
export interface FlushTask {
  /** The part of the data directory, one of `Part` of `store/data-directory.ts`. */
  readonly part: 0 | 1;
  /** Absolute paths. */
  readonly folders: readonly string[];
}

/** To a flusher. */
export interface FlusherStart extends ThreadStart {
  /** Its number, from 0. */
  readonly number: number;
  readonly task: FlushTask;
  /**
   * The content of the data directory's lock file, for the flusher that watches the directory and
   * the clock; undefined for the other one.
   */
  readonly lockText: string | undefined;
}

/** To the archiver. */
export type ToArchiver =
  /** Everything it needs for one round. */
  | ({ readonly type: "round" } & ThreadStart)
  /** It ends after the file in hand. The next round continues. */
  | { readonly type: "stop" };

/** What one round of the archiver has done. */
export interface ArchiveRound {
  /** Whether the archive itself is not there, or not the right one. */
  readonly isAway: boolean;
  /** The days that got a manifest, or a new one. */
  readonly days: readonly string[];
  /** Files that were copied, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Those of them that replace a damaged copy in the archive. */
  readonly mended: number;
  /** Files in the folders of those days that are not the hub's, and were left out. */
  readonly foreign: number;
  /** What could not be archived, and why; complete messages. */
  readonly problems: readonly string[];
  /** Whether it was asked to stop before it was through. */
  readonly isStopped: boolean;
  /** That the archive was taken over from another name, as a message; undefined if it was not. */
  readonly takenOver?: string | undefined;
  /**
   * If it did not end well: when one last did, to within an hour, in milliseconds since 1970;
   * undefined if that is not known.
   */
  readonly lastGoodMs?: number | undefined;
}

/** A line for the log. */
export interface LogMessage {
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
  /** What was written may not be on the disk. The flusher tries again after its interval. */
  | { readonly type: "flushFailed"; readonly reason: string }
  /** The first success after that. */
  | { readonly type: "flushed" }
  | LogMessage
  /** It has flushed for the last time. */
  | { readonly type: "ended" };

/** From the archiver. */
export type ArchiverMessage =
  | LogMessage
  /** It has done its round. */
  | { readonly type: "archived"; readonly round: ArchiveRound }
  /** It is alive, and at work on a day. */
  | { readonly type: "progress" }
  /** Another process archives right now. */
  | { readonly type: "busy" };

/**
 * What could or could not be stored since the previous message: null if the last try succeeded,
 * otherwise the reason.
 */
export interface StoreOutcomes {
  readonly image?: string | null;
  readonly event?: string | null;
  /** Why something was not in the bucket in time. */
  readonly bucket?: string;
}

/** A node, or a view of a node, as the receiver knows it. */
export interface NodeRow {
  /** Its number in the table, from 0. */
  readonly place: number;
  /** Field 0 of its texts: the node, or the node and the view. */
  readonly name: string;
  /** The address of its last message, e.g. `192.168.86.41`. */
  readonly address: string;
  /** The time of its last message, in milliseconds since 1970. */
  readonly lastSeenMs: number;
  /** The time of its last heartbeat, in milliseconds since 1970; 0 if none. */
  readonly lastHeartbeatMs: number;
  /**
   * The local date of its last message as YYYYMMDD, and what it stored on that date since the hub's
   * start.
   */
  readonly day: number;
  readonly images: number;
  readonly events: number;
  /**
   * After how many minutes the node counts as silent, by the setting `cameras`; null: after
   * `patience`.
   */
  readonly silentAfter: number | null;
  /**
   * Since when the node counts as silent, in milliseconds since 1970; 0 if it does not. It is the
   * same for all views of a node.
   */
  readonly silentSinceMs: number;
  /** Whether the event log has a line about this silence. */
  readonly isTold: boolean;
  /**
   * How long the node had sent nothing when it last fell silent or came back in this run, in
   * milliseconds, as the log has it; 0 if it did neither.
   */
  readonly awayMs: number;
}

/** What is kept of a {@link NodeRow} over a restart. */
export type RememberedNode = Pick<
  NodeRow,
  "name" | "address" | "lastSeenMs" | "lastHeartbeatMs" | "silentSinceMs" | "isTold"
>;

/** A node that a person has had forgotten. */
export interface ForgottenNode {
  readonly name: string;
  /** In milliseconds since 1970. */
  readonly atMs: number;
}

/** Recent activity: nodes that have changed, and outcomes. Sent at most once a second. */
export interface ActivityMessage {
  readonly type: "activity";
  readonly nodes: readonly NodeRow[];
  /** How many rows the table has now. Those from this place on are gone. */
  readonly count: number;
  /** Whether a node is new, was forgotten, or has fallen silent or come back. */
  readonly isNews: boolean;
  readonly outcomes: StoreOutcomes;
}

/** What a running hub has seen of its clock and its days: see `keep/age.ts`. */
export interface SeenDays {
  /** The local date of the clock. */
  readonly today: string;
  /** The earliest date that the clock has shown within a day; undefined if it ran for less. */
  readonly confirmed: string | undefined;
  /** Days in which the hub has stored images within the last hour, and the last day. */
  readonly storedLastHour: readonly string[];
  readonly storedLastDay: readonly string[];
}

/** To the keeper: one round. */
export interface KeeperRound extends ThreadStart {
  readonly seen: SeenDays;
  /** Whether deleting has just freed nothing, so that `keep.min_free` waits. */
  readonly isFutile: boolean;
}

/** What is kept, after a round of the keeper. */
export interface KeepReport {
  readonly type: "report";
  /** Days with images, and the earliest of them. */
  readonly days: number;
  readonly firstDay: string | undefined;
  readonly images: number;
  readonly bytes: number;
  readonly protectedImages: number;
  readonly cameras: readonly {
    readonly name: string;
    readonly images: number;
    readonly bytes: number;
  }[];
  /** What a day of the last week has taken; 0 if no day is over yet. */
  readonly bytesPerDay: number;
  readonly outlook: Outlook;
  /** Days until the disk is full; undefined if it will not be, or nothing is known. */
  readonly fullInDays: number | undefined;
  /** What this round has deleted, by the name of the setting. */
  readonly pruned: readonly {
    readonly reason: string;
    readonly count: number;
    readonly bytes: number;
  }[];
  /** `keep.min_free` as it is in force: 0 if it is a mistake, less if it waits for a person. */
  readonly minFree: Settings["keep"]["min_free"];
  /** Whether `keep.min_free` cannot be kept, whatever is deleted. */
  readonly isHelpless: boolean;
  /** Whether that is because deleting frees nothing. */
  readonly isFutile: boolean;
  /** Rules that are off or cannot be kept, and why. */
  readonly problems: readonly string[];
}

/**
 * Whether the disk will be full: `unknown` if no day of the last week has images and is over,
 * `never` if the rules prevent it, `filling` if no rule does, `blocked` if the rules would, but too
 * much may not be deleted.
 */
export type Outlook = "unknown" | "never" | "filling" | "blocked";

/** From the keeper. */
export type KeeperMessage =
  | KeepReport
  | LogMessage
  /** Its round is alive. */
  | { readonly type: "progress" }
  /** Its round has failed, and why. */
  | { readonly type: "failed"; readonly reason: string }
  /** Its round is over, whatever came of it. */
  | { readonly type: "idle" };

/** From the receiver. */
export type ReceiverMessage =
  /** It listens. */
  | { readonly type: "bound"; readonly endpoint: string; readonly socket: LendableSocket }
  /** It cannot listen, and ends. The reason is a complete message. */
  | { readonly type: "bindFailed"; readonly reason: string }
  /**
   * It has stopped. `unanswered` requests were received but neither stored nor answered in time.
   */
  | { readonly type: "stopped"; readonly unanswered: number }
  /** It has forgotten a node, which had so many rows. */
  | { readonly type: "forgotten"; readonly node: string; readonly rows: number }
  | ActivityMessage
  | LogMessage;

/** What a thread that answers must know of an HTTP request. */
export interface ViewRequest {
  readonly method: string;
  readonly path: string;
  /** As in the address, without its `?`. */
  readonly query: string;
  /** By name, in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** To the viewer. */
export type ToViewer =
  | { readonly type: "start"; readonly settings: Settings }
  /** Make the answer to a request. */
  | { readonly type: "ask"; readonly id: number; readonly request: ViewRequest }
  /** Make the next part of an answer. */
  | { readonly type: "next"; readonly id: number }
  /** Nobody waits for this answer any more. */
  | { readonly type: "gone"; readonly id: number }
  /** The health of the hub, whenever it changes. */
  | { readonly type: "health"; readonly health: HubHealth }
  /** All nodes, whenever one falls silent or speaks again. */
  | { readonly type: "nodes"; readonly nodes: readonly NodeState[] };

/** What a person should know of the hub. */
export interface HubHealth {
  readonly healthy: boolean;
  readonly reasons: readonly string[];
  readonly notices: readonly string[];
}

/** Whether a node is silent. Times are such as `2026-11-22T15:04:05.123Z`. */
export interface NodeState {
  readonly node: string;
  readonly silent: boolean;
  /** When its last message came. */
  readonly last_seen: string;
  /** After how many minutes it counts as silent; null: after `patience`. */
  readonly silent_after: number | null;
  /** Since when it counts as silent; null if it does not. */
  readonly silent_since: string | null;
  /** Of it and its views, stored today since the hub's start. */
  readonly images_today: number;
}

/** A node, for those who are told. */
export interface ToldNode extends NodeState, Pick<NodeRow, "awayMs"> {}

/** From the viewer. */
export type ViewerMessage =
  /** The beginning of an answer. */
  | {
      readonly type: "answer";
      readonly id: number;
      readonly status: number;
      readonly contentType: string;
      readonly headers: Readonly<Record<string, string>>;
      /** Of the whole body in bytes; undefined if it is not known before. */
      readonly length: number | undefined;
      /** undefined: it comes in parts. */
      readonly body: Uint8Array | undefined;
    }
  /** A part of an answer; undefined at its end. */
  | { readonly type: "part"; readonly id: number; readonly bytes: Uint8Array | undefined }
  /** An answer breaks off. */
  | { readonly type: "broken"; readonly id: number; readonly reason: string }
  | LogMessage;

/** What is known of the hub itself, for those who are told. */
export interface HubState {
  readonly health: HubHealth;
  readonly nodes: readonly ToldNode[];
  /** The names of nodes that were forgotten. Some may be among `nodes` again. */
  readonly forgotten: readonly string[];
  /** Images in today's folder. */
  readonly imagesToday: number;
  readonly freeBytes: number;
  readonly sizeBytes: number;
  readonly outlook: Outlook;
  /** Days until the disk is full; undefined if it will not be, or nothing is known. */
  readonly fullInDays: number | undefined;
  /** That the disk will soon be full, as a message; undefined if not. */
  readonly diskWarning: string | undefined;
}

/** To the replicator. */
export type ToReplicator =
  | ({ readonly type: "start" } & ReplicatorStart)
  /** What is on its way has a moment. */
  | { readonly type: "stop" };

/** From the replicator. */
export type ReplicatorMessage =
  | { readonly type: "state"; readonly state: ReplicationState }
  /** It has ended. */
  | { readonly type: "stopped" }
  | LogMessage;

/** What the replicator needs. */
export interface ReplicatorStart extends ThreadStart {
  /** With `ack: replicated`: what connects it with the receiver. */
  readonly receiver:
    | {
        /** Where {@link BucketWait} comes, and {@link BucketNews} goes. */
        readonly port: MessagePort;
        /** The event that wakes the receiver, as a file descriptor. */
        readonly wakeFd: number;
      }
    | undefined;
}

/** From the receiver to the replicator: a camera waits until this is in the bucket. */
export interface BucketWait {
  /** Never used again. */
  readonly ticket: number;
  readonly kind: "image" | "event";
  /** See `RequestSlot.storedAt`. */
  readonly storedAt: string;
  /** In bytes, about. */
  readonly bytes: number;
  /** How long the camera still waits, in milliseconds. */
  readonly leftMs: number;
}

/** From the replicator to the receiver. */
export type BucketNews =
  /** It is in the bucket; or it cannot be there, for a reason. */
  | { readonly type: "done"; readonly ticket: number; readonly refusal: string | undefined }
  /** Why nothing gets into the bucket now; undefined: it does. */
  | { readonly type: "trouble"; readonly reason: string | undefined };
