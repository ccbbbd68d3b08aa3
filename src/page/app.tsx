/**
 * The frame around the views: where to go, and what is wrong.
 *
 * @module
 */

import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { address, href, replace } from "./address.ts";
import { CalendarView } from "./calendar.tsx";
import { Day } from "./day.tsx";
import { Events } from "./events.tsx";
import { days, now, today, trouble } from "./hub.ts";
import { HubsLine, hasZones, isView } from "./hubs.tsx";
import { Icon, type IconName } from "./icons.tsx";
import { ImageView } from "./image.tsx";
import { JumpDialog, jumping } from "./jump.tsx";
import { crowded, health } from "./live.ts";
import { Login } from "./login.tsx";
import { Now } from "./now.tsx";
import { clockTime, dayName, isDate, minuteOfDay } from "./time.ts";

const CROWDED = "Too many look live. This page is updated only every 30 s.";

/** An address that leads nowhere, for as long as this is said. */
const nowhere = signal("");

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
      <HubsLine />
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
  return view === "now" ? <Now /> : <Nowhere />;
}

/** Leads to what there is, and says so: a damaged link must not look like a whole one. */
function Nowhere() {
  useEffect(() => {
    nowhere.value = location.hash;
    replace(href("now"));
    addEventListener("hashchange", () => (nowhere.value = ""), { once: true });
  }, []);
  return null;
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
  // Each hub has its own.
  if (hasZones()) return null;
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
  if (problem?.kind === "away")
    text = `The ${isView() ? "view" : "hub"} does not answer. Trying again …`;
  else if (problem?.kind === "refused") text = `${problem.reason}. Trying again …`;
  else if (nowhere.value !== "") text = `The link ${nowhere.value} leads nowhere: this is Now.`;
  else if (reasons !== "" && reasons !== dismissed.value) text = reasons;
  else if (crowded.value && dismissed.value !== CROWDED) text = CROWDED;
  return (
    <div role="status" class="banner-place">
      {text !== "" && (
        <p class="banner">
          <span>{text}</span>
          {problem === undefined && (
            <button
              class="quiet"
              onClick={() =>
                nowhere.value === "" ? (dismissed.value = text) : (nowhere.value = "")
              }
              aria-label="Hide"
            >
              <Icon name="close" />
            </button>
          )}
        </p>
      )}
    </div>
  );
}
