/**
 * The thread that keeps order: a round when it is asked for one.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { ArchiveView } from "../keep/archive-view.ts";
import { inAll } from "../keep/copies.ts";
import { reportOf } from "../keep/report.ts";
import { runRound } from "../keep/round.ts";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import { Counter, Integer } from "../shared/memory.ts";
import type { KeeperMessage, KeeperRound } from "../shared/messages.ts";
import { DataDirectory, Part } from "../store/data-directory.ts";
import { DataDirectoryGone, DataGuard } from "../store/data-guard.ts";
import { EventLog } from "../store/event-log.ts";
import { WorkLock } from "../store/work-lock.ts";
import { twoHoursAgo } from "../keep/age.ts";
import { copiesInBucket } from "../replicate/copies.ts";
import { aliveTeller } from "./alive.ts";

declare const self: Worker;

const post = (message: KeeperMessage): void => self.postMessage(message);

const tellOfLife = aliveTeller(() => post({ type: "progress" }));

self.onmessage = async ({ data: round }: MessageEvent<KeeperRound>) => {
  try {
    await keep(round);
  } catch (error) {
    // The watch of the data directory logs that it is gone.
    if (!(error instanceof DataDirectoryGone)) post({ type: "failed", reason: messageOf(error) });
  }
  // The names of many images were in its memory.
  Bun.gc(true);
  post({ type: "idle" });
};

async function keep({ settings, shared, seen, isFutile }: KeeperRound): Promise<void> {
  const directory = new DataDirectory(settings.data_directory);
  const guard = new DataGuard(directory, shared);
  guard.check(Part.images);
  // Another process deletes at the moment, so there is nothing to do.
  using lock = WorkLock.tryToTake(directory, "prune");
  if (lock === undefined) return;
  using archive = ArchiveView.of(settings.archive, directory);
  const bucket = await copiesInBucket(settings.replicate, directory, tellOfLife);
  const calendar = new Calendar(systemClock);
  // A line about a deletion must be on the disk before the note of it goes.
  const events = new EventLog(guard, calendar, shared, true);
  const round = await runRound({
    directory,
    settings,
    check: (part) => guard.check(part),
    seen,
    isFutile,
    storedBytes: () => shared.counters[Counter.imageBytes]!,
    until: twoHoursAgo(calendar),
    copies: inAll([archive, bucket]),
    isForced: false,
    isRehearsal: false,
    onCounted: tellOfLife,
    onPruned: tellOfLife,
    shouldStop: () => Atomics.load(shared.integers, Integer.stopping) !== 0,
    appendEvent: (text) => {
      events.append(text);
      post({ type: "log", level: "info", message: text });
    },
  });
  post(reportOf(round));
}
