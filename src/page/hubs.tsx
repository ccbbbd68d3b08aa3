/**
 * The hubs of a view of many, and whose time is meant.
 *
 * @module
 */

import { computed } from "@preact/signals";
import type { ViewedHub } from "./answers.ts";
import { days, now, nowOf } from "./hub.ts";
import { clockTime, dateAt, minuteOfDay } from "./time.ts";

/** Whether this page shows many hubs, where nothing can be changed. */
export function isView(): boolean {
  return days.value?.hubs !== undefined;
}

/** Whether the hubs are in different time zones. */
export function hasZones(): boolean {
  return new Set(days.value?.hubs?.map(({ zone }) => zone)).size > 1;
}

/** The hub that an image or a camera belongs to, in a view of many. */
export function hubOf(name: string): string | undefined {
  return days.value?.hubs?.find((hub) => name.startsWith(`${hub.name}:`))?.name;
}

/** In which zone the times of a camera or an image are, such as `at north (Europe/Berlin)`. */
export function zoneOf(name: string): string {
  const { hubs, zone = "" } = days.value ?? {};
  if (hubs === undefined) return zone;
  const hub = hubs.find((each) => each.name === hubOf(name));
  return hub === undefined ? "" : `at ${hub.name} (${hub.zone})`;
}

/** The date of now at the hub whose clock is behind all others. */
export const earliestToday = computed(() => {
  const hubs = days.value?.hubs ?? [];
  return dateAt(Math.min(now.value, ...hubs.map(({ name }) => nowOf(`${name}:`))));
});

/** One line with all hubs. */
export function HubsLine() {
  const hubs = days.value?.hubs ?? [];
  if (hubs.length === 0) return null;
  return (
    <section class="hubs" aria-label="Hubs" tabIndex={0}>
      <ul>
        {hubs.map((hub) => (
          <Hub key={hub.name} hub={hub} hasZone={hasZones()} />
        ))}
      </ul>
    </section>
  );
}

const LIVE = "live";
const BUCKET = "from the bucket";
const AWAY = "not reached";

function Hub({ hub, hasZone }: { readonly hub: ViewedHub; readonly hasZone: boolean }) {
  const { name, zone, live } = hub;
  return (
    <li class={live === true ? "is-live" : undefined}>
      <b>{name}</b>{" "}
      {hasZone && (
        <>
          <time>{clockTime(minuteOfDay(nowOf(`${name}:`)))}</time> ({zone}),{" "}
        </>
      )}
      {live === null ? BUCKET : live ? LIVE : AWAY}
    </li>
  );
}
