/**
 * Flushing to disk.
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
 * The tasks of the flushers: one for everything, or two if `images` and `logs` are on different
 * disks, so neither waits for the other.
 */
export function flushTasks({ data_directory, ack }: Settings): readonly FlushTask[] {
  const { path: data, images, logs } = new DataDirectory(data_directory);
  const [ofData, ofImages, ofLogs] = [data, images, logs].map(
    (folder) => statSync(folder, { throwIfNoEntry: false })?.dev,
  );
  // With `synced`, there is nothing to flush.
  if (ofImages === ofLogs || ack === "synced")
    return [{ part: Part.images, folders: [data, images, logs] }];
  const isDataWithLogs = ofData === ofLogs;
  return [
    { part: Part.images, folders: isDataWithLogs ? [images] : [data, images] },
    { part: Part.logs, folders: isDataWithLogs ? [data, logs] : [logs] },
  ];
}

/**
 * Flushes everything written to the folders of a task.
 *
 * @throws {DataDirectoryGone} if the path leads to another directory now, which is not the one
 * written to
 * @throws {SystemError} of `os/ffi.ts`, and {Error} of node:fs
 */
export function flush(guard: DataGuard, { part, folders }: FlushTask): void {
  guard.check(part);
  // If someone has removed a folder, the next writer makes it again. The other folders must not
  // wait for that.
  const present = folders.filter((folder) => existsSync(folder));
  const byDevice = new Map(present.map((folder) => [statSync(folder).dev, folder]));
  for (const folder of byDevice.values()) {
    // Open it each time, so the file system can be unmounted in between.
    const fd = openDirectory(folder);
    try {
      syncFileSystem(fd);
    } finally {
      close(fd);
    }
  }
}
