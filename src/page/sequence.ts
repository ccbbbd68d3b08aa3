/**
 * The images of one camera on one day, one after the other.
 *
 * @module
 */

import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Image } from "./answers.ts";
import { imagePath } from "./api.ts";
import { DayImages } from "./day-images.ts";
import { generation } from "./hub.ts";
import { useArrivals } from "./live.ts";

/** Images a second. */
export const SPEEDS = [1, 2, 5, 10, 25] as const;

/** Pictures that are loaded ahead, in the direction of play. */
const AHEAD = 8;

/** Pictures that are kept ready at most. */
const READY_MAX = 40;

/** The place in the sequence, and how to change it. */
export interface Sequence {
  /** undefined until it is there. */
  readonly image: Image | undefined;
  /** -1 until it is known. */
  readonly index: number;
  readonly total: number;
  /** If there is no such image: where it would be. */
  readonly gone: number | undefined;
  readonly at: (index: number) => Image | undefined;
  readonly goTo: (index: number) => void;
  readonly playing: Signal<boolean>;
  /** Begins to play, at the end from the first one on; or stops. */
  readonly togglePlay: () => void;
  /** One of {@link SPEEDS}. */
  readonly speed: Signal<number>;
}

/** The camera and time in an image's name; undefined if it is not such a name. */
export function parseName(name: string): { camera: string; time: string } | undefined {
  const [, camera, hour, minute, second, fraction] =
    /^(.+)-\d{4}-\d\d-\d\dT(\d\d)\.(\d\d)\.(\d\d)(?:\.(\d{6}))?\.\w+$/u.exec(name) ?? [];
  if (camera === undefined) return undefined;
  return { camera, time: `${hour}:${minute}:${second}.${fraction ?? "000000"}` };
}

/** The image that was looked at last. Who goes back to the day finds themselves at it again. */
export const lookedAt = { name: "" };

/** @param name of the image to begin with */
export function useSequence(date: string, name: string): Sequence {
  const camera = parseName(name)?.camera ?? "";
  const images = useMemo(() => new DayImages(date, [camera]), [date, camera]);
  const index = useSignal(-1);
  const gone = useSignal<number | undefined>(undefined);
  const playing = useSignal(false);
  const speed = useSignal<number>(5);
  const total = images.total.value ?? 0;
  void images.version.value;
  const image = images.at(index.value);
  lookedAt.name = image?.name ?? name;

  // Where the image is in the list. Not if it was reached from here: the address follows then.
  useEffect(() => {
    const time = parseName(name)?.time;
    if (time === undefined || images.at(index.peek())?.name === name) return;
    gone.value = undefined;
    void images.seek(time, (place) => {
      // The next one must not take the place of one that was deleted.
      if (images.at(place)?.name === name) index.value = place;
      else [index.value, gone.value] = [-1, place];
    });
  }, [images, name]);

  const round = generation.value;
  useEffect(() => images.refresh(), [images, round]);
  useEffect(() => () => images.close(), [images]);
  useEffect(() => {
    const place = gone.value ?? index.value;
    if (place >= 0) images.show(place - 2, place + AHEAD);
  }, [images, index.value, gone.value]);
  useArrivals((arrivals) => images.arrived(arrivals.images));

  const ready = useAhead(date, images, index.value);
  usePlay(index, total, playing, speed.value, (next) => ready(images.at(next)?.name));
  function goTo(next: number): void {
    if (next >= 0 && next < total) index.value = next;
  }
  function togglePlay(): void {
    if (!playing.value && index.value === total - 1) goTo(0);
    playing.value = !playing.value;
  }
  const at = (place: number): Image | undefined => images.at(place);
  const now = { image, index: index.value, total, gone: gone.value };
  return Object.assign(now, { at, goTo, playing, togglePlay, speed });
}

/** Loads the next pictures. @returns whether one is there */
function useAhead(
  date: string,
  images: DayImages,
  index: number,
): (name: string | undefined) => boolean {
  const pictures = useRef(new Map<string, HTMLImageElement>());
  const version = images.version.value;
  useEffect(() => {
    const kept = pictures.current;
    for (let next = Math.max(0, index - 1); next <= index + AHEAD; next++) {
      const name = images.at(next)?.name;
      if (name === undefined || kept.has(name)) continue;
      const picture = new Image();
      picture.src = imagePath(date, name);
      kept.set(name, picture);
    }
    for (const [oldest] of kept) if (kept.size > READY_MAX) kept.delete(oldest);
  }, [date, images, index, version]);
  // A picture that cannot be loaded is no reason to wait.
  return (name) => name !== undefined && pictures.current.get(name)?.complete === true;
}

/** Goes on by itself, and waits for pictures that are not there yet. */
function usePlay(
  index: Signal<number>,
  total: number,
  playing: Signal<boolean>,
  speed: number,
  isReady: (index: number) => boolean,
): void {
  const latest = useRef(isReady);
  latest.current = isReady;
  const isPlaying = playing.value;
  useEffect(() => {
    if (!isPlaying) return undefined;
    const timer = setInterval(() => {
      const next = index.peek() + 1;
      // Until the list is there, it waits.
      if (total > 0 && next >= total) playing.value = false;
      else if (next > 0 && latest.current(next)) index.value = next;
    }, 1000 / speed);
    return () => clearInterval(timer);
  }, [isPlaying, total, speed]);
}
