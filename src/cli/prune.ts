/**
 * `imagehub prune`: does what the hub does every few minutes, now: deletes what the rules under
 * `keep` no longer keep.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import type { Status } from "../http/status.ts";
import { ArchiveView } from "../keep/archive-view.ts";
import { twoHoursAgo } from "../keep/age.ts";
import { inAll } from "../keep/copies.ts";
import { formatRecord } from "../catalog/record.ts";
import { type Round, type RoundParts, runRound } from "../keep/round.ts";
import { escape } from "../log/fields.ts";
import { copiesInBucket } from "../replicate/copies.ts";
import { realPath } from "../service/mount.ts";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import { createShared } from "../shared/memory.ts";
import { DataDirectory, Part } from "../store/data-directory.ts";
import { DataGuard } from "../store/data-guard.ts";
import { appendOutside } from "../store/outside-line.ts";
import { alone, Interruption } from "./archive-work.ts";
import { actAsOwner } from "./as-owner.ts";
import type { SettingsOptions } from "./check.ts";
import { Progress } from "./progress.ts";
import { settingsFor } from "./settings-for.ts";
import { statusOfOwn } from "./status.ts";

/** What `prune` was asked for. */
export interface PruneOptions extends SettingsOptions {
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Deletes what is due. @throws {FatalError} if the data directory cannot be read or written */
export async function prune(options: PruneOptions): Promise<ExitStatus> {
  const settings = settingsFor(options);
  const directory = new DataDirectory(settings.data_directory);
  const isRehearsal = options.dryRun === true;
  actAsOwner(directory, "prune", !isRehearsal);
  let round: Round;
  let isStopped = false;
  try {
    const guard = new DataGuard(directory, createShared(1));
    guard.adopt();
    // After that: what is at the path now is what the hub is asked about.
    await refuseIfHubDoes(settings);
    const calendar = new Calendar(systemClock);
    using archive = ArchiveView.of(settings.archive, directory);
    const bucket = await copiesInBucket(settings.replicate, directory);
    using interruption = new Interruption();
    using counting = new Progress("days counted");
    using deleting = new Progress("images deleted");
    const parts: RoundParts = {
      directory,
      settings,
      check: (part) => guard.check(part),
      seen: {
        today: calendar.local(calendar.now()).date,
        confirmed: undefined,
        storedLastHour: [],
        storedLastDay: [],
      },
      isFutile: false,
      storedBytes: () => 0,
      until: twoHoursAgo(calendar),
      copies: inAll([archive, bucket]),
      isForced: options.force === true,
      isRehearsal,
      shouldStop: interruption.shouldStop,
      appendEvent: (text) => {
        // Another directory at this path has not lost anything.
        guard.check(Part.logs);
        appendOutside(directory, calendar, text);
      },
      onCounted: (done, total) => counting.show(done, total),
      onPruned: (images) => deleting.show(images),
    };
    round = isRehearsal
      ? await runRound(parts)
      : await alone(directory, "prune", async () => runRound(parts));
    isStopped = interruption.shouldStop();
  } catch (cause) {
    if (cause instanceof FatalError) throw cause;
    throw new FatalError(EXIT.data, `Cannot prune ${directory.path}: ${messageOf(cause)}`, {
      cause,
    });
  }
  process.stdout.write(
    options.json === true ? formatJson(round, isRehearsal, isStopped) : format(round, isRehearsal),
  );
  if (options.json !== true) {
    for (const line of round.problems) process.stderr.write(`${escape(line)}\n`);
    if (isStopped) process.stderr.write("Stopped; the next run continues\n");
  }
  const isWhole = round.problems.length === 0 && !round.needsForce && !round.hasFailed;
  return isWhole && !isStopped ? EXIT.ok : EXIT.failure;
}

/**
 * The hub that runs knows the directory that it was started with, and this command only what is at
 * the path. A hub that does not answer says nothing.
 *
 * @throws {FatalError} if it says that this is another one
 */
async function refuseIfHubDoes(settings: Settings): Promise<void> {
  let hub: Status | undefined;
  try {
    hub = await statusOfOwn(settings);
  } catch (error) {
    if (error instanceof FatalError) return;
    throw error;
  }
  const problem = hub?.data_directory_problem ?? null;
  const [own, its] = [settings.data_directory, hub?.settings.data_directory ?? ""];
  // The hub may have been told of a link to it.
  if (problem === null || (own !== its && realPath(own) !== realPath(its))) return;
  throw new FatalError(
    EXIT.data,
    `Nothing is deleted, as the running hub stores nothing here: ${problem}`,
  );
}

/** For a person: a line for each reason. */
function format({ pruned, problems }: Round, isRehearsal: boolean): string {
  if (pruned.length === 0)
    return problems.length > 0 ? "Nothing is deleted\n" : "Nothing is due to be deleted\n";
  return pruned
    .map((record) => formatRecord(record))
    .map((line) => `${isRehearsal ? line.replace("Pruned", "Would delete") : line}\n`)
    .join("");
}

function formatJson(round: Round, isRehearsal: boolean, isStopped: boolean): string {
  const { pruned, problems, needsForce } = round;
  const answer = {
    dry_run: isRehearsal,
    pruned,
    problems,
    needs_force: needsForce,
    stopped: isStopped,
  };
  return `${JSON.stringify(answer, null, 2)}\n`;
}
