/**
 * `imagehub days`: which days there are, and what is stored of each.
 *
 * @module
 */

import { statSync } from "node:fs";
import { Archive } from "../archive/archive.ts";
import { type CatalogDay, readDays, strangersIn } from "../catalog/catalog.ts";
import type { Settings } from "../config/schema.ts";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { escape } from "../log/fields.ts";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import { DataDirectory } from "../store/data-directory.ts";
import type { SettingsOptions } from "./check.ts";
import { Progress } from "./progress.ts";
import { settingsFor } from "./settings-for.ts";
import { counted, firstOf, grouped, size } from "../log/amounts.ts";
import { table } from "./table.ts";

/** What `days` was asked for. */
export interface DaysOptions extends SettingsOptions {
  readonly json?: boolean;
}

/** A day, and whether the archive has it. */
export interface ListedDay extends CatalogDay {
  /** undefined if the archive cannot be asked. */
  readonly isArchived: boolean | undefined;
}

/** What there is to list. */
export interface Listing {
  readonly days: readonly ListedDay[];
  /** What is beside the folders of the days. */
  readonly strangers: readonly string[];
  /** Whether there is an archive. */
  readonly hasArchive: boolean;
  /** Why the archive cannot be asked. */
  readonly archiveProblem: string | undefined;
}

/** Prints the days. @throws {FatalError} if the data directory cannot be read */
export function days(options: DaysOptions): ExitStatus {
  const settings = settingsFor(options);
  const directory = new DataDirectory(settings.data_directory);
  let listing: Listing;
  using progress = new Progress("days read");
  try {
    listing = list(settings, directory, progress);
  } catch (cause) {
    const reason = messageOf(cause);
    const advice = reason.includes("EACCES")
      ? `; run it as the hub's user or as root: sudo ${process.execPath} days`
      : "; --data names another data directory";
    throw new FatalError(EXIT.data, `Cannot read ${directory.path}: ${reason}${advice}`, { cause });
  }
  progress.end();
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify(asJson(directory, listing), null, 2)}\n`
      : formatDays(directory.path, listing),
  );
  return EXIT.ok;
}

function list({ archive }: Settings, directory: DataDirectory, progress: Progress): Listing {
  const hasArchive = archive.directory !== "";
  const { dates, problem } = hasArchive
    ? new Archive(archive, directory).look()
    : { dates: [], problem: undefined };
  const archived = new Set(dates);
  const calendar = new Calendar(systemClock);
  const found = readDays(directory, {
    today: calendar.local(calendar.now()).date,
    // Another user's files would be in the hub's way.
    keeps: statSync(directory.path).uid === process.geteuid?.(),
    others: archived,
    onProgress: (done, total) => progress.show(done, total),
  });
  return {
    days: found.map((day) =>
      Object.assign(
        { isArchived: problem === undefined ? archived.has(day.date) : undefined },
        day,
      ),
    ),
    strangers: strangersIn(directory),
    hasArchive,
    archiveProblem: problem,
  };
}

function asJson(
  { path }: DataDirectory,
  { days: found, strangers, hasArchive, archiveProblem }: Listing,
) {
  return {
    data_directory: path,
    foreign: strangers,
    ...(hasArchive && { archive_problem: archiveProblem ?? null }),
    days: found.map(({ isArchived, ...day }) =>
      hasArchive ? Object.assign(day, { archived: isArchived ?? null }) : day,
    ),
  };
}

/** A column of the table: its head, and what it says of a day. */
type Column = readonly [head: string, cell: (day: ListedDay) => string];

const COLUMNS: readonly Column[] = [
  ["DAY", ({ date }) => date],
  ["IMAGES", ({ images }) => grouped(images)],
  ["SIZE", ({ bytes }) => size(bytes)],
  ["EVENTS", ({ events }) => grouped(events)],
  ["CAMERAS", ({ cameras }) => grouped(cameras.length)],
  ["PROTECTED", ({ protected: { images } }) => (images > 0 ? grouped(images) : "-")],
];

/** Only with an archive. */
const ARCHIVED: Column = [
  "ARCHIVED",
  ({ isArchived }) => (isArchived === undefined ? "?" : isArchived ? "yes" : "-"),
];

/** Only if something was deleted. */
const DELETED: Column = ["DELETED BY", ({ pruned }) => deletedIn(pruned)];

/** What was deleted of a day, and for which rule: the last deletion of each group of cameras. */
function deletedIn(pruned: CatalogDay["pruned"]): string {
  const last = new Map(
    pruned.map((record) => [`${record.reason} ${record.cameras ?? ""}`, record]),
  );
  const texts = [...last.values()].map(
    ({ reason, until, cameras }) =>
      reason +
      (until === undefined ? "" : ` until ${until}`) +
      (cameras === undefined ? "" : ` of ${cameras}`),
  );
  return texts.join(", ") || "-";
}

/** The days as a table for a person, the latest last. */
export function formatDays(
  directory: string,
  { days: found, strangers, hasArchive, archiveProblem }: Listing,
): string {
  const columns = [
    ...COLUMNS,
    ...(hasArchive ? [ARCHIVED] : []),
    ...(found.some(({ pruned }) => pruned.length > 0) ? [DELETED] : []),
  ];
  if (found.length === 0) return `${escape(directory)} has no images and no events yet\n`;
  const sum = (numberOf: (day: ListedDay) => number): number =>
    found.reduce((total, day) => total + numberOf(day), 0);
  const images = sum((day) => day.images);
  const kept = sum((day) => day.protected.images);
  const foreign = sum((day) => day.foreign);
  const unreadable = sum((day) => day.unreadable);
  const rows = found.map((day) => columns.map(([, cell]) => cell(day)));
  return [
    ...table([columns.map(([head]) => head), ...rows]),
    "",
    escape(
      `${counted(found.length, "day")}, ${counted(images, "image")}, ${size(sum((day) => day.bytes))}, ` +
        `${counted(
          sum((day) => day.events),
          "event",
        )} in ${directory}`,
    ),
    ...(kept > 0
      ? [`Protected: ${counted(kept, "image")}, ${size(sum((day) => day.protected.bytes))}`]
      : []),
    ...(foreign > 0
      ? [`Not the hub's images, in the folders of the days: ${grouped(foreign)}`]
      : []),
    ...(strangers.length > 0
      ? [escape(`Not the hub's, beside the folders of the days: ${firstOf(strangers).join(", ")}`)]
      : []),
    ...(unreadable > 0
      ? [`Images that cannot be looked at; imagehub verify names them: ${grouped(unreadable)}`]
      : []),
    ...found.flatMap(({ date, problem }) =>
      problem === undefined ? [] : [escape(`${date} cannot be read: ${problem}`)],
    ),
    ...(archiveProblem === undefined
      ? []
      : [escape(`The archive cannot be read: ${archiveProblem}`)]),
    "",
  ].join("\n");
}
