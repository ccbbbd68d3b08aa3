/**
 * The rules for what is deleted, as the settings under `keep` give them.
 *
 * @module
 */

import { bytesIn } from "../config/quantity.ts";
import type { Settings } from "../config/schema.ts";

/** Limits of one camera. 0 stands for none. */
export interface CameraLimits {
  /** undefined: those of all cameras. */
  readonly days: number | undefined;
  readonly maxBytes: number;
}

/** The rules of one hub. 0 stands for no limit. */
export class Rules {
  readonly days: number;
  readonly minDays: number;
  readonly maxBytes: number;
  /** As written: the disk's size is needed to know how many bytes it is. */
  readonly minFree: Settings["keep"]["min_free"];
  private readonly cameras: readonly (CameraLimits & { readonly pattern: RegExp })[];
  private readonly found = new Map<string, number>();

  constructor(keep: Settings["keep"]) {
    this.days = keep.days;
    this.minDays = keep.min_days;
    this.maxBytes = bytesIn(keep.max_bytes) ?? 0;
    this.minFree = keep.min_free;
    this.cameras = keep.cameras.map(({ match, days, max_bytes }) => ({
      pattern: patternOf(match),
      days,
      maxBytes: bytesIn(max_bytes) ?? 0,
    }));
  }

  /** Whether a rule may delete images. */
  get areAny(): boolean {
    const { days, maxBytes, minFree, hasCameras } = this;
    return days > 0 || maxBytes > 0 || Number(minFree) !== 0 || hasCameras;
  }

  /** Whether cameras have limits of their own. */
  get hasCameras(): boolean {
    return this.cameras.length > 0;
  }

  /** The limits of a camera: those of the first entry that matches. */
  limitsOf(camera: string): CameraLimits {
    return this.cameras[this.entryOf(camera)] ?? NO_LIMITS;
  }

  /** The place of the first entry that matches a camera; -1 if there is none. */
  entryOf(camera: string): number {
    let entry = this.found.get(camera);
    if (entry === undefined) {
      entry = this.cameras.findIndex(({ pattern }) => pattern.test(camera));
      this.found.set(camera, entry);
    }
    return entry;
  }
}

const NO_LIMITS: CameraLimits = { days: undefined, maxBytes: 0 };

/**
 * A pattern for the whole name of a camera. Names of files have `-` for spaces, so a pattern may
 * have either.
 *
 * @param match in which `*` stands for any characters, such as `Barn*`
 */
export function patternOf(match: string): RegExp {
  const parts = match.replaceAll(" ", "-").split("*");
  return new RegExp(`^${parts.map((part) => RegExp.escape(part)).join(".*")}$`, "su");
}
