/**
 * The calendar: what each day has, and how long the disk will last.
 *
 * @module
 */

import { useEffect } from "preact/hooks";
import { href } from "./address.ts";
import { brief, briefSize, counted, grouped, size } from "./amounts.ts";
import type { DaySummary, Status } from "./answers.ts";
import { Empty } from "./empty.tsx";
import { askDays, days, today, useStatus } from "./hub.ts";
import { isView } from "./hubs.tsx";
import { Icon } from "./icons.tsx";
import { Notices } from "./notices.tsx";
import { addDays, longDate, monthName } from "./time.ts";

/** How a notice begins that says the same as the line above it. */
const FORECAST = "The disk will be full";

const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** Months, the latest first. */
export function CalendarView() {
  // What it shows of today was asked for when the page began.
  useEffect(() => void askDays(), []);
  const status = useStatus();
  const all = days.value?.days;
  if (all === undefined) return <div class="calendar-view" aria-busy="true" />;
  if (all.length === 0) return <Empty />;
  const byDate = new Map(all.map((day) => [day.date, day]));
  const months = [...new Set(all.map(({ date }) => date.slice(0, 7)))].toReversed();
  const most = Math.max(1, ...all.map(({ images }) => images));
  return (
    <div class="calendar-view">
      <h1 class="hidden">Calendar</h1>
      {status !== undefined && <Disk status={status} />}
      <div class="months">
        {months.map((month) => (
          <Month key={month} month={month} byDate={byDate} most={most} />
        ))}
      </div>
      {!isView() && <Legend />}
    </div>
  );
}

function Legend() {
  return (
    <p class="legend muted">
      <span>
        <Icon name="lock" /> has protected images
      </span>
      <span>
        <Icon name="archive" /> is in the archive
      </span>
      <span>
        <Icon name="pruned" /> images were deleted by a rule
      </span>
    </p>
  );
}

function Disk({ status: { disk, kept, notices } }: { readonly status: Status }) {
  const used = Math.round((1 - disk.free_bytes / disk.size_bytes) * 100);
  return (
    <section class="disk" aria-label="Disk">
      <p>
        <b>{size(disk.free_bytes)}</b> of {size(disk.size_bytes)} free.{" "}
        {kept !== null && outlookOf(disk)}
      </p>
      <div
        class="used"
        role="meter"
        aria-label="Used part of the disk, in per cent"
        aria-valuenow={used}
        aria-valuemin={0}
        aria-valuemax={100}
      >
        <div style={{ width: `${used}%` }} />
      </div>
      <p class="muted">
        {kept === null
          ? "The images are being counted."
          : `${counted(kept.images, "image")} on ${counted(kept.days, "day")}, ${size(kept.bytes)}`}
      </p>
      <Notices notices={notices.filter((notice) => !notice.startsWith(FORECAST))} />
    </section>
  );
}

function outlookOf({ outlook, full_in_days: inDays }: Status["disk"]): string {
  if (inDays !== null) return `Full in ${fullIn(inDays)} at this week's rate.`;
  return outlook === "never"
    ? "It will not fill up: the rules delete the oldest images before."
    : "When it will be full is not known: no day of the last week is over and has images.";
}

function fullIn(inDays: number): string {
  if (inDays > 730) return `${Math.round(inDays / 365)} years`;
  return inDays >= 2
    ? counted(Math.floor(inDays), "day")
    : counted(Math.floor(inDays * 24), "hour");
}

interface MonthProps {
  /** Such as `2018-12`. */
  readonly month: string;
  readonly byDate: ReadonlyMap<string, DaySummary>;
  /** The most images that a day has. */
  readonly most: number;
}

function Month({ month, byDate, most }: MonthProps) {
  const first = `${month}-01`;
  const dates: string[] = [];
  for (let date = first; date.startsWith(month); date = addDays(date, 1)) dates.push(date);
  const all = dates.flatMap((date) => byDate.get(date) ?? []);
  const sum = (of: (day: DaySummary) => number): number =>
    all.reduce((total, day) => total + of(day), 0);
  // Monday is the first day of the week.
  const offset = (new Date(Date.parse(first)).getUTCDay() + 6) % 7;
  return (
    <section class="month">
      <h2>
        {monthName(first)}{" "}
        <span class="muted">
          {counted(
            sum(({ images }) => images),
            "image",
          )}
          , {size(sum(({ bytes }) => bytes))}
        </span>
      </h2>
      <div class="weeks">
        {WEEKDAYS.map((weekday) => (
          <span class="weekday muted" key={weekday}>
            {weekday}
          </span>
        ))}
        {dates.map((date, index) => (
          <DayCell
            key={date}
            date={date}
            day={byDate.get(date)}
            column={index === 0 ? offset + 1 : undefined}
            most={most}
          />
        ))}
      </div>
    </section>
  );
}

interface DayCellProps {
  readonly date: string;
  readonly day: DaySummary | undefined;
  /** In the week; undefined if it follows the day before. */
  readonly column: number | undefined;
  readonly most: number;
}

function DayCell({ date, day, column, most }: DayCellProps) {
  const number = Number(date.slice(8));
  const style: Record<string, string | number> = column === undefined ? {} : { gridColumn: column };
  const now = date === today.value ? " today" : "";
  if (day === undefined)
    return (
      <span class={`date${now}`} style={style}>
        <b>{number}</b>
      </span>
    );
  // The root, so that a quiet day can be told from an empty one.
  style["--heat"] = Math.sqrt(day.images / most).toFixed(3);
  return (
    <a class={`date has${now}`} style={style} href={href("day", date)} title={described(day)}>
      <b>{number}</b>
      {day.images > 0 && <span class="images">{brief(day.images)}</span>}
      {day.images === 0 && day.counted === false && <span class="images">…</span>}
      {day.images > 0 && <span class="bytes">{briefSize(day.bytes)}</span>}
      <span class="marks">
        {day.protected > 0 && <Icon name="lock" />}
        {day.archived === true && <Icon name="archive" />}
        {day.pruned.length > 0 && <Icon name="pruned" />}
      </span>
    </a>
  );
}

function described(day: DaySummary) {
  const { date, images, bytes, events, protected: kept, archived, pruned } = day;
  const deleted = pruned.reduce((sum, each) => sum + each.images, 0);
  return [
    longDate(date),
    ...(day.counted === false ? ["being counted"] : []),
    `${counted(images, "image")}, ${size(bytes)}`,
    counted(events, "event"),
    ...(kept > 0 ? [`${grouped(kept)} protected`] : []),
    ...(archived === true ? ["in the archive"] : []),
    ...(pruned.length > 0 ? [`${grouped(deleted)} deleted by a rule`] : []),
  ].join(", ");
}
