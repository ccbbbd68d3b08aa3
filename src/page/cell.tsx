/**
 * One image in the grid, with the events that follow it.
 *
 * @module
 */

import { memo } from "./memo.ts";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Image } from "./answers.ts";
import { thumbnailPath } from "./api.ts";
import { type DayEvent, inShort } from "./day-events.ts";
import { Icon } from "./icons.tsx";
import { selected, toggle } from "./selection.ts";
import { takeTurn } from "./slots.ts";

export interface CellProps {
  readonly index: number;
  readonly total: number;
  /** undefined while its page is under way. */
  readonly image: Image | undefined;
  readonly date: string;
  readonly left: number;
  readonly top: number;
  /** Of the cell, in pixels. Its picture has three quarters of it as its height. */
  readonly width: number;
  readonly events: readonly DayEvent[];
  readonly isMarked: boolean;
  readonly isSelecting: boolean;
  readonly link: (image: Image) => string;
  readonly onChoose: (index: number, isRange: boolean) => void;
}

function CellNow(props: CellProps) {
  const { image, index, total, left, top, width, isMarked } = props;
  return (
    <div
      class={`cell${isMarked ? " marked" : ""}`}
      style={{ transform: `translate(${left}px, ${top}px)`, width: `${width}px` }}
      role="listitem"
      aria-setsize={total}
      aria-posinset={index + 1}
    >
      {image === undefined ? (
        <span class="frame">
          <span class="picture" />
        </span>
      ) : (
        <Frame {...props} image={image} />
      )}
    </div>
  );
}

/** A link to the image; or, while images are being chosen, a box to tick. */
function Frame(props: CellProps & { readonly image: Image }) {
  const { image, index, isMarked, isSelecting, link, onChoose } = props;
  if (!isSelecting)
    return (
      <a
        class="frame"
        data-index={index}
        href={link(image)}
        aria-current={isMarked ? "true" : undefined}
      >
        <Content {...props} />
      </a>
    );
  const isChosen = selected.value.has(image.name);
  return (
    <button
      class="frame"
      data-index={index}
      role="checkbox"
      aria-checked={isChosen}
      onClick={(click) => {
        if (!click.shiftKey) toggle(image.name);
        onChoose(index, click.shiftKey);
      }}
    >
      <Content {...props} />
      <span class="tick">{isChosen && <Icon name="check" />}</span>
    </button>
  );
}

function Content({ image, date, width, events }: CellProps & { readonly image: Image }) {
  const [event] = events;
  return (
    <>
      <Thumbnail date={date} name={image.name} width={width} />
      <span class="caption">
        <time>{image.time.slice(0, 8)}</time> <span>{image.camera}</span>
        {image.protected && <Icon name="lock" />}
      </span>
      {event !== undefined && (
        <span class="mark" title={events.map((each) => `${each.node} ${inShort(each)}`).join("\n")}>
          {event.node} {inShort(event)}
          {events.length > 1 && <b> +{events.length - 1}</b>}
        </span>
      )}
    </>
  );
}

/** Drawn anew only if something of it is another. */
export const Cell = memo(CellNow);

interface ThumbnailProps {
  readonly date: string;
  readonly name: string;
  readonly width: number;
}

function Thumbnail({ date, name, width }: ThumbnailProps) {
  const [src, setSrc] = useState<string>();
  const [state, setState] = useState("");
  const done = useRef(() => {});
  // At once, not after the next frame: this is what is waited for.
  useLayoutEffect(
    () => (done.current = takeTurn(() => setSrc(thumbnailPath(date, name, width)))),
    [name],
  );
  function ended(as: string): void {
    setState(as);
    done.current();
  }
  return (
    <span class={`picture ${state}`}>
      {src !== undefined && (
        <img
          src={src}
          alt=""
          decoding="async"
          onLoad={() => ended("loaded")}
          onError={() => ended("failed")}
        />
      )}
      {state === "failed" && <span class="no-picture">No picture</span>}
    </span>
  );
}
