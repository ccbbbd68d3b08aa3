/**
 * What is known of an image, and what can be done with it.
 *
 * @module
 */

import { useSignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { href } from "./address.ts";
import { grouped, size } from "./amounts.ts";
import type { Image, ImageInfo } from "./answers.ts";
import { imagePath, dayPath } from "./api.ts";
import { CopyButton } from "./copy.tsx";
import { firstEvent, useDayEvents } from "./day-events.ts";
import { EventList } from "./event-list.tsx";
import { useAnswer } from "./hub.ts";
import { hubOf, isView, zoneOf } from "./hubs.tsx";
import { Icon } from "./icons.tsx";
import { protect } from "./selection.ts";
import { parseName } from "./sequence.ts";
import { longDate, minutesOf } from "./time.ts";

/** Events before an image, and after it. */
const EVENTS = 4;

/** While images fly by, nothing is asked about each of them. */
const CALM_MS = 250;

interface FactsProps {
  readonly date: string;
  readonly name: string;
  /** undefined until it is known from the list. */
  readonly image: Image | undefined;
}

/** Beside the picture, or below it on a phone. */
export function ImageFacts({ date, name, image }: FactsProps) {
  const info = useInfo(date, name);
  const time = image?.time ?? parseName(name)?.time ?? "";
  const isProtected = useSignal<boolean | undefined>(undefined);
  const problem = useSignal("");
  useEffect(() => {
    isProtected.value = undefined;
    problem.value = "";
  }, [name]);
  const wasProtected = isProtected.value ?? info?.protected ?? image?.protected ?? false;
  async function toggle(): Promise<void> {
    try {
      const problems = await protect(date, [name], !wasProtected);
      problem.value = problems.join(". ");
      if (problems.length === 0) isProtected.value = !wasProtected;
    } catch (error) {
      problem.value = (error as Error).message;
    }
  }
  return (
    <aside class="facts" aria-label="About this image">
      <p class="moment">
        <time>{time}</time>
        <span class="muted">
          {longDate(date)}, {zoneOf(name)}
        </span>
      </p>
      <div class="row actions">
        <a class="button" href={`${imagePath(date, name)}?download`} download>
          <Icon name="download" /> Download
        </a>
        <CopyButton
          text={() => new URL(href("day", date, name), location.href).href}
          label="Copy link"
          icon="link"
        />
        {!isView() && (
          <button class="quiet" aria-pressed={wasProtected} onClick={() => void toggle()}>
            <Icon name={wasProtected ? "lock" : "unlock"} />
            {wasProtected ? "Protected" : "Protect"}
          </button>
        )}
      </div>
      <p class="problem" role="alert">
        {problem}
      </p>
      <dl>
        <dt>Name</dt>
        <dd class="name">{name}</dd>
        <dt>Size</dt>
        <dd>{info === undefined ? "…" : sizeText(info)}</dd>
      </dl>
      <EventsAround date={date} time={time} hub={hubOf(name)} />
    </aside>
  );
}

function sizeText({ width, height, bytes }: ImageInfo): string {
  const pixels = width == null || height == null ? "" : `${grouped(width)} × ${grouped(height)}, `;
  return `${pixels}${size(bytes)}`;
}

/** What the hub knows of the image, as soon as it stays for a moment. */
function useInfo(date: string, name: string): ImageInfo | undefined {
  const [asked, setAsked] = useState<string>();
  useEffect(() => {
    const timer = setTimeout(() => setAsked(name), CALM_MS);
    return () => clearTimeout(timer);
  }, [name]);
  const isAsked = asked === name;
  const path = dayPath(date, `images/${encodeURIComponent(name)}/info`);
  return useAnswer<ImageInfo>(isAsked ? path : undefined).data;
}

interface AroundProps {
  readonly date: string;
  readonly time: string;
  /** In a view of many, only its clock has shown this time; undefined in a hub's own page. */
  readonly hub: string | undefined;
}

function EventsAround({ date, time, hub }: AroundProps) {
  const all = useDayEvents(date);
  const events = hub === undefined ? all : all.filter((event) => event.hub === hub);
  const at = firstEvent(events, minutesOf(time));
  const [before, after] = [
    events.slice(Math.max(0, at - EVENTS), at),
    events.slice(at, at + EVENTS),
  ];
  return (
    <>
      <h2>Events before</h2>
      {before.length === 0 ? <p class="muted">none</p> : <EventList events={before} />}
      <h2>Events after</h2>
      {after.length === 0 ? <p class="muted">none</p> : <EventList events={after} />}
    </>
  );
}
