/**
 * Now: the latest image of each camera.
 *
 * @module
 */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { href } from "./address.ts";
import { counted, grouped } from "./amounts.ts";
import type { Camera, LiveImage, Status } from "./answers.ts";
import { thumbnailPath } from "./api.ts";
import { type DayEvent, inShort, isFrom, useDayEvents } from "./day-events.ts";
import { Empty } from "./empty.tsx";
import { EventList } from "./event-list.tsx";
import { now, nowOf, today, useAnswer, useStatus } from "./hub.ts";
import { earliestToday, hasZones, isView } from "./hubs.tsx";
import { begun, health, useArrivals } from "./live.ts";
import { Notices } from "./notices.tsx";
import { Outlets, Replicated } from "./outlets.tsx";
import { clockTime, dateAt, instant, shortDate, span } from "./time.ts";

/**
 * The hub tells what changes. It is asked nevertheless, but seldom: a stream whose link is dead is
 * like one that has nothing to tell.
 */
const STATUS_MS = 60_000;

const LATEST_EVENTS = 12;

/** A status, and the hub's clock when it came. */
type AskedStatus = Status & { readonly asked: number };

/** A tile for each camera, and the latest events. */
export function Now() {
  const cameras = useCameras();
  const status = useAskedStatus();
  const latest = useDayEvents(today.value);
  // Of hubs in a zone where it is still the day before.
  const before = earliestToday.value;
  const earlier = useDayEvents(before === today.value ? "" : before);
  const events = useMemo(() => [...earlier, ...latest], [earlier, latest]);
  if (cameras === undefined) return <Skeleton />;
  if (cameras.length === 0) return <Empty />;
  return (
    <div class="now-view">
      <h1 class="hidden">Now</h1>
      <Notices notices={health.value?.notices ?? status?.notices ?? []} />
      <div class="tiles">
        {cameras.map((camera) => (
          <Tile
            key={camera.name}
            camera={camera}
            status={status}
            events={events.filter((event) => isFrom(event, camera.name))}
          />
        ))}
      </div>
      <LatestEvents events={events} />
      {status !== undefined && <Replicated status={status} />}
      {status !== undefined && <Outlets status={status} />}
    </div>
  );
}

/** The status of the hub, asked anew when a node falls silent or speaks again. */
function useAskedStatus(): AskedStatus | undefined {
  const turns = useSignal(0);
  useArrivals(({ nodes }) => {
    if (nodes.length > 0) turns.value++;
  });
  const data = useStatus(STATUS_MS, turns.value + begun.value);
  return useMemo(() => data && { ...data, asked: now.peek() }, [data]);
}

