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
import { FAST_SLOTS, STORING_THREADS_MAX, WRITERS_MAX } from "../limits.ts";
import { type Address } from "../os/ffi.ts";
import { mapMemory } from "../os/memory.ts";
import { HISTOGRAM_NUMBERS } from "./histogram.ts";
import { layOut } from "./layout.ts";
import { SLOT_BYTES } from "./request-slot.ts";

/** Integers for four date folders; `store/date-folders.ts` has what stands where. */
export const DATE_FOLDERS_INTS = 12;

/** The same for the identity of the data directory; see `store/data-directory.ts`. */
const DATA_IDENTITY_INTS = 8;

/** The number of the receiver. Those of the threads that store are below it. */
export const RECEIVER_THREAD = STORING_THREADS_MAX;

const THREAD_LAYOUT = layOut([
  {
    /** The number of the last question that it has answered; see `liveness.ts`. */
    turned: 1,
    /** Of a thread that stores: the slot that it has in hand, plus 1; else 0. */
    inHand: 1,
    /** The same: how many slots it has taken so far. */
    taken: 1,
  },
]);

/** Where the integers of one thread stand, from {@link threadIntegersAt} on. */
export const ThreadInteger = THREAD_LAYOUT.at;

const LAYOUT = layOut([
  // Queue: next place to take work from, next place to put it, and how many writers wait for some.
  { workHead: 1 },
  { workTail: 1 },
  { idleWriters: 1 },
  // Queue: next place to put what is done, and whether the receiver sleeps.
  { doneTail: 1 },
  { receiverAsleep: 1 },
  {
    /** 1 when the hub is to stop. */
    stopping: 1,
    /** 1 when the keys of clients are to be read again. */
    reload: 1,
  },
  {
    /** Event log: its lock, and the day (YYYYMMDD) that it belongs to; 0 while that is unknown. */
    eventLogLock: 1,
    eventLogDay: 1,
    /** The earliest day (YYYYMMDD) that a right clock can show; see `store/clock-floor.ts`. */
    clockFloor: 1,
    /**
     * Events that wait for the event log: the one put there last, the next in turn, each plus 1,
     * and which writer has the turn; see `event-queue.ts`.
     */
    newestEvent: 1,
    oldestEvent: 1,
    eventTurn: 1,
  },
  { dateFoldersLock: 1 },
  { dateFolders: DATE_FOLDERS_INTS },
  // What the flushers are told; see `flushers.ts`.
  { unflushed: 1 },
  { flusherEnd: 1 },
  // For how many seconds the disk stalls; see `storing-threads.ts`.
  { stalledSeconds: 1 },
  {
    /** 1 while lines at debug are wanted. */
    debug: 1,
    /**
     * The data directory: a lock for taking a free name, what is wrong with it, and which one it
     * is; see `store/data-directory.ts`.
     */
    namesLock: 1,
    dataState: 1,
    dataIdentity: DATA_IDENTITY_INTS,
    /** The descriptor of its lock, plus 1; see `store/data-lock.ts`. */
    dataLock: 1,
  },
  // The loan of the socket; see `loan.ts`.
  { loanLock: 1 },
  { loanOut: 1, loanWatched: 1, loanReady: 1, loanEnd: 1 },
  // The number of the last question whether the threads turn; see `liveness.ts`.
  { asked: 1 },
  // For each thread that is asked; see `threadIntegersAt`.
  { threads: (STORING_THREADS_MAX + 1) * THREAD_LAYOUT.length },
]);

/** Where the integers stand in {@link Shared.integers}. */
export const Integer = LAYOUT.at;

/** @param thread the number of a thread that stores, or {@link RECEIVER_THREAD} */
export function threadIntegersAt(thread: number): number {
  return Integer.threads + thread * THREAD_LAYOUT.length;
}

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

const COUNTERS = Object.keys(Counter).length;

/** All of it; each thread is given the same. */
export interface Shared {
  readonly integers: Int32Array<SharedArrayBuffer>;
  readonly counters: Float64Array<SharedArrayBuffer>;
  /**
   * How long writes took, for each thread that stores; then how long answers took, for the
   * receiver. See {@link histogramAt}.
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
    integers: new Int32Array(new SharedArrayBuffer(LAYOUT.length * Int32Array.BYTES_PER_ELEMENT)),
    counters: new Float64Array(new SharedArrayBuffer(COUNTERS * Float64Array.BYTES_PER_ELEMENT)),
    histograms: new Float64Array(
      new SharedArrayBuffer(
        (STORING_THREADS_MAX + 1) * HISTOGRAM_NUMBERS * Float64Array.BYTES_PER_ELEMENT,
      ),
    ),
    work: new Int32Array(new SharedArrayBuffer(ring * Int32Array.BYTES_PER_ELEMENT)),
    done: new Int32Array(new SharedArrayBuffer(ring * Int32Array.BYTES_PER_ELEMENT)),
    nextEvents: new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT)),
    slots: mapMemory(count * SLOT_BYTES),
  };
}

/** The numbers of a thread's histogram, which it alone adds to. */
export function histogramAt(
  { histograms }: Shared,
  thread = RECEIVER_THREAD,
): Float64Array<SharedArrayBuffer> {
  const at = thread * HISTOGRAM_NUMBERS;
  return histograms.subarray(at, at + HISTOGRAM_NUMBERS);
}
