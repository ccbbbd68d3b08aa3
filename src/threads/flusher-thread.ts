/**
 * The thread that waits for the disk instead of the others. Every `sync_interval` seconds it
 * flushes what the writers have put into the page cache, so a power cut loses no more than that.
 * One flusher also checks the data directory and the clock. If `logs` is on another disk than
 * `images`, there is one for each, so neither waits for the other.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import type { Log } from "../log/log.ts";
import { ClockWatch } from "../store/clock-floor.ts";
import { DataDirectory } from "../store/data-directory.ts";
import { DataDirectoryGone, DataGuard } from "../store/data-guard.ts";
import { DataLock } from "../store/data-lock.ts";
import { DataWatch } from "../store/data-watch.ts";
import { flush } from "../store/flush.ts";
import { COMMITTED_S } from "../version.ts";
import { Flushers } from "../shared/flushers.ts";
import type { FlusherMessage, FlusherStart } from "../shared/messages.ts";

declare const self: Worker;

/** How often to check the data directory and the clock, in milliseconds. */
const LOOK_MS = 1000;

/** What is due within this time is done now, in milliseconds: one wake-up for both. */
const SOON_MS = 100;

const post = (message: FlusherMessage): void => self.postMessage(message);

const log: Pick<Log, "info" | "warn"> = {
  info: (message, fields) => post({ type: "log", level: "info", message, fields }),
  warn: (message, fields) => post({ type: "log", level: "warn", message, fields }),
};

self.onmessage = ({ data: start }: MessageEvent<FlusherStart>) => {
  const { settings, shared, number, task } = start;
  const flushers = new Flushers(shared);
  // With `synced`, nothing is left to flush.
  const intervalMs =
    settings.ack === "synced" ? Number.POSITIVE_INFINITY : settings.sync_interval * 1000;
  const guard = new DataGuard(new DataDirectory(settings.data_directory), shared);
  const watches = watchesOf(start, guard);
  watches?.clock.look();
  let flushMs = performance.now() + intervalMs;
  let lookMs = watches === undefined ? Number.POSITIVE_INFINITY : performance.now() + LOOK_MS;
  let isLast = false;
  let hasFailed = false;
  while (!isLast) {
    const waitMs = Math.max(0, Math.min(flushMs, lookMs) - performance.now());
    // Once more after the last request, so a machine that is switched off after a stop has
    // everything on its disk.
    isLast = flushers.waitForEnd(waitMs);
    const dueMs = performance.now() + SOON_MS;
    if (watches !== undefined && dueMs >= lookMs) {
      watches.data.look();
      watches.clock.look();
      lookMs = performance.now() + LOOK_MS;
    }
    if (intervalMs === Number.POSITIVE_INFINITY || (!isLast && dueMs < flushMs)) continue;
    flushMs = performance.now() + intervalMs;
    if (!flushers.askWritten(number)) continue;
    try {
      flush(guard, task);
      if (hasFailed) post({ type: "flushed" });
      hasFailed = false;
    } catch (error) {
      flushers.notFlushed(number);
      // The watch of the data directory logs this.
      if (error instanceof DataDirectoryGone) continue;
      hasFailed = true;
      post({ type: "flushFailed", reason: messageOf(error) });
    }
  }
  post({ type: "ended" });
};

/** What one flusher watches; undefined for the other one. */
function watchesOf(
  { shared, lockText }: FlusherStart,
  guard: DataGuard,
): { readonly data: DataWatch; readonly clock: ClockWatch } | undefined {
  if (lockText === undefined) return undefined;
  const { directory } = guard;
  return {
    data: new DataWatch(guard, new DataLock(directory, shared, lockText), log),
    clock: new ClockWatch(directory, new Calendar(systemClock), shared, log, COMMITTED_S),
  };
}
