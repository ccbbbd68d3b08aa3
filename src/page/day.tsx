/**
 * A day: its timeline, and its images with the events between them.
 *
 * @module
 */

import { useSignal } from "@preact/signals";
import { useCallback, useEffect, useMemo } from "preact/hooks";
import { address, href, replaceQuery } from "./address.ts";
import type { Image } from "./answers.ts";
import { DayBar } from "./day-bar.tsx";
import { type DayEvent, firstEvent, isFrom, useDayEvents } from "./day-events.ts";
import { type DayImages, dayImages } from "./day-images.ts";
import { useFollow, useOverview, useTime } from "./day-state.ts";
import { EventList } from "./event-list.tsx";
import { Grid, type Target } from "./grid.tsx";
import { Histogram } from "./histogram.ts";
import { days, today, trouble } from "./hub.ts";
import { SelectionBar } from "./selection-bar.tsx";
import { endSelecting, keepCameras, selecting } from "./selection.ts";
import { DAY_MINUTES, dayName, minutesOf } from "./time.ts";
import { Timeline } from "./timeline.tsx";

/** No events, always the same array. */
const NONE: readonly DayEvent[] = [];

/** All of a day. */
export function Day({ date }: { readonly date: string }) {
  const { query } = address.value;
  const cameras = query.getAll("camera");
  const isLive = query.get("live") === "1" && date === today.value;
  const { overview, error } = useOverview(date);
  const chosen = cameras.join("/");
  const images = dayImages(date, cameras);
  const position = useSignal(minutesOf(query.get("at") ?? "") || 0);
  const target = useSignal<Target | undefined>(undefined);
  const events = useDayEvents(date);
  const [type, text] = [query.get("type") ?? "", (query.get("text") ?? "").toLowerCase()];
  const shown = useMemo(
    () =>
      events.filter(
        (event) =>
          (type === "" || event.type === type) &&
          (text === "" || event.text.toLowerCase().includes(text)) &&
          (cameras.length === 0 || cameras.some((camera) => isFrom(event, camera))),
      ),
    [events, type, text, chosen],
  );
  const marks = useMemo(() => shown.map(({ minute }) => minute), [shown]);

  const lanes = useMemo(
    () => overview?.cameras.filter(({ name }) => chosen === "" || cameras.includes(name)) ?? [],
    [overview, chosen],
  );
  const histogram = useMemo(() => new Histogram(lanes), [lanes]);
  useFollow(images, isLive, target, position);
  useTime(images, isLive, target, position);
  useEffect(
    () => () => {
      // Who must log in meanwhile finds what they have chosen.
      if (trouble.peek()?.kind !== "login") endSelecting();
    },
    [date],
  );
  useEffect(() => keepCameras(cameras), [chosen]);

  function seek(minute: number): void {
    position.value = minute;
    target.value = { index: histogram.indexAt(minute), isGuess: true };
    if (isLive) replaceQuery({ live: undefined });
  }

  const scrolled = useCallback(
    (first: number, isAtEnd: boolean) => {
      const isFollowed = address.peek().query.get("live") === "1";
      if (isFollowed && isAtEnd) return;
      const time = images.at(first)?.time;
      target.value = undefined;
      position.value = time === undefined ? histogram.timeAt(first) : minutesOf(time);
      if (isFollowed) replaceQuery({ live: undefined });
    },
    [images, histogram],
  );

  const link = useCallback(
    ({ name }: Image) => href("day", date, name, keptQuery(address.peek().query)),
    [date],
  );

  const version = images.version.value;
  const eventsOf = useMemo(() => eventsBetween(images, shown), [images, shown, version]);

  if (error !== undefined && error.status !== 404) return <p class="notice">{error.message}</p>;
  const isEmpty = error !== undefined || (overview !== undefined && overview.images === 0);
  const lacksCameras = overview !== undefined && lanes.length === 0;
  return (
    <div class="day-view">
      <h1 class="hidden">{dayName(date, today.value)}</h1>
      <DayBar
        date={date}
        overview={overview}
        events={events}
        shown={shown}
        position={position}
        isLive={isLive}
        isEmpty={isEmpty}
        onSeek={seek}
      />
      {isEmpty && <EmptyDay events={shown} />}
      {!isEmpty && lacksCameras && <NoSuchCamera date={date} cameras={cameras} />}
      {!isEmpty && !lacksCameras && (
        <>
          <Timeline
            lanes={lanes}
            laneCount={overview === undefined ? expectedLanes(date, cameras) : lanes.length}
            marks={marks}
            position={position}
            length={Number(query.get("zoom") ?? 24) * 60 || DAY_MINUTES}
            onSeek={seek}
          />
          <Grid
            images={images}
            target={target}
            eventsOf={eventsOf}
            onScroll={scrolled}
            link={link}
          />
        </>
      )}
      {selecting.value && <SelectionBar images={images} cameras={cameras} />}
    </div>
  );
}

/** How many lanes there will be, so that nothing moves when they come. */
function expectedLanes(date: string, cameras: readonly string[]): number {
  if (cameras.length > 0) return cameras.length;
  return days.value?.days.find((day) => day.date === date)?.cameras.length ?? 4;
}

/** What goes along from a day to its images and back. */
function keptQuery(query: URLSearchParams): Record<string, string | string[] | undefined> {
  const one = (name: string): string | undefined => query.get(name) ?? undefined;
  return {
    camera: query.getAll("camera"),
    type: one("type"),
    text: one("text"),
    zoom: one("zoom"),
  };
}

/** Finds the events from an image on until the next one. */
function eventsBetween(
  images: DayImages,
  events: readonly DayEvent[],
): (index: number) => readonly DayEvent[] {
  const found = new Map<number, readonly DayEvent[]>();
  return (index) => {
    const known = found.get(index);
    if (known !== undefined) return known;
    const [image, next] = [images.at(index), images.at(index + 1)];
    const isLast = index + 1 === images.total.peek();
    if (events.length === 0 || image === undefined || (next === undefined && !isLast)) return NONE;
    // The first image also has what came before it.
    const from = index === 0 ? 0 : firstEvent(events, minutesOf(image.time));
    const to = next === undefined ? events.length : firstEvent(events, minutesOf(next.time));
    const between = from < to ? events.slice(from, to) : NONE;
    found.set(index, between);
    return between;
  };
}

interface NoSuchCameraProps {
  readonly date: string;
  readonly cameras: readonly string[];
}

function NoSuchCamera({ date, cameras }: NoSuchCameraProps) {
  const query = keptQuery(address.value.query);
  return (
    <section class="empty">
      <h2>No images of {cameras.join(", ")} on this day</h2>
      <p>
        <a href={href("day", date, { ...query, camera: undefined })}>Show all cameras</a>
      </p>
    </section>
  );
}

function EmptyDay({ events }: { readonly events: readonly DayEvent[] }) {
  return (
    <section class="empty">
      <h2>No images on this day</h2>
      <p class="muted">
        {events.length === 0
          ? "The hub has stored none, or they were deleted by the rules. "
          : "Only events have come. "}
        <a href={href("calendar")}>The calendar</a> shows the days that have some.
      </p>
      <EventList events={events} />
    </section>
  );
}
