/**
 * What the bucket has otherwise than this disk. It is told, and left as it is.
 *
 * @module
 */

import { LOGS } from "../archive/layout.ts";
import type { Keys } from "./layout.ts";

/** A path of what is, or is in, the manifest of a day; a segment of a log is not. */
const OF_DAY = /^(?:images\/|logs\/imagehub\.log\.|manifests\/)([^-/]+-\d\d-\d\d)/;

/** How many files that differ are named in the log. */
const TOLD_MAX = 100;

/** The files that differ. */
export class Differences {
  private readonly paths = new Set<string>();
  /** Days that get no manifest for it. */
  private readonly days = new Set<string>();

  /** @param error logs an error */
  constructor(
    private readonly keys: Keys,
    private readonly error: (message: string) => void,
  ) {}

  get count(): number {
    return this.paths.size;
  }

  /** Whether a path differs. */
  readonly has = (path: string): boolean =>
    // A set, however empty, makes one string of each path, which takes memory.
    this.paths.size > 0 && this.paths.has(path);

  /** Whether anything of a day does. */
  hasAnyOf(date: string): boolean {
    return this.days.has(date);
  }

  /** The bucket has something else under this path. */
  readonly note = (path: string): void => {
    const [, date] = OF_DAY.exec(path) ?? [];
    if (date !== undefined) this.days.add(date);
    if (this.paths.has(path)) return;
    this.paths.add(path);
    const isOfLines = path.startsWith(`${LOGS}/`) && date === undefined;
    const here = isOfLines ? "the event log" : path;
    if (this.count <= TOLD_MAX)
      this.error(
        `${this.keys.of(path)} in the bucket differs from ${here} here. It is left as it is`,
      );
    if (this.count === TOLD_MAX)
      this.error("More files that differ in the bucket are only counted");
  };

  /** The bucket is another one. */
  clear(): void {
    this.paths.clear();
    this.days.clear();
  }
}
