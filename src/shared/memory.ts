/**
 * The memory that the threads of one hub share.
 *
 * One thread at a time owns each thing. A slot belongs to the receiver while it is free or
 * answered, to the queue while it waits, and to the writer that took it. A slot of the fast path
 * records its owner. Only the receiver changes the counters; other threads read them.
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

/** Integers for four date folders, laid out in `store/date-folders.ts`. */
export const DATE_FOLDERS_INTS = 12;

/** Integers for the identity of the data directory, laid out in `store/data-guard.ts`. */
const DATA_IDENTITY_INTS = 8;

/** The number of the receiver. The threads that store have lower numbers. */
export const RECEIVER_THREAD = STORING_THREADS_MAX;

const THREAD_LAYOUT = layOut([
  {
    /** The number of the last question that it has answered; see `liveness.ts`. */
    turned: 1,
    /** For a thread that stores: the slot that it has in hand, plus 1; otherwise 0. */
    inHand: 1,
    /** For a thread that stores: the number of slots it has taken so far. */
    taken: 1,
  },
]);

/** The positions of one thread's integers, from {@link threadIntegersAt} on. */
export const ThreadInteger = THREAD_LAYOUT.at;

const LAYOUT = layOut([
  // Queue: the next places to take work from and to put it, and the number of waiting writers.
  { workHead: 1 },
  { workTail: 1 },
  { idleWriters: 1 },
  // Queue: the next place for a finished slot, and whether the receiver sleeps.
  { doneTail: 1 },
  { receiverAsleep: 1 },
  {
    /** 1 if the hub must stop. */
    stopping: 1,
    /** 1 if the clients' keys must be read again. */
    reload: 1,
    /** 1 if the receiver has orders in its port. */
    ordered: 1,
    /** 1 if the replicator has told the receiver something through their port. */
    bucketNews: 1,
  },
  {
    /** Event log: its lock, and its day (YYYYMMDD); 0 while unknown. */
    eventLogLock: 1,
    eventLogDay: 1,
    /** The earliest day (YYYYMMDD) that a correct clock can show; see `store/clock-floor.ts`. */
    clockFloor: 1,
    /**
     * Events that wait for the event log: the latest one and the next one in turn, each plus 1, and
     * the writer with the turn; see `event-queue.ts`.
     */
    newestEvent: 1,
    oldestEvent: 1,
    eventTurn: 1,
  },
  { dateFoldersLock: 1 },
  { dateFolders: DATE_FOLDERS_INTS },
  // Messages to the flushers; see `flushers.ts`.
  { unflushed: 1 },
  { flusherEnd: 1 },
  // How long the disk has stalled, in seconds; see `storing-threads.ts`.
  { stalledSeconds: 1 },
  {
    /** 1 while debug lines are wanted. */
    debug: 1,
    /**
     * The data directory: a lock for taking a free name, what is wrong with it, and its identity;
     * see `store/data-guard.ts`.
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
  // The number of the last question to the threads; see `liveness.ts`.
  { asked: 1 },
  // For each thread that is asked; see `threadIntegersAt`.
  { threads: (STORING_THREADS_MAX + 1) * THREAD_LAYOUT.length },
]);

/** The positions of integers in {@link Shared.integers}. */
export const Integer = LAYOUT.at;

/** @param thread the number of a thread that stores, or {@link RECEIVER_THREAD} */
export function threadIntegersAt(thread: number): number {
  return Integer.threads + thread * THREAD_LAYOUT.length;
}

/** The receiver's counters, by index in {@link Shared.counters}. */
export const Counter = {
  images: 0,
  imageBytes: 1,
  imagesOverCap: 2,
  events: 3,
  heartbeats: 4,
  /** Test images of imagenode. */
  tests: 5,
  /** Invalid requests, answered `ERROR`. */
  refused: 6,
  /** Requests that could not be stored, answered `ERROR`. */
  failed: 7,
  /** Connections that the hub refused or closed. */
  denied: 8,
  /** Open connections. */
  connections: 9,
  /** Requests received but not yet stored. */
  queued: 10,
  /** Failed requests that were events. */
  eventsFailed: 11,
  /** Images, images over the cap and events that the fast path answered. */
  fastPath: 12,
  /** Messages without a label, answered but not stored. */
  unlabelled: 13,
  /** Messages of publishers that were dropped for lack of room. */
  dropped: 14,
  /** Connected publishers. */
  publishersConnected: 15,
  /** With `ack: replicated`: requests that are stored and not yet in the bucket. */
  awaitingBucket: 16,
  /** Those that were not in the bucket in time, answered `ERROR`. */
  unconfirmed: 17,
} as const;

const COUNTERS = Object.keys(Counter).length;

/** All shared memory. Each thread is given the same. */
export interface Shared {
  readonly integers: Int32Array<SharedArrayBuffer>;
  readonly counters: Float64Array<SharedArrayBuffer>;
  /**
   * Durations of writes, for each thread that stores; then durations of answers, for the receiver.
   * See {@link histogramAt}.
   */
  readonly histograms: Float64Array<SharedArrayBuffer>;
  /** Slot numbers on their way to the writers and back: rings. */
  readonly work: Int32Array<SharedArrayBuffer>;
  readonly done: Int32Array<SharedArrayBuffer>;
  /** For each slot with an event, the next one; see `event-queue.ts`. */
  readonly nextEvents: Int32Array<SharedArrayBuffer>;
  /** The address of the slots, outside the JavaScript heaps. Unused pages take no memory. */
  readonly slots: Address;
}

/**
 * How many requests can be in the hub at once: one per connection, plus `queuemax`. The latter are
 * for senders that send ahead of their replies, or reconnected while the disk stalls.
 */
export function slotsFor({ queuemax, max_connections }: Settings): number {
  return queuemax + max_connections;
}

/** After the slots: one for a request that finds none free, then those of the fast path. */
export function firstFastSlot(slots: number): number {
  return slots + 1;
}

/** @param slots maximum requests in the hub at once */
export function createShared(slots: number): Shared {
  const count = firstFastSlot(slots) + FAST_SLOTS;
  // The work ring also carries one end mark per writer. `queue.ts` needs a power of two.
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

/** The numbers of a thread's histogram. Only that thread adds to it. */
export function histogramAt(
  { histograms }: Shared,
  thread = RECEIVER_THREAD,
): Float64Array<SharedArrayBuffer> {
  const at = thread * HISTOGRAM_NUMBERS;
  return histograms.subarray(at, at + HISTOGRAM_NUMBERS);
}
