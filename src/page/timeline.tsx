/**
 * The timeline of a day: shows where images and events are, and goes to a time.
 *
 * @module
 */

import { type ReadonlySignal, useComputed, useSignal } from "@preact/signals";
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { DayCamera } from "./answers.ts";
import { DAY_MINUTES, clockTime } from "./time.ts";
import { draw, type Span, timelineHeight } from "./timeline-drawing.ts";

interface TimelineProps {
  readonly lanes: readonly DayCamera[];
  readonly laneCount: number;
  readonly marks: readonly number[];
  /** The time that the grid shows, in minutes. */
  readonly position: ReadonlySignal<number>;
  /** How much of the day is shown, in minutes. */
  readonly length: number;
  readonly onSeek: (minute: number) => void;
}

const WHOLE: Span = { from: 0, to: DAY_MINUTES };

/** The part of the day to show: it moves on when the position comes near its end. */
function spanAround(position: number, length: number, before: Span): Span {
  if (length >= DAY_MINUTES) return WHOLE;
  const margin = length / 10;
  const isInside = position >= before.from + margin && position <= before.to - margin;
  if (before.to - before.from === length && isInside) return before;
  const from = Math.min(Math.max(0, position - length / 2), DAY_MINUTES - length);
  return { from, to: from + length };
}

/** Minutes that a key moves on. */
const STEPS: Record<string, number> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  ArrowDown: -1,
  ArrowUp: 1,
  PageDown: -60,
  PageUp: 60,
  Home: -DAY_MINUTES,
  End: DAY_MINUTES,
};

/** A slider over the time of day. */
export function Timeline({ lanes, laneCount, marks, position, length, onSeek }: TimelineProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const redrawn = useRedraw(canvas);
  const isDragging = useRef(false);
  const hover = useSignal<number | undefined>(undefined);
  const span = useSpan(position, length, isDragging);
  useLayoutEffect(
    () => draw(canvas.current!, { span, lanes, marks }),
    [span, lanes, marks, redrawn],
  );

  function minuteAt(event: PointerEvent): number {
    const { left, width } = canvas.current!.getBoundingClientRect();
    const { from, to } = span;
    const minute = from + ((event.clientX - left) / width) * (to - from);
    return Math.min(Math.max(0, minute), DAY_MINUTES - 1);
  }

  function pressed(event: PointerEvent): void {
    isDragging.current = true;
    canvas.current!.setPointerCapture(event.pointerId);
    onSeek(minuteAt(event));
  }

  function moved(event: PointerEvent): void {
    if (isDragging.current) onSeek(minuteAt(event));
    else if (event.pointerType === "mouse") hover.value = minuteAt(event);
  }

  function typed(event: KeyboardEvent): void {
    const step = STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    onSeek(Math.min(Math.max(0, Math.floor(position.peek()) + step), DAY_MINUTES - 1));
  }

  const height = `${timelineHeight(laneCount)}px`;
  return (
    <Slider position={position} onKeyDown={typed}>
      <div class="layers" style={{ height }}>
        <canvas
          ref={canvas}
          onPointerDown={pressed}
          onPointerMove={moved}
          onPointerUp={() => (isDragging.current = false)}
          onPointerCancel={() => (isDragging.current = false)}
          onPointerLeave={() => (hover.value = undefined)}
        />
        <Hand span={span} time={hover} kind="faint" />
        <Hand span={span} time={position} kind="" />
      </div>
    </Slider>
  );
}

/** Rises when the canvas must be drawn anew, as its size or the colours have changed. */
function useRedraw(canvas: RefObject<HTMLCanvasElement | null>): number {
  const redrawn = useSignal(0);
  useEffect(() => {
    const again = (): void => {
      redrawn.value++;
    };
    const observer = new ResizeObserver(again);
    observer.observe(canvas.current!);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", again);
    return () => {
      observer.disconnect();
      scheme.removeEventListener("change", again);
    };
  }, [canvas, redrawn]);
  return redrawn.value;
}

/** The part of the day to show. It is the same object while it is the same part. */
function useSpan(
  position: ReadonlySignal<number>,
  length: number,
  isDragging: RefObject<boolean>,
): Span {
  const wanted = useSignal(length);
  wanted.value = length;
  const span = useRef(WHOLE);
  return useComputed(() => {
    const next = spanAround(position.value, wanted.value, span.current);
    // While a finger is down, the day must not move away under it.
    if (!isDragging.current) span.current = next;
    return span.current;
  }).value;
}

interface SliderProps {
  readonly position: ReadonlySignal<number>;
  readonly onKeyDown: (event: KeyboardEvent) => void;
  readonly children: ComponentChildren;
}

function Slider({ position, onKeyDown, children }: SliderProps) {
  const minute = useComputed(() => Math.floor(position.value)).value;
  return (
    <div
      class="timeline"
      role="slider"
      tabIndex={0}
      aria-label="Time of day"
      aria-valuemin={0}
      aria-valuemax={DAY_MINUTES - 1}
      aria-valuenow={minute}
      aria-valuetext={clockTime(minute)}
      onKeyDown={onKeyDown}
    >
      {children}
    </div>
  );
}

interface HandProps {
  readonly span: Span;
  readonly time: ReadonlySignal<number | undefined>;
  readonly kind: "" | "faint";
}

/** A line at a time, which it says below. It moves while all under it stays. */
function Hand({ span: { from, to }, time, kind }: HandProps) {
  const minute = time.value;
  if (minute === undefined || minute < from || minute > to) return null;
  const place = `${((minute - from) / (to - from)) * 100}%`;
  return (
    <div class={`hand ${kind}`} style={{ "--place": place }}>
      <span>{clockTime(minute)}</span>
    </div>
  );
}
