/**
 * The thread that archives: a round when it is asked for one. An archive that does not answer, such
 * as a NAS, holds up nobody else.
 *
 * @module
 */

import { lastSuccess, noteSuccess } from "../archive/last-success.ts";
import { archiveDays } from "../archive/round.ts";
import { UnchangedDays } from "../archive/unchanged.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import type { ArchiverMessage, ArchiveRound, ThreadStart, ToArchiver } from "../shared/messages.ts";
import { DataDirectory, Part } from "../store/data-directory.ts";
import { DataGuard } from "../store/data-guard.ts";
import { WorkLock } from "../store/work-lock.ts";
import { aliveTeller } from "./alive.ts";

declare const self: Worker;

const post = (message: ArchiverMessage): void => self.postMessage(message);

const log: Pick<Log, "info" | "warn"> = {
  info: (message, fields) => post({ type: "log", level: "info", message, fields }),
  warn: (message, fields) => post({ type: "log", level: "warn", message, fields }),
};

let isAskedToStop = false;
let unchanged: UnchangedDays | undefined;

const tellOfLife = aliveTeller(() => post({ type: "progress" }));

self.onmessage = async ({ data: message }: MessageEvent<ToArchiver>) => {
  if (message.type === "stop") {
    isAskedToStop = true;
    return;
  }
  const round = await doRound(message);
  post(round === undefined ? { type: "busy" } : { type: "archived", round });
};

/** @returns undefined if another process archives */
async function doRound({ settings, shared }: ThreadStart): Promise<ArchiveRound | undefined> {
  const calendar = new Calendar(systemClock);
  const directory = new DataDirectory(settings.data_directory);
  const guard = new DataGuard(directory, shared);
  const check = (): void => guard.check(Part.images);
  try {
    check();
    using lock = WorkLock.tryToTake(directory, "archive");
    if (lock === undefined) return undefined;
    const round = await archiveDays(settings.archive, directory, {
      today: calendar.local(calendar.now()).date,
      log,
      unchanged: (unchanged ??= new UnchangedDays(directory)),
      shouldStop: () => isAskedToStop,
      check,
      onProgress: tellOfLife,
    });
    if (round.problems.length > 0) return { ...round, lastGoodMs: lastSuccess(directory) };
    if (!round.isStopped) noteSuccess(directory, Date.now());
    return round;
  } catch (error) {
    const problem = `Cannot archive: ${messageOf(error)}`;
    log.warn(problem);
    const nothing = {
      days: [],
      files: 0,
      bytes: 0,
      mended: 0,
      foreign: 0,
      isStopped: false,
      isAway: false,
    };
    return { ...nothing, problems: [problem] };
  }
}
