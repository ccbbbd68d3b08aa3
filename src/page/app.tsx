/**
 * The frame around the views: where to go, and what is wrong.
 *
 * @module
 */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { address, href } from "./address.ts";
import { CalendarView } from "./calendar.tsx";
import { Day } from "./day.tsx";
import { Events } from "./events.tsx";
import { days, now, today, trouble } from "./hub.ts";
import { Icon, type IconName } from "./icons.tsx";
import { ImageView } from "./image.tsx";
import { JumpDialog, jumping } from "./jump.tsx";
import { health } from "./live.ts";
import { Login } from "./login.tsx";
import { Now } from "./now.tsx";
import { clockTime, dayName, isDate, minuteOfDay } from "./time.ts";

/** All of the page. */
export function App() {
  const { view } = address.value;
  useEffect(() => {
    document.title = title();
  });
  if (trouble.value?.kind === "login") return <Login />;
  return (
    <>
      <header class="top">
        <a class="brand" href={href("now")}>
          imagehub
        </a>
        <nav class="tabs" aria-label="Views">
          <Tab view="now" icon="now" text="Now" link={href("now")} />
          <Tab view="day" icon="day" text="Day" link={dayLink()} />
          <Tab view="events" icon="events" text="Events" link={href("events")} />
          <Tab view="calendar" icon="calendar" text="Calendar" link={href("calendar")} />
          <button class="tab" aria-haspopup="dialog" onClick={() => (jumping.value = true)}>
            <Icon name="clock" />
            <span>Go to</span>
          </button>
        </nav>
        <Clock />
      </header>
      <Banner />
      <main class={`view ${view}`}>
        <View />
      </main>
      {jumping.value && <JumpDialog />}
    </>
  );
}

function View() {
  const { view, date, name } = address.value;
  if (view === "events") return <Events />;
  if (view === "calendar") return <CalendarView />;
  if (view === "day" && isDate(date))
    return name === "" ? <Day date={date} key={date} /> : <ImageView date={date} />;
  return <Now />;
}

function title(): string {
  const { view, date, name, query } = address.value;
  const parts = {
    day: [name, name === "" && isDate(date) ? dayName(date, today.value) : "", query.get("at")],
    events: ["Events"],
    calendar: ["Calendar"],
  }[view];
  return [...(parts ?? []), "imagehub"].filter((part) => part).join(" · ");
}

/** Today, followed; or the day that is already shown. */
function dayLink(): string {
  const { view, date } = address.value;
  return view === "day" && isDate(date)
    ? href("day", date)
    : href("day", today.value, { live: "1" });
}

interface TabProps {
  readonly view: string;
  readonly icon: IconName;
  readonly text: string;
  readonly link: string;
}

function Tab({ view, icon, text, link }: TabProps) {
  const isCurrent = address.value.view === view;
  return (
    <a class="tab" href={link} aria-current={isCurrent ? "page" : undefined}>
      <Icon name={icon} />
      <span>{text}</span>
    </a>
  );
}

/** The hub's time. All times in the page are meant so. */
function Clock() {
  const zone = days.value?.zone;
  return (
    <p class="clock" title="The hub's time. All times here are in its zone.">
      {zone !== undefined && (
        <>
          <time>{clockTime(minuteOfDay(now.value))}</time> {zone}
        </>
      )}
    </p>
  );
}

/** What is wrong with the hub, while it is. */
function Banner() {
  const dismissed = useSignal("");
  const problem = trouble.value;
  const reasons = health.value?.healthy === false ? health.value.reasons.join(". ") : "";
  let text = "";
  if (problem?.kind === "away") text = "The hub does not answer. Trying again …";
  else if (problem?.kind === "refused") text = `${problem.reason}. Trying again …`;
  else if (reasons !== dismissed.value) text = reasons;
  return (
    <div role="status" class="banner-place">
      {text !== "" && (
        <p class="banner">
          <span>{text}</span>
          {problem === undefined && (
            <button class="quiet" onClick={() => (dismissed.value = reasons)} aria-label="Hide">
              <Icon name="close" />
            </button>
          )}
        </p>
      )}
    </div>
  );
}
