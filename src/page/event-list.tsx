/**
 * Events as a short list.
 *
 * @module
 */

import { href } from "./address.ts";
import { type DayEvent, inShort } from "./day-events.ts";
import { clockTime } from "./time.ts";

/** Events, each a link to its time in its day. */
export function EventList({ events }: { readonly events: readonly DayEvent[] }) {
  if (events.length === 0) return null;
  return (
    <ul class="event-list">
      {events.map((event) => (
        <li key={`${event.time} ${event.node} ${event.text}`}>
          <a href={href("day", event.date, { at: clockTime(event.minute, true) })}>
            <time>{clockTime(event.minute, true)}</time>
            <b>{event.node}</b>
            <span>{inShort(event)}</span>
          </a>
        </li>
      ))}
    </ul>
  );
}
