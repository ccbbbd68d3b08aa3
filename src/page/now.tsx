/**
 * Now: the latest image of each camera.
 *
 * @module
 */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { href } from "./address.ts";
import { counted, grouped } from "./amounts.ts";
import type { Camera, LiveImage, Status } from "./answers.ts";
import { thumbnailPath } from "./api.ts";
import { type DayEvent, inShort, isFrom, useDayEvents } from "./day-events.ts";
import { Empty } from "./empty.tsx";
import { EventList } from "./event-list.tsx";
import { now, today, useAnswer } from "./hub.ts";
import { health, useArrivals } from "./live.ts";
import { Notices } from "./notices.tsx";
import { Outlets } from "./outlets.tsx";
import { clockTime, instant, shortDate, span } from "./time.ts";

/** How often to ask which nodes are silent. */
const STATUS_MS = 30_000;

const LATEST_EVENTS = 12;

/** A tile for each camera, and the latest events. */
export function Now() {
  const cameras = useCameras();
  const status = useAnswer<Status>("api/status", STATUS_MS).data;
  const events = useDayEvents(today.value);
  if (cameras === undefined) return <Skeleton />;
  if (cameras.length === 0) return <Empty port={status?.settings.port ?? 5555} />;
  return (
    <div class="now-view">
      <h1 class="hidden">Now</h1>
      <Notices notices={health.value?.notices ?? status?.notices ?? []} />
      <div class="tiles">
        {cameras.map((camera) => (
          <Tile
            key={camera.name}
            camera={camera}
            silence={status === undefined ? "" : silenceOf(camera, status)}
            events={events.filter((event) => isFrom(event, camera.name))}
          />
        ))}
      </div>
      <LatestEvents events={events} />
      {status !== undefined && <Outlets status={status} />}
    </div>
  );
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
  const isToday = date === today.peek();
  const before = isSameDay ? camera.imagesToday : 0;
  const imagesToday = isToday ? before + 1 : before;
  return { name: image.camera, latest: { date, name, time }, imagesToday };
}

/** Why a camera counts as silent; empty if it does not. */
function silenceOf({ name, latest }: Camera, { nodes, settings, time }: Status): string {
  const row = nodes.find(
    ({ node, view }) => `${node} ${view}`.trim().replaceAll(/\s/gu, "-") === name,
  );
  if (row === undefined)
    // The hub has not heard from it since its own start.
    return latest.date < today.value ? `nothing since ${shortDate(latest.date)}` : "";
  const heard = [row.last_seen, row.last_heartbeat ?? ""].toSorted().at(-1)!;
  const silentMs = Date.parse(time) - Date.parse(heard);
  return silentMs > settings.patience * 60_000 ? `silent for ${span(silentMs)}` : "";
}

interface TileProps {
  readonly camera: Camera;
  readonly silence: string;
  readonly events: readonly DayEvent[];
}

/** So wide is a tile at most, in CSS pixels. */
const TILE = 480;

function Tile({ camera: { name, latest, imagesToday }, silence, events }: TileProps) {
  const event = events.at(-1);
  return (
    <div class={silence === "" ? "tile" : "tile silent"}>
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
        {silence !== "" && <p class="flag">{silence}</p>}
      </div>
      <div class="tile-text">
        <h2>
          <a href={href("day", latest.date, latest.name, { camera: name })}>{name}</a>
        </h2>
        <p class="age">
          <Age date={latest.date} time={latest.time} />
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

/** How long ago a time was. Only this text changes each second, not its tile. */
function Age({ date, time }: { readonly date: string; readonly time: string }) {
  return <time title={`${date} ${time}`}>{span(now.value - instant(date, time))} ago</time>;
}

function LatestEvents({ events }: { readonly events: readonly DayEvent[] }) {
  if (events.length === 0) return null;
  return (
    <section class="latest-events">
      <h2>
        <a href={href("events")}>Latest events</a>
      </h2>
      <EventList events={events.slice(-LATEST_EVENTS).toReversed()} />
    </section>
  );
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
