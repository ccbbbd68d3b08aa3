/**
 * The thread that brings to the disk what the writers have put into the page cache, every `sync_interval` seconds, so that
 * a power cut costs no more than that. It waits for the disk in place of the writers.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { existsSync, statSync } from "node:fs";
import { close, openDirectory, syncFileSystem } from "../libc.ts";
import { DataDirectory, DataDirectoryGone } from "../store/data-directory.ts";
import type { FlusherMessage, ThreadStart } from "./messages.ts";
import { Integer } from "./shared.ts";

declare const self: Worker;

const post = (message: FlusherMessage): void => self.postMessage(message);

self.onmessage = ({ data: { settings, shared } }: MessageEvent<ThreadStart>) => {
  const { integers } = shared;
  const intervalMs = settings.sync_interval * 1000;
  const { data_directory: directory } = settings;
  const data = new DataDirectory(directory, shared);
  let isLast = false;
  let hasFailed = false;
  while (!isLast) {
    // Once more after the last request, so that a machine that is switched off behind a stop has it all.
    isLast = Atomics.wait(integers, Integer.flusherEnd, 0, intervalMs) !== "timed-out";
    if (Atomics.exchange(integers, Integer.unflushed, 0) === 0) continue;
    try {
      // What is at the path else is not what was written to.
      data.check();
      // One that someone has removed is made again by who writes next; the others must not wait for that.
      flush([directory, `${directory}/images`, `${directory}/logs`].filter((folder) => existsSync(folder)));
      if (hasFailed) post({ type: "flushed" });
      hasFailed = false;
    } catch (error) {
      Atomics.store(integers, Integer.unflushed, 1);
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
