/**
 * The addresses of the page and of the API, and what answers them.
 *
 * @module
 */

import { type Answer, json, plain, takesGzip } from "../http/answer.ts";
import { Day } from "../catalog/day.ts";
import { DayIndex } from "./day-index.ts";
import { camerasOf } from "./minutes.ts";
import { listEvents, searchEvents, seriesOf } from "./events.ts";
import { listImages, neighboursOf } from "./images.ts";
import { fileAnswer, isUnchanged } from "./file-answer.ts";
import { pageAnswer } from "./page.ts";
import { dateIn, filterIn, imagesIn, Refused, timeText } from "./query.ts";
import type { Question, Site } from "./site.ts";
import type { Source } from "./source.ts";
import { sizeOf, WIDTHS } from "./thumbnails.ts";
import { zipOf } from "./zip.ts";
import { parseImageFileName } from "../protocol/names.ts";
import { daysAfter } from "../protocol/calendar.ts";

/** Most images in one ZIP of a time of day, and in one of a list. */
const ZIP_MAX = 20_000;
const LIST_MAX = 1000;

/** Most days of a curve. */
const SERIES_DAYS_MAX = 62;

/** One address. */
export interface ViewRoute {
  readonly method: "GET" | "POST";
  readonly pattern: RegExp;
  /** @param parts what the groups of the pattern have found */
  answer(site: Site, question: Question, parts: string[]): Answer | Promise<Answer>;
}

const get = (pattern: RegExp, answer: ViewRoute["answer"]): ViewRoute => ({
  method: "GET",
  pattern,
  answer,
});
const post = (pattern: RegExp, answer: ViewRoute["answer"]): ViewRoute => ({
  method: "POST",
  pattern,
  answer,
});

/** The first one that matches answers. */
export const ROUTES: readonly ViewRoute[] = [
  get(/^\/$/, async (_, { headers }) => (await pageAnswer("", takesGzip(headers)))!),
  get(/^\/assets\/([^/]+)$/, async (_, { headers }, [name]) => {
    return (
      (await pageAnswer(name!, takesGzip(headers))) ??
      plain(404, "The page has no such part; reload it")
    );
  }),
  get(/^\/api\/v1\/days$/, async ({ source }) => json(await source.list())),
  get(/^\/api\/v1\/days\/([^/]+)$/, async ({ source }, _, [date]) =>
    json(await summaryOf(source, dateIn(date!))),
  ),
  get(/^\/api\/v1\/days\/([^/]+)\/images$/, async ({ source }, { query }, [date]) => {
    const day = await dayOrNone(source, dateIn(date!));
    return json(listImages(day, query, source.protectedOf(day.date)));
  }),
  get(
    /^\/api\/v1\/days\/([^/]+)\/images\/([^/]+)$/,
    async ({ source }, { headers, query }, [date, name]) => {
      const image = await source.image(dateIn(date!), name!);
      return fileAnswer(image, headers, query.has("download") ? source.fileName(name!) : undefined);
    },
  ),
  get(/^\/api\/v1\/days\/([^/]+)\/images\/([^/]+)\/info$/, async ({ source }, _, [date, name]) =>
    json(await infoOf(source, dateIn(date!), name!)),
  ),
  get(/^\/api\/v1\/days\/([^/]+)\/thumbnails\/([^/]+)$/, async (site, question, [date, name]) =>
    thumbnail(site, question, dateIn(date!), name!),
  ),
  get(/^\/api\/v1\/cameras$/, async ({ source }) => json({ cameras: await source.cameras() })),
  get(/^\/api\/v1\/latest\/([^/]+)\.jpg$/, async (site, question, [camera]) =>
    latest(site, question, camera!),
  ),
  get(/^\/api\/v1\/days\/([^/]+)\/events$/, async ({ source }, { query }, [date]) =>
    json(await listEvents(source, dateIn(date!), query)),
  ),
  get(/^\/api\/v1\/events$/, async ({ source }, { query }) =>
    json(await searchEvents(source, query)),
  ),
  get(/^\/api\/v1\/series$/, async ({ source }, { query }) =>
    json(await seriesOf(source, datesIn(query), query)),
  ),
  get(/^\/api\/v1\/live$/, (site, question) => live(site, question)),
  get(/^\/api\/v1\/zip$/, async ({ source }, { query }) => await zipOfTime(source, query)),
  post(
    /^\/api\/v1\/zip$/,
    async ({ source }, { body, headers }) =>
      await zipAnswer(source, imagesIn(bodyOf(body, headers).images, LIST_MAX), "images.zip"),
  ),
  post(/^\/api\/v1\/protect$/, async ({ source }, { body, headers }) => {
    const wish = bodyOf(body, headers);
    if (typeof wish.protect !== "boolean")
      throw new Refused(400, "protect must be either true or false");
    return json(await source.protect(imagesIn(wish.images, LIST_MAX), wish.protect));
  }),
];

