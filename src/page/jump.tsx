/**
 * Goes to an hour of any day: open this, click the hour; of an hour with many images, the minutes.
 * Or type the time, and click the day.
 *
 * @module
 */

import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { address, go } from "./address.ts";
import { CameraChips } from "./camera-chips.tsx";
import { beginCounting, endCounting } from "./hour-counts.ts";
import { dayLink, Hours, isToCome, type Wish } from "./hours.tsx";
import { days, today } from "./hub.ts";
import { Icon } from "./icons.tsx";
import { isDate, TYPE_A_TIME, typedTime } from "./time.ts";

/** Whether the dialog is open. */
export const jumping = signal(false);

/** Days that are shown at first, and that are added each time the end is seen. */
const DAYS = 14;

/** The dialog, which closes itself. */
export function JumpDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const count = useSignal(DAYS);
  const wish: Wish = {
    cameras: useSignal(address.peek().query.getAll("camera")),
    time: useSignal(""),
    hour: useSignal(""),
  };
  useEffect(() => {
    beginCounting();
    dialog.current?.showModal();
    return endCounting;
  }, []);
  const all = days.value?.days ?? [];
  const chosen = wish.cameras.value;
  const found = all.filter(({ images, events, cameras }) =>
    chosen.length === 0 ? images + events > 0 : cameras.some(({ name }) => chosen.includes(name)),
  );
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
      <Typed wish={wish} onDone={close} />
      <div class="scrolls">
        <CameraChips
          names={all.slice(-DAYS).flatMap(({ cameras }) => cameras.map(({ name }) => name))}
          chosen={chosen}
          onChange={(names) => (wish.cameras.value = names)}
        />
      </div>
      <div
        class="hours-of-days"
        tabIndex={0}
        role="group"
        aria-label="Days"
        onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
          if (scrollTop + clientHeight > scrollHeight - 400 && count.value < found.length)
            count.value += DAYS;
        }}
      >
        {found
          .slice(-count.value)
          .toReversed()
          .map(({ date }) => (
            <Hours key={date} date={date} wish={wish} onDone={close} />
          ))}
      </div>
    </dialog>
  );
}

interface TypedProps {
  readonly wish: Wish;
  readonly onDone: () => void;
}

function Typed({ wish, onDone }: TypedProps) {
  const problem = useSignal("");
  const shown = address.value.date;
  const usual = isDate(shown) ? shown : today.value;
  function submit(event: SubmitEvent): void {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const date = (data.get("date") as string) || usual;
    const at = typedTime(wish.time.value);
    if (at === undefined && wish.time.value.trim() !== "") problem.value = TYPE_A_TIME;
    else if (isToCome(date, at ?? "")) problem.value = `${at} is still to come. Choose a day`;
    else {
      go(dayLink(date, wish));
      onDone();
    }
  }
  return (
    <form class="row" onSubmit={submit} noValidate>
      <input type="date" name="date" aria-label="Day" max={today.value} defaultValue={usual} />
      <input
        type="text"
        name="time"
        inputMode="numeric"
        placeholder="14:05"
        aria-label="Time"
        autocomplete="off"
        // On a phone, the keyboard would hide the hours.
        autofocus={matchMedia("(pointer: fine)").matches}
        onInput={(event) => {
          wish.time.value = event.currentTarget.value;
          problem.value = "";
        }}
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
