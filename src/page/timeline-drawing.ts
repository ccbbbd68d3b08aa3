/**
 * Draws the timeline: a lane for each camera, with a bar for each minute that has images; marks for
 * events below them; and the hours.
 *
 * @module
 */

import type { DayCamera } from "./answers.ts";
import { clockTime } from "./time.ts";

/** What part of the day is shown, in minutes. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What is drawn. */
export interface Picture {
  readonly span: Span;
  readonly lanes: readonly DayCamera[];
  /** Times of events, in minutes. */
  readonly marks: readonly number[];
}

/** Where it is drawn. */
interface Surface {
  readonly context: CanvasRenderingContext2D;
  /** In CSS pixels. */
  readonly width: number;
  readonly height: number;
  readonly colours: Colours;
}

interface Colours {
  readonly ink: string;
  readonly muted: string;
  readonly line: string;
  readonly paper: string;
  readonly accent: string;
}

/** Heights, in CSS pixels. */
const MARKS = 14;
const HOURS = 20;
/** Of the row where the hand says its time. The same in day.css. */
const HAND = 18;
/** A lane that is lower has no room for its name. */
const NAMED = 12;
/** Of all lanes on a phone on its side, where the images need the room. */
const LOW = 40;

/** A phone on its side. The same in day.css. */
const low = matchMedia("(max-height: 479px)");

/** The height of a lane: fewer cameras have more room. */
function laneHeight(count: number): number {
  if (low.matches) return Math.min(NAMED, Math.max(3, Math.floor(LOW / count)));
  if (count <= 3) return 28;
  return count <= 8 ? 20 : 14;
}

function axisHeight(): number {
  return low.matches ? HOURS : HOURS + HAND;
}

/** The height of the whole timeline, in CSS pixels. */
export function timelineHeight(lanes: number): number {
  return Math.max(1, lanes) * laneHeight(lanes) + MARKS + axisHeight();
}

function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`);
  const [ink, muted, line] = [colour("ink"), colour("muted"), colour("line")];
  return { ink, muted, line, paper: colour("paper"), accent: colour("accent") };
}

/** How much of the width a name may take: it hides the bars below it. */
const NAME_PART = 1 / 3;

/** Steps between the labels of the axis, in minutes. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360];

/** Draws all of it. The canvas gets the size of its element. */
export function draw(canvas: HTMLCanvasElement, { span, lanes, marks }: Picture): void {
  const context = canvas.getContext("2d")!;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const ratio = devicePixelRatio;
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  context.scale(ratio, ratio);
  context.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  const surface = { context, width, height, colours: coloursOf(canvas) };
  const xOf = placing(span, width);
  drawAxis(surface, span, xOf);
  const lane = laneHeight(lanes.length);
  let most = 1;
  for (const { minutes } of lanes) for (const [, count] of minutes) most = Math.max(most, count);
  for (const [index, camera] of lanes.entries())
    drawLane(surface, camera, { top: index * lane, height: lane, most }, xOf);
  drawMarks(surface, marks, height - axisHeight() - MARKS, xOf);
}

type Placing = (minute: number) => number;

function placing({ from, to }: Span, width: number): Placing {
  return (minute) => ((minute - from) / (to - from)) * width;
}

function drawAxis(surface: Surface, { from, to }: Span, xOf: Placing): void {
  const { context, width, height, colours } = surface;
  const { line, muted } = colours;
  const bottom = height - axisHeight();
  const step = STEPS.find((each) => (each / (to - from)) * width >= 52) ?? 360;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  for (let minute = Math.ceil(from / step) * step; minute <= to; minute += step) {
    const x = xOf(minute);
    context.fillStyle = line;
    context.fillRect(Math.round(x), 0, 1, bottom);
    context.fillStyle = muted;
    if (x > 16 && x < width - 16) context.fillText(clockTime(minute % 1440), x, bottom + 14);
  }
}

function drawLane(
  surface: Surface,
  { name, minutes }: DayCamera,
  { top, height, most }: { top: number; height: number; most: number },
  xOf: Placing,
): void {
  const { context, width, colours } = surface;
  const { accent, line } = colours;
  const room = height - 3;
  const bar = Math.max(1, xOf(1) - xOf(0) - 0.5);
  context.fillStyle = accent;
  const drawn = { from: 0, to: 0, tall: 0 };
  const drawBar = (): void =>
    context.fillRect(drawn.from, top + height - drawn.tall - 1, drawn.to - drawn.from, drawn.tall);
  for (const [minute, count] of minutes) {
    const x = xOf(minute);
    if (x < -bar || x > width) continue;
    // The root shows a single image beside a minute with hundreds.
    const tall = Math.max(2, Math.round(Math.sqrt(count / most) * room));
    // Bars without a gap are one, as thousands would hold up the first picture.
    if (tall !== drawn.tall || x > drawn.to) {
      drawBar();
      Object.assign(drawn, { from: x, tall });
    }
    drawn.to = x + bar;
  }
  drawBar();
  context.fillStyle = line;
  context.fillRect(0, top + height - 1, width, 1);
  if (height >= NAMED) drawName(surface, name, top);
}

function drawName({ context, width, colours }: Surface, full: string, top: number): void {
  const name = fitting(context, full, width * NAME_PART);
  context.textAlign = "left";
  context.textBaseline = "top";
  // So that it can be read over bars.
  context.globalAlpha = 0.85;
  context.fillStyle = colours.paper;
  context.fillRect(0, top, context.measureText(name).width + 8, 14);
  context.globalAlpha = 1;
  context.fillStyle = colours.muted;
  context.fillText(name, 4, top + 2);
}

/** A text, shortened if it is wider than this. */
function fitting(context: CanvasRenderingContext2D, text: string, widthMax: number): string {
  if (context.measureText(text).width <= widthMax) return text;
  let { length } = text;
  while (length > 1 && context.measureText(`${text.slice(0, length)}…`).width > widthMax) length--;
  return `${text.slice(0, length)}…`;
}

function drawMarks(surface: Surface, marks: readonly number[], top: number, xOf: Placing): void {
  const { context, colours } = surface;
  context.fillStyle = colours.ink;
  let before = -Infinity;
  for (const minute of marks) {
    const x = Math.round(xOf(minute));
    // Marks that would touch are one.
    if (x < 0 || x - before < 4) continue;
    before = x;
    context.fillRect(x - 1, top + 3, 2, 8);
  }
  if (marks.length > 0) drawName(surface, "Events", top);
}