/** A day without images has an empty list: today is one for a while. */
async function dayOrNone(source: Source, date: string): Promise<DayIndex> {
  return (await source.day(date)) ?? new DayIndex(new Day(date, () => {}), "");
}

async function summaryOf(source: Source, date: string): Promise<unknown> {
  const day = await source.day(date);
  const eventMinutes = new Map<number, number>();
  let events = 0;
  for (const { time, node } of await source.eventsOf(date)) {
    if (node === null) continue;
    events++;
    const minute = Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
    eventMinutes.set(minute, (eventMinutes.get(minute) ?? 0) + 1);
  }
  if (day === undefined && events === 0)
    throw new Refused(404, `There are no images and no events of ${date}`);
  const cameras = day === undefined ? [] : camerasOf(day);
  return { date, images: day?.count ?? 0, cameras, events, eventMinutes: [...eventMinutes] };
}

async function infoOf(source: Source, date: string, name: string): Promise<unknown> {
  using image = await source.image(date, name);
  const { camera, micros } = parseImageFileName(name, date)!;
  const size = await sizeOf(image.read());
  const day = await source.day(date);
  return {
    name,
    camera,
    date,
    time: timeText(micros),
    bytes: image.bytes,
    width: size?.width ?? null,
    height: size?.height ?? null,
    protected: source.protectedOf(date).has(name),
    ...(day === undefined ? { previous: null, next: null } : neighboursOf(day, name)),
  };
}

async function thumbnail(
  { source, thumbnails }: Site,
  { query, gone }: Pick<Question, "query" | "gone">,
  date: string,
  name: string,
): Promise<Answer> {
  const width = widthIn(query) ?? 320;
  const read = async (): Promise<Uint8Array> => {
    using image = await source.image(date, name);
    return image.read();
  };
  const body = await thumbnails.of(`${width} ${date} ${name}`, width, read, gone);
  // What is kept must not move to another thread with the answer.
  return { status: 200, type: "image/jpeg", body: new Uint8Array(body), headers: IMMUTABLE };
}

const IMMUTABLE = { "Cache-Control": "private, max-age=31536000, immutable" };

function widthIn(query: URLSearchParams): number | undefined {
  const width = query.get("width");
  if (width === null) return undefined;
  if (!WIDTHS.some((each) => String(each) === width))
    throw new Refused(400, `width must be one of ${WIDTHS.join(", ")}`);
  return Number(width);
}

