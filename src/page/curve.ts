/**
 * Draws a curve with uPlot. Its own chunk, as it is as large as the rest of the page.
 *
 * @module
 */

import uPlot from "uplot";
import type { Series } from "./curve-view.tsx";
import { clockTime, shortDate } from "./time.ts";

const HEIGHT = 200;

/** A longer time is labelled with dates, in seconds. */
const LONG = 2 * 86_400;

/** An instant of the hub's local time, labelled for an axis. */
function label(seconds: number, isLong: boolean): string {
  const iso = new Date(seconds * 1000).toISOString();
  const time = clockTime((seconds % 86_400) / 60);
  return isLong ? `${shortDate(iso.slice(0, 10))} ${time}` : time;
}

/** Draws it, as wide as its place. @returns what takes it away */
export function drawCurve(place: HTMLElement, { unit, points }: Series): () => void {
  const colour = (of: string): string => getComputedStyle(place).getPropertyValue(`--${of}`);
  // As if the hub's zone were UTC: what is shown is its time, wherever the browser is.
  const times = points.map(([at]) => Date.parse(`${at}Z`) / 1000);
  const isLong = times.at(-1)! - times[0]! > LONG;
  const axis = (): uPlot.Axis => ({
    stroke: colour("muted"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { stroke: colour("line"), width: 1 },
    font: `11px ${getComputedStyle(place).fontFamily}`,
  });
  const plot = new uPlot(
    {
      width: place.clientWidth,
      height: HEIGHT,
      // Dates of the axis are in the zone of this function.
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      // Without a pointer over it, the legend tells the latest value.
      series: [
        { label: "Time", value: (_, at) => label(at ?? times.at(-1)!, isLong) },
        {
          label: "Value",
          stroke: colour("accent"),
          width: 2,
          points: { show: points.length < 50 },
          value: (_, value) => `${value ?? points.at(-1)![1]} ${unit}`,
        },
      ],
      axes: [
        Object.assign(axis(), {
          values: (_: uPlot, splits: number[]) =>
            splits.map((at) =>
              isLong ? shortDate(new Date(at * 1000).toISOString().slice(0, 10)) : label(at, false),
            ),
          space: isLong ? 90 : 56,
        }),
        Object.assign(axis(), {
          values: (_: uPlot, splits: number[]) => splits.map((value) => `${value} ${unit}`),
          size: 64,
        }),
      ],
    },
    [times, points.map(([, value]) => value)],
    place,
  );
  const observer = new ResizeObserver(() =>
    plot.setSize({ width: place.clientWidth, height: HEIGHT }),
  );
  observer.observe(place);
  return () => {
    observer.disconnect();
    plot.destroy();
  };
}
