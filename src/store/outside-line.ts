/**
 * A line in the event log from a command that runs beside the hub, or without it.
 *
 * @module
 */

import { type Calendar, threeDigits } from "../protocol/calendar.ts";
import { close, fsync, openAppend, openNew, writeBytes } from "../os/files.ts";
import { SystemError } from "../os/ffi.ts";
import type { DataDirectory } from "./data-directory.ts";
import { mend } from "./log-files.ts";

const MODE = 0o644;

/**
 * Appends a line with the current time, in a single write, and flushes it. If the hub gives the log
 * its dated name at this moment, the line is in that one. Only the hub rotates the log. A line of a
 * new day goes to the log that is there. A last line that a power cut has left unfinished is ended
 * before, as the hub does when it starts.
 *
 * @throws {SystemError}, {NotAFile} and {Error} of node:fs
 */
export function appendOutside(directory: DataDirectory, calendar: Calendar, text: string): void {
  const micros = calendar.now();
  const { date, hour, minute, second } = calendar.local(micros);
  const fd = open(directory.eventLog);
  try {
    mend(directory.eventLog);
    writeBytes(
      fd,
      Buffer.from(`${date} ${hour}:${minute}:${second},${threeDigits(micros)} ~ ${text}\n`),
    );
    fsync(fd);
  } finally {
    close(fd);
  }
}

function open(path: string): number {
  try {
    return openAppend(path);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "ENOENT") throw error;
    return openNew(path, MODE);
  }
}
