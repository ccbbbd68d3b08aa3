/**
 * What the flushers bring to the disk.
 *
 * @module
 */

import { existsSync, statSync } from "node:fs";
import type { Settings } from "../config/schema.ts";
import { close, openDirectory, syncFileSystem } from "../os/files.ts";
import type { FlushTask } from "../shared/messages.ts";
import { DataDirectory, Part } from "./data-directory.ts";
import type { DataGuard } from "./data-guard.ts";

/**
 * The task of each flusher: one for all, or two where `images` and `logs` are on two disks, so that
 * neither waits for the other one's.
 */
export function flushTasks({ data_directory, ack }: Settings): readonly FlushTask[] {
  const { path: data, images, logs } = new DataDirectory(data_directory);
  const [ofData, ofImages, ofLogs] = [data, images, logs].map(
    (folder) => statSync(folder, { throwIfNoEntry: false })?.dev,
  );
  // With `synced` there is nothing to be flushed.
  if (ofImages === ofLogs || ack === "synced")
    return [{ part: Part.images, folders: [data, images, logs] }];
  const isDataWithLogs = ofData === ofLogs;
  return [
    { part: Part.images, folders: isDataWithLogs ? [images] : [data, images] },
    { part: Part.logs, folders: isDataWithLogs ? [data, logs] : [logs] },
  ];
}

/**
 * Brings to the disk what was written to the folders of a task.
 *
 * @throws {DataDirectoryGone} where the path leads elsewhere now: what is there is not what was
 * written to
 * @throws {SystemError} of `os/ffi.ts`, and {Error} of node:fs
 */
export function flush(guard: DataGuard, { part, folders }: FlushTask): void {
  guard.check(part);
  // A folder that someone has removed is made again by who writes next. The others must not wait
  // for that.
  const present = folders.filter((folder) => existsSync(folder));
  const byDevice = new Map(present.map((folder) => [statSync(folder).dev, folder]));
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
