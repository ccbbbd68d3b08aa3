/**
 * `imagehub protect` and `unprotect`: images that no rule may delete.
 *
 * @module
 */

import { statSync } from "node:fs";
import path from "node:path";
import type { Amount } from "../catalog/kept.ts";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { Protection, type ProtectionResult } from "../keep/protect.ts";
import { dateInName, type Selection, selectionsOf } from "../keep/selection.ts";
import { escape } from "../log/fields.ts";
import { realPath } from "../service/mount.ts";
import { DataDirectory } from "../store/data-directory.ts";
import { WorkLock } from "../store/work-lock.ts";
import { actAsOwner } from "./as-owner.ts";
import type { SettingsOptions } from "./check.ts";
import { Progress } from "./progress.ts";
import { settingsFor } from "./settings-for.ts";
import { counted, firstOf, grouped, size } from "../log/amounts.ts";

/** What `protect` and `unprotect` were asked for. */
export interface ProtectOptions extends SettingsOptions {
  readonly camera?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Which of the two commands it is. */
export type ProtectCommand = "protect" | "unprotect";

/** How many problems are printed for a person. */
const PROBLEMS_MAX = 20;

/**
 * Protects images, or does so no more.
 *
 * @param wishes names of images, paths to them, and dates
 * @returns `EXIT.failure` if something was left as it is
 * @throws {FatalError} if it cannot be done
 */
export function protect(
  command: ProtectCommand,
  wishes: readonly string[],
  options: ProtectOptions,
): ExitStatus {
  const directory = new DataDirectory(settingsFor(options).data_directory);
  const selections = selectionsFor(wishes, directory, options);
  const result = act(command, directory, selections, options);
  if (options.json === true) {
    const { problems, ...amounts } = result;
    const answer = { data_directory: directory.path, dry_run: options.dryRun === true, ...amounts };
    process.stdout.write(`${JSON.stringify({ ...answer, problems }, null, 2)}\n`);
  } else {
    process.stdout.write(formatResult(command, result, options.dryRun === true));
    process.stderr.write(formatProblems(result.problems));
  }
  return result.problems.length > 0 ? EXIT.failure : EXIT.ok;
}

/** @throws {FatalError} if a word is neither an image nor a day */
function selectionsFor(
  wishes: readonly string[],
  directory: DataDirectory,
  { camera }: ProtectOptions,
): Selection[] {
  const selections = selectionsOf(wishes.map((wish) => nameIn(wish, directory)));
  if (typeof selections === "string") {
    throw new FatalError(
      EXIT.usage,
      `${escape(selections)} is neither a day such as 2026-11-20 nor the name of an image of the hub`,
    );
  }
  if (camera !== undefined && selections.some(({ names }) => names.size > 0))
    throw new FatalError(EXIT.usage, "--camera chooses images of a day; it does not go with names");
  return selections;
}

/**
 * The name of the image that a path leads to, in either of the folders of its day.
 *
 * @throws {FatalError} if it is somewhere else
 */
function nameIn(wish: string, directory: DataDirectory): string {
  if (!wish.includes("/")) return wish;
  const name = path.basename(wish);
  const date = dateInName(name);
  if (date === undefined) return wish;
  const folder = realPath(path.resolve(path.dirname(wish)));
  const folders = [directory.dateFolder(date), directory.keptFolder(date)];
  if (folders.some((each) => realPath(each) === folder)) return name;
  throw new FatalError(
    EXIT.usage,
    `${escape(wish)} is not an image in ${escape(directory.path)}; --data names another data directory`,
  );
}

/** @throws {FatalError} */
function act(
  command: ProtectCommand,
  directory: DataDirectory,
  selections: readonly Selection[],
  { camera, dryRun = false }: ProtectOptions,
): ProtectionResult {
  using progress = new Progress("images");
  try {
    // The folder for the lock must not be made where no data directory is.
    statSync(directory.images);
    actAsOwner(directory, command, !dryRun);
    using lock = dryRun ? undefined : WorkLock.tryToTake(directory, "protect");
    if (lock === undefined && !dryRun) {
      throw new FatalError(
        EXIT.failure,
        `Another protect or unprotect is at work in ${directory.path}: wait until it ends`,
      );
    }
    const protection = new Protection(directory, {
      camera,
      isRehearsal: dryRun,
      onProgress: (done, total) => progress.show(done, total),
    });
    return protection[command](selections);
  } catch (cause) {
    if (cause instanceof FatalError) throw cause;
    throw new FatalError(EXIT.data, failure(command, directory, cause), { cause });
  }
}

function failure(command: ProtectCommand, { path: data }: DataDirectory, cause: unknown): string {
  const reason = messageOf(cause);
  const { code } = cause as NodeJS.ErrnoException;
  const advice =
    code === "EACCES" || code === "EPERM"
      ? `; run it as the hub's user or as root: sudo ${process.execPath} ${command} …`
      : code === "ENOENT"
        ? "; --data names another data directory"
        : "";
  return escape(`Cannot ${command} images in ${data}: ${reason}${advice}`);
}

/** The result for a person. */
export function formatResult(
  command: ProtectCommand,
  { done, already, copied, restored }: ProtectionResult,
  isRehearsal: boolean,
): string {
  const isProtect = command === "protect";
  const verb = isRehearsal ? `Would ${command}` : isProtect ? "Protected" : "Unprotected";
  const lines = [`${verb} ${amountOf(done)}`];
  if (already.images > 0)
    lines.push(`${grouped(already.images)} ${isProtect ? "already protected" : "not protected"}`);
  if (restored.images > 0)
    lines.push(`${amountOf(restored)} ${isRehearsal ? "would go" : "went"} back to images`);
  if (copied.images > 0)
    lines.push(`${amountOf(copied)} copied, as a hard link is not possible there`);
  return `${lines.join("\n")}\n`;
}

function amountOf({ images, bytes }: Amount): string {
  return `${counted(images, "image")} (${size(bytes)})`;
}

function formatProblems(problems: readonly string[]): string {
  return firstOf(problems, PROBLEMS_MAX)
    .map((line) => `${escape(line)}\n`)
    .join("");
}
