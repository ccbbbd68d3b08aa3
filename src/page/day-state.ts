/**
 * What keeps the view of a day up to date: with the hub, and with its own address.
 *
 * @module
 */

import { type Signal, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { address, replace, replaceQuery, href } from "./address.ts";
import type { DayOverview } from "./answers.ts";
import { dayPath } from "./api.ts";
import { type DayImages, dayImages } from "./day-images.ts";
import type { Target } from "./grid.tsx";
import { generation, today, useAnswer } from "./hub.ts";
import { useArrivals } from "./live.ts";
import { withImage } from "./overview.ts";
import { clockTime, isDate, minutesOf } from "./time.ts";

/** After so long without a further step, the address says what is seen. */
const ADDRESS_MS = 300;

/** The end of every day. */
const END = "24:00";

/**
 * Asks for the images of the time in the address before anything is drawn: the hub finds them
 * meanwhile.
 */
export function askEarly(): void {
  const { view, date, name, query } = address.peek();
  const at = query.get("at") ?? "";
  if (view !== "day" || !isDate(date) || name !== "" || query.has("live")) return;
  if (!Number.isNaN(minutesOf(at))) dayImages(date, query.getAll("camera")).askEarly(at);
}

/** The day by minutes; what arrives is counted in. */
export function useOverview(date: string) {
  const { data, error } = useAnswer<DayOverview>(dayPath(date));
  const counted = useSignal<DayOverview | undefined>(undefined);
  useEffect(() => {
    counted.value = data;
  }, [data]);
  useArrivals(({ images }) => {
    const added = images.filter((image) => image.date === date);
    if (added.length === 0) return;
    // The first image of a day that was asked for before there was one.
    if (counted.value === undefined) {
      if (error !== undefined) generation.value++;
    } else counted.value = added.reduce(withImage, counted.value);
  });
  return { overview: counted.value, error };
}

/** Fetches what arrives, and stays at the end if this is wanted. */
export function useFollow(
  images: DayImages,
  isLive: boolean,
  target: Signal<Target | undefined>,
  position: Signal<number>,
): void {
  const { date, cameras } = images;
  useArrivals((arrivals) => images.arrived(arrivals.images));
  const round = generation.value;
  useEffect(() => images.refresh(), [images, round]);
  useLayoutEffect(() => {
    if (!isLive) return;
    target.value = { index: Infinity };
    if (images.total.peek() === undefined) void images.seek(END, () => {});
  }, [images, isLive]);
  const total = images.total.value;
  const version = images.version.value;
  useEffect(() => {
    const time = images.at((total ?? 0) - 1)?.time;
    if (isLive && time !== undefined) position.value = minutesOf(time);
  }, [isLive, images, total, version]);
  // A day that was followed has ended: the next one is.
  const wasLive = address.value.query.get("live") === "1" && date < today.value;
  useEffect(() => {
    if (wasLive) replace(href("day", today.value, { live: "1", camera: cameras }));
  }, [wasLive]);
}

/**
 * Goes to the time in the address, also if it is changed by Back or by hand; and keeps the time
 * that is seen there, so that it can be sent to somebody.
 */
export function useTime(
  images: DayImages,
  isLive: boolean,
  target: Signal<Target | undefined>,
  position: Signal<number>,
): void {
  const at = address.value.query.get("at") ?? "";
  /** What is in the address and on the page. */
  const agreed = useRef<{ images?: DayImages; at: string }>({ at: "" });
  // At once, as this is what is waited for.
  useLayoutEffect(() => {
    if (isLive || Number.isNaN(minutesOf(at))) return;
    if (agreed.current.images === images && agreed.current.at === at) return;
    agreed.current = { images, at };
    position.value = minutesOf(at);
    const before = target.peek();
    void images.seek(at, (index) => {
      // Unless a person has scrolled away meanwhile.
      if (target.peek() === before) target.value = { index, isMarked: true };
    });
  }, [images, isLive, at]);
  useSignalEffect(() => {
    const seen = clockTime(position.value, true);
    const timer = setTimeout(() => {
      if (isLive || position.peek() === 0) return;
      if (target.peek()?.isGuess !== true) agreed.current = { images, at: seen };
      replaceQuery({ at: seen });
    }, ADDRESS_MS);
    return () => clearTimeout(timer);
  });
}
