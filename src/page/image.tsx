/**
 * One image, and from it to those before and after of the same camera, also as a sequence.
 *
 * @module
 */

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { address, go, href, replace } from "./address.ts";
import { imagePath } from "./api.ts";
import { Icon } from "./icons.tsx";
import { ImageFacts } from "./image-facts.tsx";
import { jumping } from "./jump.tsx";
import { parseName, SPEEDS, type Sequence, useSequence } from "./sequence.ts";
import { dateAt, dayName, longDate } from "./time.ts";
import { nowOf } from "./hub.ts";

/** A finger that has moved so far has swiped, in pixels. */
const SWIPE = 48;

/** All of an image. Its name is in the address. */
export function ImageView({ date }: { readonly date: string }) {
  const { name, query } = address.value;
  const sequence = useSequence(date, name);
  const { image, index, total } = sequence;
  const shown = image?.name ?? name;
  const camera = image?.camera ?? parseName(name)?.camera ?? "";
  const back = href("day", date, {
    at: image?.time ?? parseName(name)?.time,
    camera: query.getAll("camera"),
    type: query.get("type") ?? undefined,
    text: query.get("text") ?? undefined,
  });
  useKeys(sequence, back);
  // The link to this image, once it has stayed for a moment: browsers allow few changes a second.
  useEffect(() => {
    if (image === undefined || image.name === address.peek().name) return undefined;
    const timer = setTimeout(() => replace(`${href("day", date, image.name)}${queryOf()}`), 400);
    return () => clearTimeout(timer);
  }, [date, image]);
  return (
    <div class="image-view">
      <div class="image-bar">
        <a class="square" href={back} aria-label="Back to the day">
          <Icon name="close" />
        </a>
        <h1>
          {camera} <DayName date={date} camera={camera} />
        </h1>
        <p class="muted place">{index >= 0 && total > 0 && `${index + 1} of ${total}`}</p>
      </div>
      {sequence.gone === undefined ? (
        <>
          <Stage date={date} name={shown} sequence={sequence} />
          <Controls sequence={sequence} />
          <ImageFacts date={date} name={shown} image={image} />
        </>
      ) : (
        <Gone date={date} name={name} back={back} sequence={sequence} />
      )}
    </div>
  );
}

/** Today is that of the camera's own hub. This changes with each second, and nothing else with it. */
function DayName({ date, camera }: { readonly date: string; readonly camera: string }) {
  return <span class="muted">{dayName(date, dateAt(nowOf(camera)))}</span>;
}

interface GoneProps {
  readonly date: string;
  readonly name: string;
  /** The link to the day at its time. */
  readonly back: string;
  readonly sequence: Sequence;
}

/** In the place of an image that there is no more, and the way to those around it. */
function Gone({ date, name, back, sequence: { gone = 0, at } }: GoneProps) {
  const time = parseName(name)?.time.slice(0, 8);
  return (
    <section class="empty gone">
      <h2>This image is gone</h2>
      <p>
        {longDate(date)}, {time}
      </p>
      <p class="muted name">{name}</p>
      <p class="row">
        <Neighbour date={date} name={at(gone - 1)?.name} text="Before it" />
        <Neighbour date={date} name={at(gone)?.name} text="After it" />
        <a class="button" href={back}>
          The day at this time
        </a>
      </p>
    </section>
  );
}

interface NeighbourProps {
  readonly date: string;
  readonly name: string | undefined;
  readonly text: string;
}

function Neighbour({ date, name, text }: NeighbourProps) {
  if (name === undefined) return null;
  return (
    <a class="button" href={`${href("day", date, name)}${queryOf()}`}>
      {text}: {parseName(name)?.time.slice(0, 8)}
    </a>
  );
}

function queryOf(): string {
  const at = location.hash.indexOf("?");
  return at < 0 ? "" : location.hash.slice(at);
}

/** Keys: arrows, Home, End, Space and Escape. */
function useKeys({ index, total, goTo, togglePlay }: Sequence, back: string): void {
  // Before anything is painted: a key that comes then is for what is seen.
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const element = event.target as HTMLElement;
      if (jumping.peek() || event.ctrlKey || event.metaKey || event.altKey) return undefined;
      if (element.closest("input, select") !== null && event.key !== "Escape") return;
      const actions: Record<string, () => void> = {
        ArrowLeft: () => goTo(index - 1),
        ArrowRight: () => goTo(index + 1),
        Home: () => goTo(0),
        End: () => goTo(total - 1),
        Escape: () => go(back),
      };
      if (element.closest("button, a") === null) actions[" "] = togglePlay;
      const action = actions[event.key];
      if (action === undefined) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
}

interface StageProps {
  readonly date: string;
  readonly name: string;
  readonly sequence: Sequence;
}

/** The picture. A click shows it in its own size, a swipe the next one. */
function Stage({ date, name, sequence: { index, goTo } }: StageProps) {
  const isLarge = useSignal(false);
  const failed = useSignal("");
  const pressedX = useRef<number | undefined>(undefined);
  const isSwipe = useRef(false);
  function lifted(event: PointerEvent): void {
    const moved = event.clientX - (pressedX.current ?? event.clientX);
    pressedX.current = undefined;
    isSwipe.current = event.pointerType !== "mouse" && !isLarge.value && Math.abs(moved) > SWIPE;
    if (isSwipe.current) goTo(index + (moved < 0 ? 1 : -1));
  }
  return (
    <div
      class={isLarge.value ? "stage large" : "stage"}
      onPointerDown={(event) => {
        pressedX.current = event.clientX;
        isSwipe.current = false;
      }}
      onPointerUp={lifted}
    >
      {failed.value === name ? (
        <p>This image is gone, or it is no picture.</p>
      ) : (
        <button
          class="zoom"
          aria-label={isLarge.value ? "Fit into the window" : "Show in full size"}
          onClick={() => {
            // Some browsers add a click to a swipe.
            if (!isSwipe.current) isLarge.value = !isLarge.value;
          }}
        >
          <img
            src={imagePath(date, name)}
            alt={name}
            draggable={false}
            onError={() => (failed.value = name)}
          />
        </button>
      )}
    </div>
  );
}

function Controls({ sequence }: { readonly sequence: Sequence }) {
  const { index, total, goTo, playing, togglePlay, speed } = sequence;
  const isPlaying = playing.value;
  return (
    <div class="controls">
      <button
        class="square"
        aria-label="Image before"
        disabled={index <= 0}
        onClick={() => goTo(index - 1)}
      >
        <Icon name="previous" />
      </button>
      <button
        class="square play"
        aria-label={isPlaying ? "Pause" : "Play"}
        disabled={total < 2}
        onClick={togglePlay}
      >
        <Icon name={isPlaying ? "pause" : "play"} />
      </button>
      <button
        class="square"
        aria-label="Next image"
        disabled={index + 1 >= total}
        onClick={() => goTo(index + 1)}
      >
        <Icon name="next" />
      </button>
      <input
        type="range"
        aria-label="Place in the day"
        min={0}
        max={Math.max(0, total - 1)}
        value={Math.max(0, index)}
        aria-valuetext={sequence.image?.time.slice(0, 8)}
        onInput={(event) => goTo(Number(event.currentTarget.value))}
      />
      <select
        aria-label="Speed"
        value={speed.value}
        onChange={(event) => (speed.value = Number(event.currentTarget.value))}
      >
        {SPEEDS.map((each) => (
          <option key={each} value={each}>
            {each}/s
          </option>
        ))}
      </select>
    </div>
  );
}
