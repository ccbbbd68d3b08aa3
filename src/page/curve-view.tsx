/**
 * A curve of values over a day or a month. What draws it is loaded only here.
 *
 * @module
 */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { address, replaceQuery } from "./address.ts";
import { withQuery } from "./api.ts";
import { today, useAnswer } from "./hub.ts";
import { Icon, type IconName } from "./icons.tsx";
import { addDays, isDate, longDate, shortDate } from "./time.ts";

/** Values over time. A point is a local time such as `2018-12-30T23:13:31.620`, and a number. */
export interface Series {
  readonly unit: string;
  readonly points: readonly (readonly [at: string, value: number])[];
}

interface CurveProps {
  readonly node: string;
  readonly type: string;
  /** The date of the latest value. */
  readonly latest: string;
  /** Whether a month is shown; else a day. */
  readonly isMonth: boolean;
}

async function drawIn(place: HTMLElement, series: Series): Promise<() => void> {
  const { drawCurve } = await import("./curve.ts");
  return drawCurve(place, series);
}

/** The curve, and how much of time it shows. */
export function CurveView({ node, type, latest, isMonth }: CurveProps) {
  const place = useRef<HTMLDivElement>(null);
  const failed = useSignal(false);
  const end = address.value.query.get("to") ?? "";
  const to = isDate(end) ? end : latest;
  const [days, unit] = isMonth ? [30, "Month"] : [1, "Day"];
  const from = isMonth ? addDays(to, -days) : to;
  const { data } = useAnswer<Series>(withQuery("api/v1/series", { node, type, from, to }));
  useEffect(() => {
    if (data === undefined || data.points.length === 0) return undefined;
    const drawn = drawIn(place.current!, data);
    drawn.catch(() => (failed.value = true));
    return () => void drawn.then((takeAway) => takeAway());
  }, [data]);
  const range = isMonth ? `${shortDate(from)} to ${shortDate(to)}` : longDate(to);
  return (
    <section class="curve" aria-label={`${node} ${type}`}>
      <div class="row">
        <h2>
          {node} {type} <span class="muted">{range}</span>
        </h2>
        <Step icon="previous" label={`${unit} before`} to={addDays(to, -days)} />
        <Step icon="next" label={`Next ${unit.toLowerCase()}`} to={addDays(to, days)} />
        <div class="segments" role="group" aria-label="Curve shows">
          <button aria-pressed={!isMonth} onClick={() => replaceQuery({ curve: undefined })}>
            Day
          </button>
          <button aria-pressed={isMonth} onClick={() => replaceQuery({ curve: "month" })}>
            Month
          </button>
        </div>
      </div>
      <div class="plot" ref={place}>
        {data?.points.length === 0 && <p class="muted">There are no values in this time.</p>}
        {failed.value && <p class="muted">The curve could not be loaded.</p>}
      </div>
    </section>
  );
}

interface StepProps {
  readonly icon: IconName;
  readonly label: string;
  /** The last day that is shown then. */
  readonly to: string;
}

/** To the time before, or after. */
function Step({ icon, label, to }: StepProps) {
  return (
    <button
      class="square"
      aria-label={label}
      disabled={to > today.value}
      onClick={() => replaceQuery({ to })}
    >
      <Icon name={icon} />
    </button>
  );
}
