/**
 * The lines of the event logs, for reading and searching.
 *
 * @module
 */

import type { HubEvent } from "../page/answers.ts";
import { eventParts } from "../protocol/event.ts";
import { readRecord } from "../store/log-files.ts";
import { dateIn, filterIn, numberIn, Refused, timeIn } from "./query.ts";
import type { Source } from "./source.ts";

/** Most lines in one list. */
const LIST_MAX = 1000;
const LIST_DEFAULT = 200;

/** How much one search reads: logs, and bytes of them. */
const LOGS_MAX = 30;
const BYTES_MAX = 50e6;

/** Most points of a curve. */
const POINTS_MAX = 2000;

/** Reads a line of the log; undefined if it is no record. */
export function readLine(line: string): HubEvent | undefined {
  const read = readRecord(line);
  return read && eventOf(read.date, read.time, read.text);
}

/** A line by its parts. @param time such as `23:13:31,620` */
export function eventOf(date: string, time: string, text: string): HubEvent {
  return { date, time, text, ...(eventParts(text) ?? { node: null }) };
}

/** Chooses lines. */
type Choice = (event: HubEvent) => boolean;

function choiceIn(query: URLSearchParams): Choice {
  const [text, node, type] = ["text", "node", "type"].map((name) => query.get(name)?.toLowerCase());
  const hasHub = query.get("hub") !== "no";
  return (event) =>
    (hasHub || event.node !== null) &&
    (text === undefined || event.text.toLowerCase().includes(text)) &&
    (node === undefined || event.node?.toLowerCase() === node) &&
    (type === undefined || event.type?.toLowerCase() === type);
}

/** Lists the events of a day. @throws {Refused} */
export async function listEvents(
  source: Source,
  date: string,
  query: URLSearchParams,
): Promise<unknown> {
  const offset = numberIn(query, "offset", { from: 0, to: 1e9, default: 0 });
  const limit = numberIn(query, "limit", { from: 0, to: LIST_MAX, default: LIST_DEFAULT });
  const isChosen = choiceIn(query);
  const { from, to } = filterIn(query);
  const events: HubEvent[] = [];
  let total = 0;
  for (const event of await source.eventsOf(date)) {
    const micros = timeIn(event.time.replace(",", "."));
    if (micros < from || micros >= to || !isChosen(event)) continue;
    if (total >= offset && events.length < limit) events.push(event);
    total++;
  }
  return { total, offset, events };
}

/** Searches all logs, the latest line first. @throws {Refused} */
export async function searchEvents(source: Source, query: URLSearchParams): Promise<unknown> {
  const limit = numberIn(query, "limit", { from: 1, to: LIST_MAX, default: LIST_DEFAULT });
  const isChosen = choiceIn(query);
  // A form that is left empty means all days.
  const [from, to] = [query.get("from") ?? "", query.get("to") ?? ""];
  const first = from === "" ? "" : dateIn(from);
  const last = to === "" ? "9999" : dateIn(to);
  const start = query.get("before") ?? "";
  const [, startFile = "", startLine = ""] =
    /^(current|\d{4}-\d{2}-\d{2})\.(\d{1,9})$/.exec(start) ?? [];
  if (start !== "" && startFile === "")
    throw new Refused(400, "before must be as more of an answer");
  const files = await source.logs(first, last);
  const begin = startFile === "" ? 0 : files.findIndex(({ name }) => name <= startFile);
  const events: HubEvent[] = [];
  let bytes = 0;
  let logs = 0;
  for (const { name, size, lines } of begin < 0 ? [] : files.slice(begin)) {
    if (name < first && name !== "current") break;
    bytes += size;
    if (logs++ >= LOGS_MAX || (logs > 1 && bytes > BYTES_MAX))
      return { events, more: `${name}.${1e9 - 1}` };
    const read = await lines();
    const end = name === startFile ? Math.min(read.count, Number(startLine)) : read.count;
    for (let index = end - 1; index >= 0; index--) {
      const event = read.at(index);
      if (event === undefined || event.date < first || event.date > last || !isChosen(event))
        continue;
      events.push(event);
      if (events.length >= limit) return { events, more: `${name}.${index}` };
    }
  }
  return { events, more: null };
}

/** The values of a node over some days. @throws {Refused} */
export async function seriesOf(
  source: Source,
  dates: readonly string[],
  query: URLSearchParams,
): Promise<{ readonly unit: string; readonly points: readonly [time: string, value: number][] }> {
  const isChosen = choiceIn(query);
  const points: [time: string, value: number][] = [];
  let unit = "";
  for (const date of dates) {
    for (const event of await source.eventsOf(date)) {
      if (event.number === undefined || !isChosen(event)) continue;
      unit = event.unit ?? unit;
      points.push([`${event.date}T${event.time.replace(",", ".")}`, event.number]);
    }
  }
  return { unit, points: thinned(points) };
}

/** Each point is the mean of some. */
function thinned(
  points: readonly [time: string, value: number][],
): [time: string, value: number][] {
  const each = Math.ceil(points.length / POINTS_MAX);
  if (each <= 1) return [...points];
  return Array.from({ length: Math.ceil(points.length / each) }, (_, index) => {
    const some = points.slice(index * each, (index + 1) * each);
    const mean = some.reduce((sum, [, value]) => sum + value, 0) / some.length;
    return [some[0]![0], mean];
  });
}
