/**
 * What is above a day: which day and time, and which of its cameras and events are shown.
 *
 * @module
 */

import { type ReadonlySignal, useSignal } from "@preact/signals";
import { address, href, replaceQuery } from "./address.ts";
import { counted, grouped } from "./amounts.ts";
import type { DayOverview } from "./answers.ts";
import { CameraChips } from "./camera-chips.tsx";
import { type DayEvent, firstEvent } from "./day-events.ts";
import { days, today } from "./hub.ts";
import { Icon } from "./icons.tsx";
import { jumping } from "./jump.tsx";
import { endSelecting, selecting } from "./selection.ts";
import { addDays, clockTime, dayName, minutesOf, TYPE_A_TIME, typedTime } from "./time.ts";

interface BarProps {
  readonly date: string;
  readonly overview: DayOverview | undefined;
  /** All of the day. */
  readonly events: readonly DayEvent[];
  /** Those that the filters let through. */
  readonly shown: readonly DayEvent[];
  /** The time that the grid shows, in minutes. */
  readonly position: ReadonlySignal<number>;
  readonly isLive: boolean;
  /** Whether the day has no images. */
  readonly isEmpty: boolean;
  readonly onSeek: (minute: number) => void;
}

/** Two rows: where in time, and what of it. */
export function DayBar(props: BarProps) {
  const { date, overview, isLive, isEmpty } = props;
  const isToday = date === today.value;
  return (
    <div class="day-bar">
      <div class="row">
        <DayStep date={date} step={-1} />
        <button class="day-name" aria-haspopup="dialog" onClick={() => (jumping.value = true)}>
          {dayName(date, today.value)}
        </button>
        <DayStep date={date} step={1} />
        <TimeField {...props} />
        {isToday && (
          <button
            class="live"
            aria-pressed={isLive}
            onClick={() => replaceQuery({ live: isLive ? undefined : "1", at: undefined })}
          >
            Live
          </button>
        )}
        <Amount {...props} />
        {!isEmpty && (
          <button
            class="select"
            aria-pressed={selecting.value}
            onClick={() => (selecting.value ? endSelecting() : (selecting.value = true))}
          >
            <Icon name="check" />
            <span>Select</span>
          </button>
        )}
      </div>
      <div class="row scrolls">
        <CameraChips
          names={overview?.cameras.map(({ name }) => name) ?? []}
          chosen={address.value.query.getAll("camera")}
          onChange={(camera) => replaceQuery({ camera })}
        />
        <EventFilter {...props} />
        {!isEmpty && <Zoom />}
      </div>
    </div>
  );
}

/** How much the day has, and how much of it is shown. */
function Amount({ overview, events, shown }: BarProps) {
  if (overview === undefined) return <p class="amount" />;
  const chosen = address.value.query.getAll("camera");
  const images = overview.cameras
    .filter(({ name }) => chosen.length === 0 || chosen.includes(name))
    .reduce((sum, camera) => sum + camera.images, 0);
  return (
    <p class="muted amount">
      {part(images, overview.images, "image")}
      <span>, {part(shown.length, events.length, "event")}</span>
    </p>
  );
}

function part(shown: number, all: number, what: string): string {
  return shown === all ? counted(all, what) : `${grouped(shown)} of ${counted(all, what)}`;
}

/** To the next day, or the one before, that there is. */
function DayStep({ date, step }: { readonly date: string; readonly step: 1 | -1 }) {
  const dates = days.value?.days.map((day) => day.date) ?? [];
  const next =
    step < 0
      ? (dates.findLast((each) => each < date) ?? addDays(date, -1))
      : (dates.find((each) => each > date) ?? addDays(date, 1));
  const icon = <Icon name={step < 0 ? "previous" : "next"} />;
  const label = step < 0 ? "Day before" : "Next day";
  if (next > today.value)
    return (
      <span class="square" role="link" aria-disabled="true" aria-label={label}>
        {icon}
      </span>
    );
  const { query } = address.value;
  const at = query.get("live") === "1" ? undefined : (query.get("at") ?? undefined);
  const link = href("day", next, { at, camera: query.getAll("camera") });
  return (
    <a class="square" aria-label={label} href={link}>
      {icon}
    </a>
  );
}

/** Shows the time, and goes to one that is typed. */
function TimeField({ position, onSeek }: BarProps) {
  const draft = useSignal<string | undefined>(undefined);
  const isWrong = useSignal(false);
  function type(text: string | undefined): void {
    draft.value = text;
    isWrong.value = false;
  }
  function submit(event: SubmitEvent): void {
    event.preventDefault();
    if (draft.value !== undefined) {
      const time = typedTime(draft.value);
      isWrong.value = time === undefined;
      if (time === undefined) return;
      onSeek(minutesOf(time));
    }
    type(undefined);
    (event.currentTarget as HTMLElement).querySelector("input")?.blur();
  }
  return (
    <form class="time-field" onSubmit={submit}>
      <input
        type="text"
        inputMode="numeric"
        aria-label="Time: type one, such as 14:05"
        value={draft.value ?? clockTime(position.value, true)}
        onFocus={(event) => event.currentTarget.select()}
        onInput={(event) => type(event.currentTarget.value)}
        onBlur={() => type(undefined)}
        autocomplete="off"
        aria-invalid={isWrong.value}
      />
      <p class="problem" role="alert">
        {isWrong.value && TYPE_A_TIME}
      </p>
    </form>
  );
}

/** Which events are shown; and from one to the next. */
function EventFilter({ events, shown, position, onSeek }: BarProps) {
  const { query } = address.value;
  if (events.length === 0) return null;
  const types = [...new Set(events.map(({ type }) => type ?? ""))].toSorted();
  return (
    <div class="chips" role="group" aria-label="Events">
      <select
        class="chip"
        aria-label="Type of events"
        value={query.get("type") ?? ""}
        onChange={(event) => replaceQuery({ type: event.currentTarget.value })}
      >
        <option value="">All events</option>
        {types.map((type) => (
          <option key={type} value={type}>
            {type}
          </option>
        ))}
      </select>
      <input
        class="chip"
        type="search"
        aria-label="Text in events"
        placeholder="Text in events"
        value={query.get("text") ?? ""}
        onInput={(event) => replaceQuery({ text: event.currentTarget.value })}
      />
      <EventSteps shown={shown} position={position} onSeek={onSeek} />
    </div>
  );
}

/** From one event to the next. */
function EventSteps({ shown, position, onSeek }: Pick<BarProps, "shown" | "position" | "onSeek">) {
  const at = position.value;
  // Half a second, as the position may be rounded to seconds.
  const before = shown[firstEvent(shown, at - 1 / 120) - 1];
  const next = shown[firstEvent(shown, at + 1 / 120)];
  return (
    <>
      <button
        class="square"
        aria-label="Event before"
        disabled={before === undefined}
        onClick={() => before !== undefined && onSeek(before.minute)}
      >
        <Icon name="previous" />
      </button>
      <button
        class="square"
        aria-label="Next event"
        disabled={next === undefined}
        onClick={() => next !== undefined && onSeek(next.minute)}
      >
        <Icon name="next" />
      </button>
    </>
  );
}

/** How much of the day the timeline shows. */
function Zoom() {
  const zoom = address.value.query.get("zoom") ?? "24";
  return (
    <div class="segments" role="group" aria-label="Timeline shows">
      {["24", "6", "1"].map((hours) => (
        <button
          key={hours}
          aria-pressed={zoom === hours}
          onClick={() => replaceQuery({ zoom: hours === "24" ? undefined : hours })}
        >
          {hours} h
        </button>
      ))}
    </div>
  );
}
