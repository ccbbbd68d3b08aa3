/**
 * The state of the archive, as the main thread knows it from the rounds of the archiver.
 *
 * @module
 */

import type { ArchiveRound } from "../shared/messages.ts";
import { inWords } from "./kept.ts";
import { RoundWatch } from "./round-watch.ts";

const DAY_MS = 86_400_000;

/** The archive of one hub. */
export class ArchiveState {
  /** Files and bytes that were copied since the start. */
  files = 0;
  bytes = 0;
  /**
   * When a round last ended without a problem, in milliseconds since 1970; undefined if that is not
   * known. Of one before the start of the hub, it is known to within an hour.
   */
  lastGoodMs: number | undefined;
  private problems: readonly string[] = [];
  private readonly startedMs = Date.now();
  readonly watch = new RoundWatch();

  /** Takes in the outcome of a round. */
  add({ files, bytes, problems, isStopped, lastGoodMs }: ArchiveRound): void {
    this.files += files;
    this.bytes += bytes;
    this.problems = problems;
    if (problems.length === 0 && !isStopped) this.lastGoodMs = Date.now();
    this.lastGoodMs ??= lastGoodMs;
  }

  /** What is wrong, with its age; undefined if nothing is. */
  get problem(): string | undefined {
    const [first, ...others] = this.watch.isSilent ? ["Its disk does not respond"] : this.problems;
    if (first === undefined) return undefined;
    const age = inWords((Date.now() - (this.lastGoodMs ?? this.startedMs)) / DAY_MS);
    // What was before the start is not known: the archive itself cannot be asked now.
    const since =
      this.lastGoodMs === undefined ? `since the hub started, ${age} ago` : `for ${age}`;
    const more = others.length === 0 ? "" : `, and ${others.length} more`;
    return `The archive has not been up to date ${since}: ${first}${more}`;
  }
}
