/**
 * The memory that the threads of one hub share.
 *
 * One thread owns each thing at a time: a slot belongs to the receiver while it is free or
 * answered, to the queue while it waits, and to the writer that took it; those of the fast path say
 * themselves whose they are. The receiver alone changes the counters, and others read them.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { WRITERS_MAX } from "../limits.ts";
import { type Address } from "../os/ffi.ts";
import { mapMemory } from "../os/memory.ts";
import { HISTOGRAM_NUMBERS } from "./histogram.ts";
import { SLOT_BYTES } from "./request-slot.ts";

/**
 * Requests that the fast path can have received, or answered before the receiver has counted them.
 */
export const FAST_SLOTS = 128;

/**
 * Requests that may wait for the fast path at once; where there are more, it is time for the
 * writers to share the work. So there are slots for as many while as many others have not been
 * counted yet.
 */
export const FAST_BATCH = FAST_SLOTS / 2;

/**
 * Threads that store: the writers, and the fast path, whose number is the next one behind theirs.
 */
const STORING_MAX = WRITERS_MAX + 1;

/**
 * One cache line: threads that write to integers on different lines do not slow each other down.
 */
const LINE_INTS = 16;

/**
 * Where the receiver stands among the threads that are asked whether they turn; a writer stands at
 * its number, from 0.
 */
export const RECEIVER_THREAD = -1;

/** Where the single integers stand in {@link Shared.integers}. */
export const Integer = {
  /**
   * Queue: next place to take work from, next place to put it, and how many writers wait for some.
   */
  workHead: 0,
  workTail: LINE_INTS,
  idleWriters: 2 * LINE_INTS,
  /** Queue: next place to put what is done, and whether the receiver sleeps. */
  doneTail: 3 * LINE_INTS,
  receiverAsleep: 4 * LINE_INTS,
  /** 1 when the hub is to stop. */
  stopping: 5 * LINE_INTS,
  /** 1 when the keys of clients are to be read again. */
  reload: 5 * LINE_INTS + 1,
  /**
   * Event log: its lock, and the day (YYYYMMDD) that the log now belongs to; 0 when that is not
   * known.
   */
  eventLogLock: 6 * LINE_INTS,
  eventLogDay: 6 * LINE_INTS + 1,
  /** The earliest day (YYYYMMDD) on which a right clock can stand; see `store/clock-floor.ts`. */
  clockFloor: 6 * LINE_INTS + 2,
  /**
   * Events that wait for the event log: the one put there last, the next in turn, each plus 1, and
   * which writer has the turn; see `event-queue.ts`.
   */
  newestEvent: 6 * LINE_INTS + 3,
  oldestEvent: 6 * LINE_INTS + 4,
  eventTurn: 6 * LINE_INTS + 5,
  /** Date folders: their lock, then what `store/date-folders.ts` knows of each. */
  dateFoldersLock: 7 * LINE_INTS,
  dateFolders: 8 * LINE_INTS,
  /** When something was written, a bit for each flusher that has not brought it to the disk yet. */
  unflushed: 9 * LINE_INTS,
  /** 1 when the flushers are to end. */
  flusherEnd: 10 * LINE_INTS,
  /**
   * For how many seconds a writer has waited for the disk with the same request; 0 while the disk
   * does not stall.
   */
  stalledSeconds: 11 * LINE_INTS,
  /** 1 while lines at debug are wanted. */
  debug: 12 * LINE_INTS,
  /**
   * The data directory: a lock for taking a free name, what is wrong with it, and which one it is;
   * see `store/data-directory.ts`.
   */
  namesLock: 12 * LINE_INTS + 1,
  dataState: 12 * LINE_INTS + 2,
  dataIdentity: 12 * LINE_INTS + 3,
  /** The descriptor of its lock, plus 1; see `store/data-lock.ts`. */
  dataLock: 12 * LINE_INTS + 11,
  /** The loan of the socket, see `shared/loan.ts`. */
  loanLock: 13 * LINE_INTS,
  loanOut: 14 * LINE_INTS,
  loanWatched: 14 * LINE_INTS + 1,
  loanReady: 14 * LINE_INTS + 2,
  loanEnd: 14 * LINE_INTS + 3,
  /**
   * Liveness: the number of the last question, and which each thread has answered last: those that
   * store, and before them the receiver.
   */
  asked: 15 * LINE_INTS,
  turned: 16 * LINE_INTS,
  /** For each thread that stores: the slot that it has in hand, plus 1; else 0. */
  inHand: 17 * LINE_INTS + STORING_MAX,
  /** The same: how many slots it has taken so far. */
  taken: 18 * LINE_INTS + 2 * STORING_MAX,
} as const;

