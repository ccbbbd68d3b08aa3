/**
 * Draws a chart of images stored per second by number of senders, as an SVG for light and dark
 * backgrounds.
 *
 * @module
 */

import { decimals, whole } from "./format.ts";
import { figureOf, ratioOf, type Results, type Series } from "./results.ts";
import { IMAGES_SENDERS } from "./workloads.ts";

/** Sizes in units of the drawing. */
const WIDTH = 760;
const HEIGHT = 360;
const LEFT = 64;
const TOP = 56;
const BOTTOM = 52;
/** The gap between two groups of bars, as a part of a group. */
const GAP = 0.25;
const LINES = 4;

/** Colours that differ on white, on black, and for colour-blind people. */
const COLOURS: Readonly<Record<Series["candidate"]["kind"], readonly string[]>> = {
  yardstick: ["#8a919e"],
  control: ["#5d6570"],
  hub: ["#0a84c6", "#58b7e8"],
  peer: ["#d9822b"],
};

/** A round number that is at least `value`, for the end of a scale. */
function roundUp(value: number): number {
  const step = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * step).find((end) => end >= value)!;
}

function escaped(raw: string): string {
  return raw.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function text(
  x: number,
  y: number,
  content: string,
  anchor: "start" | "middle" | "end",
  small = true,
): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}"${small ? ' class="small"' : ""}>${escaped(content)}</text>`;
}

/** The candidates of the chart and their colours. */
function legend(series: readonly Series[]): Map<string, string> {
  const colours = new Map<string, string>();
  const used = { yardstick: 0, control: 0, hub: 0, peer: 0 };
  for (const { candidate } of series)
    if (!colours.has(candidate.name))
      colours.set(candidate.name, COLOURS[candidate.kind][used[candidate.kind]++] ?? "#7a5cc9");
  return colours;
}

function rate(series: Series): number {
  return figureOf(series, "perSecond")?.median ?? 0;
}

/** Draws the chart. @returns undefined if none of its workloads was run */
export function chart(results: Results, caption: string): string | undefined {
  const groups = IMAGES_SENDERS.map((senders) => ({
    senders,
    series: results.all.filter(({ workload }) => workload.name === `images-${senders}`),
  })).filter(({ series }) => series.length > 0);
  if (groups.length === 0) return undefined;

  const colours = legend(groups.flatMap(({ series }) => series));
  const top = roundUp(Math.max(...groups.flatMap(({ series }) => series.map(rate))));
  const height = HEIGHT - TOP - BOTTOM;
  const y = (value: number): number => TOP + height * (1 - value / top);
  const groupWidth = (WIDTH - LEFT - 16) / groups.length;
  const barWidth = (groupWidth * (1 - GAP)) / colours.size;

  const parts: string[] = [];
  for (let line = 0; line <= LINES; line++) {
    const value = (top * line) / LINES;
    parts.push(
      `<line x1="${LEFT}" x2="${WIDTH - 16}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}"/>`,
    );
    parts.push(text(LEFT - 8, y(value) + 4, whole(value), "end"));
  }
  for (const [index, { senders, series }] of groups.entries()) {
    const left = LEFT + groupWidth * (index + GAP / 2);
    for (const [place, name] of [...colours.keys()].entries()) {
      const bar = series.find(({ candidate }) => candidate.name === name);
      if (bar === undefined) continue;
      const [x, value] = [left + place * barWidth, rate(bar)];
      const ratio = ratioOf(bar, results.yardstickOf(bar), "perSecond");
      parts.push(
        `<rect x="${x.toFixed(1)}" y="${y(value).toFixed(1)}" width="${(barWidth - 2).toFixed(1)}" height="${((height * value) / top).toFixed(1)}" fill="${colours.get(name)!}"><title>${escaped(`${name}, ${senders}: ${whole(value)}/s`)}</title></rect>`,
      );
      // There is not enough room for a figure above every bar.
      if (["hub", "peer"].includes(bar.candidate.kind) && ratio !== undefined)
        parts.push(
          text(x + barWidth / 2 - 1, y(value) - 5, `${decimals(ratio.median)}×`, "middle"),
        );
    }
    parts.push(
      text(LEFT + groupWidth * (index + 0.5), HEIGHT - BOTTOM + 18, String(senders), "middle"),
    );
  }
  let x = LEFT;
  for (const [name, colour] of colours) {
    parts.push(
      `<rect x="${x}" y="32" width="11" height="11" fill="${colour}"/>`,
      text(x + 16, 42, name, "start"),
    );
    x += 34 + name.length * 7;
  }
  parts.push(
    text(
      LEFT,
      20,
      "Images of 45 KB stored and answered per second, by number of senders",
      "start",
      false,
    ),
  );
  parts.push(
    text(LEFT, HEIGHT - 12, `${caption}; ×: ratio to the yardstick in the same round`, "start"),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="Images stored per second, by number of senders">
<style>
text { font: 14px system-ui, sans-serif; fill: #6a737d; }
.small { font-size: 12px; }
line { stroke: #8a919e; stroke-opacity: 0.35; }
@media (prefers-color-scheme: dark) { text { fill: #b4bcc6; } }
</style>
${parts.join("\n")}
</svg>
`;
}