async function latest(site: Site, question: Question, camera: string): Promise<Answer> {
  const { source } = site;
  const found = (await source.cameras()).find(({ name }) => name === camera);
  if (found === undefined)
    throw new Refused(404, `There is no image of ${camera} in the last days`);
  const { date, name } = found.latest;
  const width = widthIn(question.query);
  const image = await source.image(date, name);
  const tag = width === undefined ? image.tag : image.tag.replace(/"$/, `-${width}"`);
  const headers = {
    ETag: tag,
    "Cache-Control": "no-cache",
    "X-Image-Name": encodeURIComponent(name),
    "Last-Modified": lastModified(image.modifiedMs),
  };
  if (width === undefined && !isUnchanged(question.headers, tag, headers["Last-Modified"])) {
    const answer = fileAnswer(image, question.headers, undefined);
    return { ...answer, headers: { ...answer.headers, ...headers } };
  }
  image[Symbol.dispose]();
  if (isUnchanged(question.headers, tag, headers["Last-Modified"]))
    return { status: 304, type: "image/jpeg", body: new Uint8Array(0), headers };
  return { ...(await thumbnail(site, question, date, name)), headers };
}

/**
 * Another image may come in the same second and would have the same `Last-Modified`. While that
 * second lasts, the one before it is told.
 */
function lastModified(modifiedMs: number): string {
  const isOver = Math.floor(Date.now() / 1000) > Math.floor(modifiedMs / 1000);
  return new Date(modifiedMs - (isOver ? 0 : 1000)).toUTCString();
}

/** @throws {Refused} */
function datesIn(query: URLSearchParams): string[] {
  const [first, last] = [dateIn(query.get("from") ?? ""), dateIn(query.get("to") ?? "")];
  const dates: string[] = [];
  for (let date = first; date <= last; date = daysAfter(date, 1)) {
    if (dates.length >= SERIES_DAYS_MAX)
      throw new Refused(400, `from and to may be ${SERIES_DAYS_MAX} days apart`);
    dates.push(date);
  }
  return dates;
}

function setOf(values: readonly string[]): Set<string> | undefined {
  return values.length === 0 ? undefined : new Set(values);
}

function live(site: Site, { query, headers, gone }: Question): Answer {
  const lookers = site.source.live;
  if (!lookers.hasRoom) return plain(503, "Too many look live at once");
  const body = lookers.stream(
    {
      cameras: setOf(query.getAll("camera")),
      only: setOf((query.get("only") ?? "").split(",").filter((word) => word !== "")),
      after: headers.get("last-event-id") ?? query.get("after") ?? undefined,
    },
    gone,
  );
  // A proxy must not hold back what comes.
  const streaming = { "Cache-Control": "no-store", "X-Accel-Buffering": "no" };
  return { status: 200, type: "text/event-stream", body, headers: streaming };
}

async function zipOfTime(source: Source, query: URLSearchParams): Promise<Answer> {
  const date = dateIn(query.get("date") ?? "");
  const day = await source.day(date);
  if (day === undefined) throw new Refused(404, `There are no images of ${date}`);
  const places = day.places(filterIn(query));
  if (places.length > ZIP_MAX)
    throw new Refused(400, `These are ${places.length} images; a ZIP has at most ${ZIP_MAX}`);
  const names = places.slice(0, ZIP_MAX).map((place) => [day.date, day.at(place).name] as const);
  return await zipAnswer(source, names, `imagehub-${day.date}.zip`);
}

async function zipAnswer(
  source: Source,
  names: readonly (readonly [date: string, name: string])[],
  file: string,
): Promise<Answer> {
  // Each once, in their order.
  const images = [...new Map(names.map((each) => [each.join("/"), each])).values()];
  if (!(await isAnyThere(source, images)))
    throw new Refused(404, "None of these images is there; they may have been deleted");
  return {
    status: 200,
    type: "application/zip",
    body: zipOf(source, images),
    headers: { "Content-Disposition": `attachment; filename="${file}"` },
  };
}

async function isAnyThere(
  source: Source,
  images: readonly (readonly [date: string, name: string])[],
): Promise<boolean> {
  for (const [date, name] of images) if (await source.isThere(date, name)) return true;
  return false;
}

/** The body of a POST: JSON, or the field `json` of a form, whose answer a browser saves. */
function bodyOf(
  body: Uint8Array,
  headers: Question["headers"],
): { readonly images?: unknown; readonly protect?: unknown } {
  const text = Buffer.from(body).toString();
  const isForm = headers.get("content-type")?.startsWith("application/x-www-form-urlencoded");
  try {
    const value: unknown = JSON.parse(
      isForm === true ? (new URLSearchParams(text).get("json") ?? "") : text,
    );
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // As below.
  }
  throw new Refused(
    400,
    isForm === true
      ? "The body must be JSON, or a form with JSON in its field json. With curl, say that it is JSON: -H 'Content-Type: application/json'"
      : "The body must be JSON",
  );
}