/** The cameras, with the images that have arrived since they were asked for. */
function useCameras(): readonly Camera[] | undefined {
  const { data } = useAnswer<{ cameras: Camera[] }>("api/v1/cameras");
  const arrived = useSignal<ReadonlyMap<string, Camera>>(new Map());
  useEffect(() => {
    arrived.value = new Map();
  }, [data]);
  useArrivals(({ images }) => {
    if (images.length === 0) return;
    const next = new Map(arrived.value);
    const asked = new Map(data?.cameras.map((camera) => [camera.name, camera]));
    for (const image of images)
      next.set(image.camera, after(next.get(image.camera) ?? asked.get(image.camera), image));
    arrived.value = next;
  });
  if (data === undefined) return undefined;
  const all = new Map(data.cameras.map((camera) => [camera.name, camera]));
  for (const [name, camera] of arrived.value) all.set(name, camera);
  return [...all.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** A camera after an image has come from it. */
function after(camera: Camera | undefined, { date, name, time, ...image }: LiveImage): Camera {
  const isSameDay = camera?.latest.date === date;
  // An image that the list already has is told once more, if it came in between.
  if (isSameDay && camera.latest.time >= time) return camera;
  const isToday = date === dateAt(nowOf(image.camera));
  const before = isSameDay ? camera.imagesToday : 0;
  const imagesToday = isToday ? before + 1 : before;
  return { name: image.camera, latest: { date, name, time }, imagesToday };
}

/** Says that a camera counts as silent; undefined if it does not. */
function silenceOf(
  { name, latest }: Camera,
  event: DayEvent | undefined,
  { nodes, time, asked }: AskedStatus,
) {
  const row = nodes.find(
    ({ node, view }) => `${node} ${view}`.trim().replaceAll(/\s/gu, "-") === name,
  );
  // The hub does not know it.
  if (row === undefined) return stillnessOf({ name, latest });
  // It may have sent something since the hub was asked.
  const isHeard = [latest, ...(event === undefined ? [] : [event])].some(
    (each) => instant(each.date, each.time) >= asked,
  );
  if (!row.silent || isHeard) return undefined;
  // Each of its views shows that a node is there.
  const heard = nodes.filter(({ node }) => node === row.node).map((each) => each.last_seen);
  const silentMs = Date.parse(time) - Date.parse(heard.toSorted().at(-1)!);
  return <Silence since={asked - silentMs} />;
}

/** Says that a camera has sent nothing today; undefined if it has. */
function stillnessOf({ name, latest }: Pick<Camera, "name" | "latest">) {
  return latest.date < dateAt(nowOf(name)) ? (
    <>nothing since {shortDate(latest.date)}</>
  ) : undefined;
}

interface TileProps {
  readonly camera: Camera;
  readonly status: AskedStatus | undefined;
  readonly events: readonly DayEvent[];
}

/** So wide is a tile at most, in CSS pixels. */
const TILE = 480;

function Tile({ camera, status, events }: TileProps) {
  const { name, latest, imagesToday } = camera;
  const event = events.at(-1);
  const silence =
    status === undefined ? isView() && stillnessOf(camera) : silenceOf(camera, event, status);
  const isSilent = silence !== undefined && silence !== false;
  return (
    <div class={isSilent ? "tile silent" : "tile"}>
      <div class="picture">
        <img
          // A picture that cannot be read leaves its place empty.
          onError={({ currentTarget }) => (currentTarget.hidden = true)}
          onLoad={({ currentTarget }) => (currentTarget.hidden = false)}
          src={thumbnailPath(latest.date, latest.name, TILE)}
          alt=""
          decoding="async"
          width={640}
          height={480}
        />
        {isSilent && <p class="flag">{silence}</p>}
      </div>
      <div class="tile-text">
        <h2>
          <a href={href("day", latest.date, latest.name, { camera: name })}>{name}</a>
        </h2>
        <p class="age">
          <Age {...latest} />
        </p>
        <p class="muted">
          <a href={href("day", latest.date, { at: latest.time.slice(0, 8), camera: name })}>
            {imagesToday === 0 ? "no images today" : `${counted(imagesToday, "image")} today`}
          </a>
        </p>
        <p class="muted event-line">
          {event !== undefined && `${inShort(event)} · ${clockTime(event.minute)}`}
          {events.length > 1 && <span class="count">{grouped(events.length)} events</span>}
        </p>
      </div>
    </div>
  );
}

/** How long a camera has been silent. @param since an instant of the hub's clock */
function Silence({ since }: { readonly since: number }) {
  return <>silent for {span(now.value - since)}</>;
}

/** How long ago a time was. Only this text changes each second, not its tile. */
function Age({ name, date, time }: Camera["latest"]) {
  return <time title={`${date} ${time}`}>{span(nowOf(name) - instant(date, time))} ago</time>;
}

function LatestEvents({ events }: { readonly events: readonly DayEvent[] }) {
  if (events.length === 0) return null;
  return (
    <section class="latest-events">
      <h2>
        <a href={href("events")}>Latest events</a>
      </h2>
      <EventList events={latestFirst(events).slice(0, LATEST_EVENTS)} />
    </section>
  );
}

/** Those of hubs in different zones by what time it was, and not by what their clocks showed. */
function latestFirst(events: readonly DayEvent[]): readonly DayEvent[] {
  if (!hasZones()) return events.toReversed();
  return events.toSorted((a, b) => ageOf(a) - ageOf(b));
}

function ageOf({ node, date, time }: DayEvent): number {
  return nowOf(node ?? "") - instant(date, time);
}

function Skeleton() {
  return (
    <div class="now-view" aria-busy="true">
      <h1 class="hidden">Now</h1>
      <div class="tiles">
        {[1, 2, 3, 4].map((each) => (
          <div class="tile" key={each}>
            <div class="picture" />
            <div class="tile-text" />
          </div>
        ))}
      </div>
    </div>
  );
}
