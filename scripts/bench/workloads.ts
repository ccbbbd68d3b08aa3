/**
 * The workloads: who sends what, and how fast.
 *
 * @module
 */

import type { Ack } from "./candidates.ts";
import type { PayloadName } from "./payloads.ts";

/** A variant of a workload. */
export interface Variant {
  /** Its name within the workload; empty if it is the only one. */
  readonly label: string;
  /** Number of senders that connect. */
  readonly senders: number;
  /** Number of senders that send; default all. */
  readonly talking?: number;
  /** Number of files in the date folder at the start. */
  readonly filler?: number;
}

/** One workload. */
export interface Workload {
  readonly name: string;
  readonly what: string;
  /**
   * - `full`: as fast as answers come
   * - `paced`: at `rate`
   * - `idle`: nothing is sent
   * - `memory`: a number of images; memory is read after each quarter
   * - `start`: from the start to the first answer
   */
  readonly kind: "full" | "paced" | "idle" | "memory" | "start";
  readonly payload: PayloadName;
  readonly variants: readonly [Variant, ...Variant[]];
  /** Requests per second of each sender. */
  readonly rate?: number;
  readonly where: "tmpfs" | "disk";
  readonly ack: Ack;
  /** Minimum measured time, in seconds: if the hub does little, it uses few clock ticks. */
  readonly secondsMin?: number;
  /** Maximum rounds, if one is enough. */
  readonly roundsMax?: number;
}

/**
 * Load before the measured time, in seconds. A hub runs for years, so its first moments are not
 * measured.
 */
export const WARMUP_S = 1;

/** Images of the workload `memory`, also for a short run. */
export const MEMORY_IMAGES = 100_000;
export const MEMORY_IMAGES_SHORT = 400;

/** Number of senders in the workloads with many. */
const MANY = 1000;

/** Files in a full folder, also for a short run. */
const FILLER_FILES = 200_000;
export const FILLER_FILES_SHORT = 500;

type Rest = Partial<Omit<Workload, "name" | "what">> & { readonly senders?: number };

function workload(name: string, what: string, { senders = 8, ...rest }: Rest = {}): Workload {
  const variants: Workload["variants"] = [{ label: "", senders }];
  return {
    name,
    what,
    kind: "full",
    payload: "jpeg",
    variants,
    where: "tmpfs",
    ack: "stored",
    ...rest,
  };
}

/** Numbers of senders in the workloads `images-…`. */
export const IMAGES_SENDERS = [1, 4, 8, 16, 64] as const;

const few: Variant = { label: "8 connected", senders: 8 };

/** All workloads, in order. */
export const WORKLOADS: readonly Workload[] = [
  ...IMAGES_SENDERS.map((senders) =>
    workload(
      `images-${senders}`,
      `JPEGs of 45 KB as fast as they are answered, senders: ${senders}`,
      {
        senders,
      },
    ),
  ),
  workload("images-1mb", "JPEGs of 1 MB from 8 senders", { payload: "jpeg-1mb" }),
  workload("raw", "arrays of 640x480 from 8 senders, which the hub encodes as JPEG", {
    payload: "raw",
  }),
  workload("events", "events of 60 bytes from 8 senders, against appended lines", {
    payload: "event",
  }),
  workload("paced-120", "120 images per second, 10 from each of 12 senders", {
    kind: "paced",
    senders: 12,
    rate: 10,
    secondsMin: 5,
  }),
  workload("paced-360", "360 images per second, 30 from each of 12 senders", {
    kind: "paced",
    senders: 12,
    rate: 30,
    secondsMin: 5,
  }),
  workload("idle", "nothing is sent", { kind: "idle", secondsMin: 10, roundsMax: 2 }),
  workload("memory", "resident memory after 25,000, 50,000, 75,000 and 100,000 images", {
    kind: "memory",
    roundsMax: 1,
  }),
  workload("connected-1000", "8 senders alone, and with 992 more that are only connected", {
    variants: [few, { label: "1,000 connected, 8 send", senders: MANY, talking: 8 }],
  }),
  workload("all-1000", "8 senders, and 1,000", {
    variants: [few, { label: "1,000 send", senders: MANY }],
  }),
  workload("full-folder", "into an empty date folder, and into one with 200,000 files", {
    variants: [
      { label: "empty folder", senders: 8 },
      { label: "full folder", senders: 8, filler: FILLER_FILES },
    ],
  }),
  workload("ack-stored", "8 senders, on a disk, ack: stored", { where: "disk" }),
  workload("ack-received", "8 senders, on a disk, ack: received", {
    where: "disk",
    ack: "received",
  }),
  workload("ack-synced", "8 senders, on a disk, ack: synced, against the same system calls", {
    where: "disk",
    ack: "synced",
  }),
  workload("start", "from the start of the process to the first answer", {
    kind: "start",
    senders: 1,
  }),
];