const INTEGERS = 18 * LINE_INTS + 3 * STORING_MAX;

/** {@link Integer.unflushed} for all flushers: there are two at most. */
export const UNFLUSHED = 0b11;

/** What the receiver counts, by index in {@link Shared.counters}. */
export const Counter = {
  images: 0,
  imageBytes: 1,
  imagesOverCap: 2,
  events: 3,
  heartbeats: 4,
  /** imagenode's test images. */
  tests: 5,
  /** Requests that made no sense, answered `ERROR`. */
  refused: 6,
  /** Requests that could not be stored, answered `ERROR`. */
  failed: 7,
  /** Connections that were refused or closed by the hub. */
  denied: 8,
  /** Connections that stand now. */
  connections: 9,
  /** Requests taken in and not yet stored, now. */
  queued: 10,
  /** Those of `failed` that were events. */
  eventsFailed: 11,
  /** Those of images, imagesOverCap and events that the fast path answered. */
  fastPath: 12,
  /** Messages without a label, answered and not kept. */
  unlabelled: 13,
  /** Messages of publishers that were dropped, as there was no room for them. */
  dropped: 14,
  /** Publishers that are connected now. */
  publishersConnected: 15,
} as const;

const COUNTERS = 24;

/** All of it; each thread is given the same. */
export interface Shared {
  readonly integers: Int32Array<SharedArrayBuffer>;
  readonly counters: Float64Array<SharedArrayBuffer>;
  /**
   * How long answers took, by the receiver; then how long writes took, by each thread that stores.
   * See {@link histogramAt}.
   */
  readonly histograms: Float64Array<SharedArrayBuffer>;
  /** Slot numbers on their way to the writers and back: rings. */
  readonly work: Int32Array<SharedArrayBuffer>;
  readonly done: Int32Array<SharedArrayBuffer>;
  /** For each slot with an event in it the one behind it; see `event-queue.ts`. */
  readonly nextEvents: Int32Array<SharedArrayBuffer>;
  /**
   * Where the slots are, outside what any thread's collector counts; pages that are never used take
   * no memory.
   */
  readonly slots: Address;
}

/**
 * How many requests can be in the hub at once: one of each connection, and `queuemax` further ones
 * of those that send ahead of their replies, or went and came again while the disk stalls.
 */
export function slotsFor({ queuemax, max_connections }: Settings): number {
  return queuemax + max_connections;
}

/** Behind the slots: a place for a request that finds none, and then those of the fast path. */
export function firstFastSlot(slots: number): number {
  return slots + 1;
}

/** @param slots requests that can be in the hub at once */
export function createShared(slots: number): Shared {
  const count = firstFastSlot(slots) + FAST_SLOTS;
  // The work ring also carries a word to each writer that it is to end; `queue.ts` wants a power of
  // two.
  const ring = 2 ** Math.ceil(Math.log2(count + WRITERS_MAX));
  return {
    integers: new Int32Array(new SharedArrayBuffer(INTEGERS * Int32Array.BYTES_PER_ELEMENT)),
    counters: new Float64Array(new SharedArrayBuffer(COUNTERS * Float64Array.BYTES_PER_ELEMENT)),
    histograms: new Float64Array(
      new SharedArrayBuffer((1 + STORING_MAX) * HISTOGRAM_NUMBERS * Float64Array.BYTES_PER_ELEMENT),
    ),
    work: new Int32Array(new SharedArrayBuffer(ring * Int32Array.BYTES_PER_ELEMENT)),
    done: new Int32Array(new SharedArrayBuffer(ring * Int32Array.BYTES_PER_ELEMENT)),
    nextEvents: new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT)),
    slots: mapMemory(count * SLOT_BYTES),
  };
}

/**
 * The numbers of one histogram. @param writer the number of a thread that stores; undefined: of the
 * receiver
 */
export function histogramAt(
  { histograms }: Shared,
  writer?: number,
): Float64Array<SharedArrayBuffer> {
  const at = (writer === undefined ? 0 : 1 + writer) * HISTOGRAM_NUMBERS;
  return histograms.subarray(at, at + HISTOGRAM_NUMBERS);
}
