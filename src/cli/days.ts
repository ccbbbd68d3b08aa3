/**
 * `imagehub days`: which days there are, and what is stored of each.
 *
 * @module
 */

import { statSync } from "node:fs";
import { type CatalogDay, readDays } from "../catalog/catalog.ts";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { escape } from "../log/fields.ts";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import { DataDirectory } from "../store/data-directory.ts";
import type { SettingsOptions } from "./check.ts";
import { settingsFor } from "./own-settings.ts";
import { Progress } from "./progress.ts";
import { counted, grouped, size, table } from "./table.ts";

/** What `days` was asked for. */
export interface DaysOptions extends SettingsOptions {
  readonly json?: boolean;
}

/** Prints the days. @throws {FatalError} if the data directory cannot be read */
export function days(options: DaysOptions): ExitStatus {
  const directory = new DataDirectory(settingsFor(options).data_directory);
  const calendar = new Calendar(systemClock);
  let found: CatalogDay[];
  using progress = new Progress("days read");
  try {
    found = readDays(directory, {
      today: calendar.local(calendar.now()).date,
      // Another user's files would be in the hub's way.
      keeps: statSync(directory.path).uid === process.geteuid?.(),
      onProgress: (done, total) => progress.show(done, total),
    });
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
      ? `${JSON.stringify({ data_directory: directory.path, days: found }, null, 2)}\n`
      : formatDays(directory.path, found),
  );
  return EXIT.ok;
}

/** The days as a table for a person, the latest last. */
export function formatDays(directory: string, found: readonly CatalogDay[]): string {
  if (found.length === 0) return `${escape(directory)} has no images and no events yet\n`;
  const sum = (key: "images" | "bytes" | "events" | "foreign"): number =>
    found.reduce((total, day) => total + day[key], 0);
  const foreign = sum("foreign");
  return [
    ...table([
      ["DAY", "IMAGES", "SIZE", "EVENTS", "CAMERAS"],
      ...found.map(({ date, images, bytes, events, cameras }) => [
        date,
        grouped(images),
        size(bytes),
        grouped(events),
        grouped(cameras.length),
      ]),
    ]),
    "",
    escape(
      `${counted(found.length, "day")}, ${counted(sum("images"), "image")}, ${size(sum("bytes"))}, ` +
        `${counted(sum("events"), "event")} in ${directory}`,
    ),
    ...(foreign > 0
      ? [`Not the hub's images, in the folders of the days: ${grouped(foreign)}`]
      : []),
    "",
  ].join("\n");
}
