/**
 * The thread that waits for the disk in place of the others: it brings to it what the writers have
 * put into the page cache, every `sync_interval` seconds, so that a power cut costs no more than
 * that; and the first one looks whether the data directory is still there, and the clock right.
 * Where `logs` is on another disk than `images`, there is one for each, so that neither waits for
 * the other's.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { existsSync, statSync } from "node:fs";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import { close, openDirectory, syncFileSystem } from "../os/files.ts";
import type { Log } from "../log/log.ts";
import { ClockWatch } from "../store/clock-floor.ts";
import { DataDirectory, Part } from "../store/data-directory.ts";
import { DataDirectoryGone, DataGuard } from "../store/data-guard.ts";
import { DataLock } from "../store/data-lock.ts";
import { DataWatch } from "../store/data-watch.ts";
import { COMMITTED_S } from "../version.ts";
import type { FlusherMessage, ThreadStart } from "../shared/messages.ts";
import { Integer } from "../shared/memory.ts";

declare const self: Worker;

/** How often it looks after the data directory, in milliseconds. */
const LOOK_MS = 1000;

/** What is due so soon is done now, in milliseconds: one wake-up for both. */
const SOON_MS = 100;

const post = (message: FlusherMessage): void => self.postMessage(message);

self.onmessage = ({
  data: { settings, shared, lockText, writer: number, folders },
}: MessageEvent<ThreadStart>) => {
  const { integers } = shared;
  const isFirst = number === 0;
  const bit = 1 << number;
  // With `synced` there is nothing left to flush.
  const intervalMs =
    settings.ack === "synced" ? Number.POSITIVE_INFINITY : settings.sync_interval * 1000;
  const directory = new DataDirectory(settings.data_directory);
  const guard = new DataGuard(directory, shared);
  const log: Pick<Log, "info" | "warn"> = {
    info: (message, fields) => post({ type: "log", level: "info", message, fields }),
    warn: (message, fields) => post({ type: "log", level: "warn", message, fields }),
  };
  const watch = new DataWatch(guard, new DataLock(directory, shared, lockText), log);
  const clock = new ClockWatch(directory, new Calendar(systemClock), shared, log, COMMITTED_S);
  if (isFirst) clock.look();
  let flushMs = performance.now() + intervalMs;
  let lookMs = isFirst ? performance.now() + LOOK_MS : Number.POSITIVE_INFINITY;
  let isLast = false;
  let hasFailed = false;
  while (!isLast) {
    const waitMs = Math.max(0, Math.min(flushMs, lookMs) - performance.now());
    // Once more after the last request, so that a machine that is switched off behind a stop has it
    // all.
    isLast = Atomics.wait(integers, Integer.flusherEnd, 0, waitMs) !== "timed-out";
    const dueMs = performance.now() + SOON_MS;
    if (dueMs >= lookMs) {
      watch.look();
      clock.look();
      lookMs = performance.now() + LOOK_MS;
    }
    if (intervalMs === Number.POSITIVE_INFINITY || (!isLast && dueMs < flushMs)) continue;
    flushMs = performance.now() + intervalMs;
    if ((Atomics.and(integers, Integer.unflushed, ~bit) & bit) === 0) continue;
    try {
      // What is at the path else is not what was written to.
      guard.check(isFirst ? Part.images : Part.logs);
      // One that someone has removed is made again by who writes next; the others must not wait for
      // that.
      flush(folders.filter((folder) => existsSync(folder)));
      if (hasFailed) post({ type: "flushed" });
      hasFailed = false;
    } catch (error) {
      Atomics.or(integers, Integer.unflushed, bit);
      // The watch of the data directory tells that.
      if (error instanceof DataDirectoryGone) continue;
      hasFailed = true;
      post({ type: "flushFailed", reason: messageOf(error) });
    }
  }
  post({ type: "ended" });
};

/** Flushes the file systems that the folders are on, each once. */
function flush(folders: readonly string[]): void {
  const byDevice = new Map(folders.map((folder) => [statSync(folder).dev, folder]));
  for (const folder of byDevice.values()) {
    // Opened each time, so that no file system is kept from being unmounted in between.
    const fd = openDirectory(folder);
    try {
      syncFileSystem(fd);
    } finally {
      close(fd);
    }
  }
}
