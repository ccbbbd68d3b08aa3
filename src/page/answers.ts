/**
 * The answers of the hub's HTTP API, as docs/API.md describes them. The hub makes them, and the
 * page reads them.
 *
 * @module
 */

import type { OutletState } from "../shared/outlet-state.ts";
import type { ReplicationState } from "../shared/replication-state.ts";

/** An image in a list. `time` is a local time of day, such as `23:13:31.620992`. */
export interface Image {
  readonly name: string;
  readonly camera: string;
  readonly time: string;
  readonly protected: boolean;
}

/** A part of a day's images, in the order of their times. */
export interface ImageList {
  readonly date: string;
  readonly total: number;
  /** How many come before the first one here. */
  readonly offset: number;
  /** If a time was asked for: how many come before it. */
  readonly place?: number;
  readonly images: readonly Image[];
}

/** What is known of one image. */
export interface ImageInfo extends Image {
  readonly date: string;
  readonly bytes: number;
  readonly width?: number | null;
  readonly height?: number | null;
}

/** A line of the event log. `node` is null for the hub's own lines. */
export interface HubEvent {
  readonly date: string;
  /** Such as `23:13:31,620`. */
  readonly time: string;
  readonly text: string;
  readonly node: string | null;
  /** In the view of many hubs: which one has it. */
  readonly hub?: string;
  readonly type?: string;
  readonly value?: string;
  /** If the value begins with a number. */
  readonly number?: number;
  readonly unit?: string;
}

/** An image that was stored just now. */
export interface LiveImage {
  readonly date: string;
  readonly name: string;
  readonly camera: string;
  readonly time: string;
}

/** A node that has just fallen silent, or speaks again. */
export interface LiveNode {
  readonly node: string;
  readonly silent: boolean;
}

/** A day in the list of days. */
export interface DaySummary {
  readonly date: string;
  /** In the view of many hubs: `false` if the numbers are not known yet, or not all of them. */
  readonly counted?: boolean;
  readonly images: number;
  readonly bytes: number;
  readonly events: number;
  readonly protected: number;
  /** null if there is no archive, or it cannot be asked. */
  readonly archived: boolean | null;
  readonly cameras: readonly {
    readonly name: string;
    readonly images: number;
    readonly bytes: number;
  }[];
  readonly pruned: readonly {
    readonly at: string;
    readonly reason: string;
    readonly images: number;
    readonly until: string | null;
  }[];
}

/** All days, the earliest first, and the hub's clock. */
export interface Days {
  readonly zone: string;
  /** Such as `2018-12-30T23:13:31.620992`, in that zone. */
  readonly now: string;
  readonly today: string;
  readonly days: readonly DaySummary[];
  /** Only in the view of many hubs, where nothing can be changed. */
  readonly hubs?: readonly ViewedHub[];
}

/** A hub in the view of many. Names of its cameras and nodes begin with its own and a colon. */
export interface ViewedHub {
  readonly name: string;
  readonly zone: string;
  /** Its local time and date. */
  readonly now: string;
  readonly today: string;
  /** Whether it tells what it stores; null if its address is not set. */
  readonly live: boolean | null;
}

/** A minute of the day, from 0 to 1439, and how many there are in it. */
export type MinuteCount = readonly [minute: number, count: number];

/** One day by minutes. */
export interface DayOverview {
  readonly date: string;
  readonly images: number;
  readonly cameras: readonly DayCamera[];
  readonly events: number;
  readonly eventMinutes: readonly MinuteCount[];
}

/** A camera of a day. */
export interface DayCamera {
  readonly name: string;
  readonly images: number;
  /** The times of its first and its last image. */
  readonly first: string;
  readonly last: string;
  /** Minutes without images are left out. */
  readonly minutes: readonly MinuteCount[];
}

/** A camera with its latest image. */
export interface Camera {
  readonly name: string;
  readonly latest: { readonly date: string; readonly name: string; readonly time: string };
  readonly imagesToday: number;
}

/** What the page uses of `api/status`. */
export interface Status {
  readonly version: string;
  /** An instant in UTC, as the others here. */
  readonly time: string;
  readonly settings: { readonly port?: number; readonly patience: number };
  readonly disk: {
    readonly free_bytes: number;
    readonly size_bytes: number;
    readonly outlook: "unknown" | "never" | "filling" | "blocked";
    readonly full_in_days: number | null;
  };
  readonly kept: { readonly images: number; readonly bytes: number; readonly days: number } | null;
  readonly notices: readonly string[];
  /** Who is told what is stored. Older hubs have none. */
  readonly outlets?: readonly OutletState[];
  /** The copy in a bucket; null if there is none. Older hubs have no such field. */
  readonly replication?: ReplicationState | null;
  /** Sends an image from the hub's own machine. Older hubs have none. */
  readonly send_command?: string | null;
  readonly nodes: readonly {
    readonly node: string;
    readonly view: string;
    readonly last_seen: string;
    readonly silent: boolean;
  }[];
}
