/**
 * Events of all days, searched; and the curve of values.
 *
 * @module
 */

import { useSignal } from "@preact/signals";
import { Fragment } from "preact";
import { useEffect } from "preact/hooks";
import { address, href, replaceQuery } from "./address.ts";
import type { HubEvent } from "./answers.ts";
import { withQuery } from "./api.ts";
import { CurveView } from "./curve-view.tsx";
import { ask, generation, today } from "./hub.ts";
import { isView } from "./hubs.tsx";
import { Icon } from "./icons.tsx";
import { useArrivals } from "./live.ts";
import { dayName } from "./time.ts";

const PAGE = 200;

/** A typed text is searched for after so long without a further letter. */
const TYPING_MS = 250;

const FIELDS = ["text", "node", "type", "from", "to"] as const;

type Search = Partial<Record<(typeof FIELDS)[number], string>>;

function searchIn(query: URLSearchParams): Search {
  return Object.fromEntries(FIELDS.map((field) => [field, query.get(field) ?? ""]));
}

/** A table of events, the latest first. */
export function Events() {
  const { query } = address.value;
  const search = searchIn(query);
  const { events, isDone, isBusy, askMore } = useSearch(search);
  const sample = events.find((event) => event.number !== undefined);
  const { node = "", type = "", to = "" } = search;
  return (
    <div class="events-view">
      <h1 class="hidden">Events</h1>
      <SearchForm search={search} />
      {node !== "" && type !== "" && (sample !== undefined || to !== "") && (
        <CurveView
          node={node}
          type={type}
          latest={sample?.date ?? to}
          isMonth={query.get("curve") === "month"}
        />
      )}
      <div class="table" tabIndex={0} role="region" aria-label="Events, the latest first">
        <table>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Node</th>
              <th scope="col">Type</th>
              <th scope="col">Value</th>
            </tr>
          </thead>
          <tbody>
            {events.map((event, index) => (
              <Fragment key={`${event.date} ${event.time} ${event.hub} ${event.text}`}>
                {event.date !== events[index - 1]?.date && (
                  <tr>
                    <th scope="rowgroup" colSpan={4} class="day">
                      <a href={href("day", event.date)}>{dayName(event.date, today.value)}</a>
                    </th>
                  </tr>
                )}
                <Row event={event} />
              </Fragment>
            ))}
          </tbody>
        </table>
        <p class="more">
          {isDone ? (
            <span class="muted">
              {events.length === 0 ? "There are no such events." : "That is all."}
            </span>
          ) : (
            <button disabled={isBusy} onClick={askMore}>
              {isBusy ? "Searching …" : "Search earlier days"}
            </button>
          )}
        </p>
      </div>
    </div>
  );
}

/** The events that are found so far. */
function useSearch(search: Search) {
  const key = JSON.stringify(search);
  const events = useSignal<readonly HubEvent[]>([]);
  const more = useSignal<string | null | undefined>(undefined);
  const isBusy = useSignal(true);
  const round = generation.value;

  async function fetchPage(abort?: AbortSignal): Promise<void> {
    isBusy.value = true;
    const before = more.value ?? undefined;
    try {
      const answer = await ask<{ events: HubEvent[]; more: string | null }>(
        withQuery("api/v1/events", { ...search, before, limit: PAGE }),
        abort === undefined ? {} : { signal: abort },
      );
      events.value = before === undefined ? answer.events : [...events.value, ...answer.events];
      more.value = answer.more;
    } catch {
      // It is said on the page.
    } finally {
      if (abort?.aborted !== true) isBusy.value = false;
    }
  }

  useEffect(() => {
    more.value = undefined;
    const abort = new AbortController();
    const timer = setTimeout(() => void fetchPage(abort.signal), TYPING_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key, round]);
  useArrivals((arrivals) => {
    const found = arrivals.events.filter((event) => matches(event, search));
    if (found.length === 0) return;
    const all = [...found.toReversed(), ...events.value];
    // What hubs in different zones tell is not the latest of all.
    events.value = isView() ? all.toSorted(latestFirst) : all;
  });
  return {
    events: events.value,
    isBusy: isBusy.value,
    isDone: more.value === null,
    askMore: () => void fetchPage(),
  };
}

/** As a search of many hubs has them. */
function latestFirst(a: HubEvent, b: HubEvent): number {
  const [one, other] = [a, b].map(({ date, time }) => `${date} ${time}`) as [string, string];
  return one < other ? 1 : Number(one > other) * -1;
}

/** As the hub searches. */
function matches(event: HubEvent, { text = "", node, type, from, to }: Search): boolean {
  return (
    event.text.toLowerCase().includes(text.toLowerCase()) &&
    (!node || event.node === node) &&
    (!type || event.type === type) &&
    (!from || event.date >= from) &&
    (!to || event.date <= to)
  );
}

function SearchForm({ search }: { readonly search: Search }) {
  const { text, node, type, from, to } = search;
  return (
    <form class="row search" role="search" onSubmit={(event) => event.preventDefault()}>
      <input
        type="search"
        aria-label="Search in events of all days"
        placeholder="Search in all days"
        value={text}
        onInput={(event) => replaceQuery({ text: event.currentTarget.value })}
      />
      <label>
        From
        <input
          type="date"
          value={from}
          onInput={(event) => replaceQuery({ from: event.currentTarget.value })}
        />
      </label>
      <label>
        to
        <input
          type="date"
          value={to}
          onInput={(event) => replaceQuery({ to: event.currentTarget.value })}
        />
      </label>
      {node && <Chip text={node} link={href("events", { ...search, node: "" })} />}
      {type && <Chip text={type} link={href("events", { ...search, type: "" })} />}
    </form>
  );
}

/** Something that is searched for; a click ends it. */
function Chip({ text, link }: { readonly text: string; readonly link: string }) {
  return (
    <a class="chip on" href={link} aria-label={`No longer only ${text}`}>
      {text} <Icon name="close" />
    </a>
  );
}

function Row({ event }: { readonly event: HubEvent }) {
  const { date, time, node, hub, type, value, text } = event;
  const search = searchIn(address.value.query);
  const at = time.slice(0, 8);
  return (
    <tr>
      <td>
        <a href={href("day", date, { at })}>
          <time>{at}</time>
        </a>
      </td>
      {node === null ? (
        <td colSpan={3} class="own">
          {hub !== undefined && `${hub}: `}
          {text}
        </td>
      ) : (
        <>
          <td>
            <a href={href("events", { ...search, node })}>{node}</a>
          </td>
          <td>{type != null && <a href={href("events", { ...search, node, type })}>{type}</a>}</td>
          <td class="value">
            {value}
            {event.number !== undefined && type != null && (
              <a
                class="curve-link"
                href={href("events", { ...search, node, type })}
                aria-label={`Curve of ${node} ${type}`}
              >
                <Icon name="curve" />
              </a>
            )}
          </td>
        </>
      )}
    </tr>
  );
}
