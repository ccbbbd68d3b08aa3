/**
 * The hours of a day to choose from, and in one with many images its minutes.
 *
 * @module
 */

import type { Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { go, href } from "./address.ts";
import { counted } from "./amounts.ts";
import type { ImageList } from "./answers.ts";
import { dayPath, withQuery } from "./api.ts";
import { type CameraCounts, countDay, dayCounts, hourly, STEP } from "./hour-counts.ts";
import { ask, now, today } from "./hub.ts";
import { clockTime, dayName, minuteOfDay, typedTime } from "./time.ts";

const HOURS = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, "0"));

/** In an hour with more images than this, one would have to be looked for. */
const MANY = 60;

/** What is chosen and typed in the dialog. All links of it lead there. */
export interface Wish {
  /** All, if there are none. */
  readonly cameras: Signal<readonly string[]>;
  readonly time: Signal<string>;
  /** The hour whose minutes are shown, such as `2018-12-30T14`. */
  readonly hour: Signal<string>;
}

/** A link to a day, at the typed time. @param hour instead of the typed one */
export function dayLink(date: string, { cameras, time }: Wish, hour?: string): string {
  const typed = typedTime(time.value);
  const at = hour === undefined ? typed : `${hour}:${typed?.slice(3) ?? "00"}`;
  return href("day", date, { at, camera: cameras.value });
}

/** Whether a time is still to come. @param time such as `14` or `14:05` */
export function isToCome(date: string, time: string): boolean {
  return date === today.value && time > clockTime(minuteOfDay(now.value), true);
}

interface HoursProps {
  readonly date: string;
  readonly wish: Wish;
  readonly onDone: () => void;
}

/** A day and its hours. */
export function Hours({ date, wish, onDone }: HoursProps) {
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) =>
      countDay(date, entries.at(-1)!.isIntersecting),
    );
    observer.observe(section.current!);
    return () => observer.disconnect();
  }, []);
  const chosen = wish.cameras.value;
  const cameras = dayCounts.value
    .get(date)
    ?.filter(({ name }) => chosen.length === 0 || chosen.includes(name));
  const images = cameras && hourly(cameras);
  const most = Math.max(1, ...(images ?? []));
  const open = HOURS.find((hour) => wish.hour.value === `${date}T${hour}`);
  return (
    <section aria-label={date} ref={section}>
      <h3>
        <a href={dayLink(date, wish)} onClick={onDone}>
          {dayName(date, today.value)}
        </a>
      </h3>
      <div class="hours">
        {HOURS.map((hour, index) => (
          <Hour
            key={hour}
            hour={hour}
            date={date}
            wish={wish}
            images={images?.[index]}
            most={most}
            onDone={onDone}
          />
        ))}
      </div>
      {cameras !== undefined && open !== undefined && (
        <Minutes date={date} hour={open} cameras={cameras} wish={wish} onDone={onDone} />
      )}
    </section>
  );
}

/** A shade, as in the calendar: the root, so that few can be told from none. */
function shade(images: number, most: number) {
  return {
    class: images > 0 ? "has" : "",
    style: { "--heat": Math.sqrt(images / most).toFixed(3) },
  };
}

/** A time of day and its images, for those who do not see the shade. */
function described(time: string, images: number | undefined): string {
  if (images === undefined) return time;
  return `${time}, ${images === 0 ? "no images" : counted(images, "image")}`;
}

interface HourProps {
  readonly date: string;
  readonly hour: string;
  readonly wish: Wish;
  /** undefined while it is not known. */
  readonly images: number | undefined;
  /** The most that an hour of this day has. */
  readonly most: number;
  readonly onDone: () => void;
}

function Hour({ date, hour, wish, images, most, onDone }: HourProps) {
  if (isToCome(date, hour))
    return (
      <span role="link" aria-disabled="true">
        {hour}
      </span>
    );
  const typed = typedTime(wish.time.value);
  const label = described(`${hour}:${typed?.slice(3) ?? "00"}`, images);
  const shown = { ...shade(images ?? 0, most), title: label, "aria-label": label };
  if (images === undefined || images <= MANY || typed !== undefined)
    return (
      <a {...shown} href={dayLink(date, wish, hour)} onClick={onDone}>
        {hour}
      </a>
    );
  const key = `${date}T${hour}`;
  const isOpen = wish.hour.value === key;
  return (
    <button {...shown} aria-expanded={isOpen} onClick={() => (wish.hour.value = isOpen ? "" : key)}>
      {hour}
    </button>
  );
}

interface MinutesProps {
  readonly date: string;
  readonly hour: string;
  readonly cameras: readonly CameraCounts[];
  readonly wish: Wish;
  readonly onDone: () => void;
}

/** The parts of an hour, for each camera: a click opens an image. */
function Minutes({ date, hour, cameras, wish, onDone }: MinutesProps) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.scrollIntoView({ block: "nearest" }), [hour]);
  const first = (Number(hour) * 60) / STEP;
  const rows = cameras
    .map(({ name, counts }) => ({ name, counts: counts.slice(first, first + 60 / STEP) }))
    .filter(({ counts }) => counts.some((count) => count > 0));
  const most = Math.max(1, ...rows.flatMap(({ counts }) => counts));
  return (
    <div class="minutes" role="group" aria-label={`Minutes from ${hour}:00`} ref={box}>
      <p class="muted">
        Choose minutes to open their first image, or see{" "}
        <a href={dayLink(date, wish, hour)} onClick={onDone}>
          the whole hour
        </a>
        .
      </p>
      {rows.map(({ name, counts }) => (
        <div key={name} class="of-camera">
          <h4>{name}</h4>
          {counts.map((images, index) => {
            const time = clockTime((first + index) * STEP);
            const label = `${name} ${described(time, images)}`;
            const minute = time.slice(3);
            if (images === 0) return <span key={time}>{minute}</span>;
            return (
              <a
                key={time}
                {...shade(images, most)}
                href={href("day", date, { at: time, camera: name })}
                onClick={(event) => void openFirst(event, date, name, time).then(onDone)}
                title={label}
                aria-label={label}
              >
                {minute}
              </a>
            );
          })}
        </div>
      ))}
    </div>
  );
}

/** Goes to the first image of a camera from a time on. A new tab gets the day at that time. */
async function openFirst(event: MouseEvent, date: string, camera: string, from: string) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const path = withQuery(dayPath(date, "images"), { camera, from, limit: 1 });
  const answer = await ask<ImageList>(path).catch(() => undefined);
  const image = answer?.images[0];
  go(
    image === undefined
      ? href("day", date, { at: from, camera })
      : href("day", date, image.name, { camera }),
  );
}
