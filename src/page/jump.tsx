/**
 * Goes to an hour of any day: open this, click the hour. Or type the day and the time.
 *
 * @module
 */

import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { address, go, href } from "./address.ts";
import { days, now, today } from "./hub.ts";
import { Icon } from "./icons.tsx";
import { clockTime, dayName, isDate, minuteOfDay, typedTime } from "./time.ts";

/** Whether the dialog is open. */
export const jumping = signal(false);

/** Days that are shown at first, and that are added each time the end is seen. */
const DAYS = 14;

const HOURS = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, "0"));

/** The dialog, which closes itself. */
export function JumpDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const count = useSignal(DAYS);
  useEffect(() => dialog.current?.showModal(), []);
  const all = (days.value?.days ?? []).filter(({ images, events }) => images + events > 0);
  const close = (): void => dialog.current?.close();
  return (
    <dialog
      ref={dialog}
      class="jump"
      aria-labelledby="jump-title"
      onClose={() => (jumping.value = false)}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="row">
        <h2 id="jump-title">Go to a day and hour</h2>
        <button class="square" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      <Typed onDone={close} />
      <div
        class="hours-of-days"
        tabIndex={0}
        role="group"
        aria-label="Days"
        onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
          if (scrollTop + clientHeight > scrollHeight - 400 && count.value < all.length)
            count.value += DAYS;
        }}
      >
        {all
          .slice(-count.value)
          .toReversed()
          .map(({ date }) => (
            <section key={date} aria-label={date}>
              <h3>
                <a href={dayLink(date, undefined)} onClick={close}>
                  {dayName(date, today.value)}
                </a>
              </h3>
              <div class="hours">
                {HOURS.map((hour) =>
                  date === today.value && hour > clockTime(minuteOfDay(now.value)) ? (
                    <span key={hour} role="link" aria-disabled="true">
                      {hour}
                    </span>
                  ) : (
                    <a key={hour} href={dayLink(date, `${hour}:00`)} onClick={close}>
                      {hour}
                    </a>
                  ),
                )}
              </div>
            </section>
          ))}
      </div>
    </dialog>
  );
}

function dayLink(date: string, at: string | undefined): string {
  return href("day", date, { at, camera: address.value.query.getAll("camera") });
}

function Typed({ onDone }: { readonly onDone: () => void }) {
  const problem = useSignal("");
  function submit(event: SubmitEvent): void {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const [date, text] = [data.get("date") as string, data.get("time") as string];
    const at = text.trim() === "" ? undefined : typedTime(text);
    if (!isDate(date)) problem.value = "Choose a day.";
    else if (at === undefined && text.trim() !== "") problem.value = "Type a time such as 14:05.";
    else {
      go(dayLink(date, at));
      onDone();
    }
  }
  const shown = address.value.date;
  return (
    <form class="row" onSubmit={submit} noValidate>
      <input
        type="date"
        name="date"
        aria-label="Day"
        max={today.value}
        defaultValue={isDate(shown) ? shown : today.value}
      />
      <input
        type="text"
        name="time"
        inputMode="numeric"
        placeholder="14:05"
        aria-label="Time"
        autocomplete="off"
        // On a phone, the keyboard would hide the hours.
        autofocus={matchMedia("(pointer: fine)").matches}
      />
      <button class="primary">Go</button>
      <p class="problem" role="alert">
        {problem}
      </p>
    </form>
  );
}

addEventListener("keydown", (event) => {
  const isTyping =
    (event.target as HTMLElement).closest("input, select, textarea, dialog") !== null;
  if (event.key !== "g" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  jumping.value = true;
});
