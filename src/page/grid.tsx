/**
 * A grid of any number of images, of which only what is seen is drawn. All cells have one size.
 *
 * @module
 */

import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { DayEvent } from "./day-events.ts";
import { type CellProps, Cell } from "./cell.tsx";
import type { DayImages } from "./day-images.ts";
import { Runway } from "./runway.ts";
import { add, selecting } from "./selection.ts";
import { lookedAt } from "./sequence.ts";

/** Where to scroll to. A new object scrolls there once more. */
export interface Target {
  /** The image that must be seen; Infinity for the last one. */
  readonly index: number;
  /** Whether it is marked. */
  readonly isMarked?: boolean;
  /** It is where the image should be. The exact place is asked for. */
  readonly isGuess?: boolean;
}

interface GridProps {
  readonly images: DayImages;
  readonly target: Signal<Target | undefined>;
  /** The events from an image on until the next one; the same array if they are the same. */
  readonly eventsOf: (index: number) => readonly DayEvent[];
  /** A person has scrolled: this image is the first one that is seen, of so many. */
  readonly onScroll: (first: number, isAtEnd: boolean) => void;
  readonly link: CellProps["link"];
}

/** Rows that are drawn above and below what is seen. */
const SPARE_ROWS = 2;

const GAP = 8;
/** The line below a picture. */
const CAPTION = 24;

interface Size {
  readonly columns: number;
  readonly cell: number;
  readonly row: number;
  readonly viewport: number;
}

function sizeOf({ clientWidth, clientHeight }: HTMLElement): Size {
  const ideal = clientWidth < 600 ? 168 : 224;
  const columns = Math.max(2, Math.floor((clientWidth - GAP) / (ideal + GAP)));
  const cell = Math.floor((clientWidth - GAP) / columns) - GAP;
  return { columns, cell, row: Math.round(cell * 0.75) + CAPTION + GAP, viewport: clientHeight };
}

/** The images of a day. */
export function Grid({ images, target, eventsOf, onScroll, link }: GridProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const size = useSignal<Size | undefined>(undefined);
  const offset = useSignal(0);
  const runway = useMemo(() => new Runway(0, 0), [images]);
  /** Where the page itself has scrolled to: that is no wish of a person. */
  const ownTop = useRef(0);
  const total = images.total.value ?? 0;
  void images.version.value;
  useLayoutEffect(() => {
    const element = scroller.current!;
    const observer = new ResizeObserver(() => (size.value = sizeOf(element)));
    observer.observe(element);
    size.value = sizeOf(element);
    return () => observer.disconnect();
  }, [size]);

  const { columns = 1, cell = 0, row = 1, viewport = 0 } = size.value ?? {};
  const rows = Math.ceil(total / columns);
  runway.resize(rows * row + GAP, viewport);
  const firstRow = Math.max(0, Math.floor(offset.value / row) - SPARE_ROWS);
  const lastRow = Math.min(rows, Math.ceil((offset.value + viewport) / row) + SPARE_ROWS);
  const [first, last] = [firstRow * columns, Math.min(total, lastRow * columns)];

  useEffect(() => {
    images.show(first, Math.max(first, last - 1));
  }, [images, first, last]);
  useEffect(() => () => images.close(), [images]);

  // After the runway has its height, as it could not be scrolled before.
  const wanted = target.value;
  const scrolledTo = useRef<Target | undefined>(undefined);
  useLayoutEffect(() => {
    if (wanted === undefined || total === 0 || viewport === 0) return;
    const isNew = scrolledTo.current !== wanted;
    if (!isNew && wanted.index !== Infinity) return;
    scrolledTo.current = wanted;
    const atRow = Math.floor(Math.min(wanted.index, total - 1) / columns);
    const top = runway.goTo(wanted.index === Infinity ? rows * row : atRow * row);
    scroller.current!.scrollTop = top;
    ownTop.current = scroller.current!.scrollTop;
    offset.value = runway.scrolled(ownTop.current);
  }, [wanted, total, columns, row, viewport]);

  // The keyboard is where it was before the image was opened.
  useEffect(() => {
    if (wanted?.isMarked !== true || images.at(wanted.index)?.name !== lookedAt.name) return;
    const image = scroller.current!.querySelector<HTMLElement>(`[data-index="${wanted.index}"]`);
    if (image === null) return;
    lookedAt.name = "";
    if (document.activeElement === document.body) image.focus({ preventScroll: true });
  });

  function scrolled(): void {
    // Another list is under way. The browser has scrolled, as there was nothing left.
    if (total === 0) return;
    const scrollTop = scroller.current?.scrollTop;
    // It came while the list was taken away.
    if (scrollTop === undefined) return;
    offset.value = runway.scrolled(scrollTop);
    if (Math.abs(scrollTop - ownTop.current) < 2) return;
    ownTop.current = -1;
    onScroll(Math.ceil((offset.value - CAPTION) / row) * columns, runway.isAtEnd);
  }

  /** The arrow keys go from image to image. */
  function move(event: KeyboardEvent): void {
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns,
      ArrowDown: columns,
    };
    const step = steps[event.key];
    const at = (event.target as HTMLElement).closest<HTMLElement>("[data-index]")?.dataset["index"];
    if (step === undefined || at === undefined) return;
    event.preventDefault();
    const next = Number(at) + step;
    scroller.current?.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus();
  }

  /** The last image that was chosen by itself: Shift chooses from there on. */
  const choose = useMemo(() => {
    let anchor = 0;
    return (index: number, isRange: boolean): void => {
      const [from, to] = [Math.min(anchor, index), Math.max(anchor, index)];
      if (isRange)
        add(Array.from({ length: to - from + 1 }, (_, at) => images.at(from + at) ?? []).flat());
      anchor = index;
    };
  }, [images]);

  const cells = [];
  for (let index = first; index < last; index++) {
    const place = runway.place(Math.floor(index / columns) * row) + GAP;
    cells.push(
      <Cell
        key={index}
        index={index}
        total={total}
        image={images.at(index)}
        date={images.date}
        left={GAP + (index % columns) * (cell + GAP)}
        top={place}
        width={cell}
        events={eventsOf(index)}
        isMarked={wanted?.isMarked === true && wanted.index === index}
        isSelecting={selecting.value}
        link={link}
        onChoose={choose}
      />,
    );
  }
  return (
    <div
      class="grid"
      ref={scroller}
      onScroll={scrolled}
      onKeyDown={move}
      tabIndex={0}
      role="region"
      aria-label="Images"
    >
      <div class="runway" role="list" style={{ height: `${runway.height}px` }}>
        {cells}
      </div>
    </div>
  );
}
