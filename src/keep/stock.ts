/**
 * What is held, as a decision takes it piece by piece.
 *
 * @module
 */

import { isUndated } from "./age.ts";
import type { CameraLimits, Rules } from "./rules.ts";

/** What may be deleted of a day: all but protected images. */
export interface HeldDay {
  readonly date: string;
  readonly cameras: readonly { readonly name: string; readonly bytes: number }[];
}

/** Images of one camera of one day. */
interface Part {
  readonly date: string;
  readonly camera: HeldCamera;
  readonly bytes: number;
  isTaken: boolean;
}

/** A camera with what is left of it. */
export interface HeldCamera {
  readonly name: string;
  readonly limits: CameraLimits;
  /** What it still holds. */
  bytes: number;
  /** In the order in which they go. */
  readonly parts: Part[];
  /** In the order of first sight. */
  readonly place: number;
}

/** What goes next: all that is left of a day, or of one camera of it. */
export interface Step {
  readonly date: string;
  /** undefined: all cameras. */
  readonly camera?: string;
  readonly parts: readonly Part[];
}

/** Gives one step after the other. What one rule has taken, another does not find. */
export type Steps = () => Step | undefined;

/** What is left of all days. */
export class Stock {
  /** In the order in which they go. */
  readonly days: { readonly date: string; readonly parts: Part[] }[] = [];
  /** The oldest day that may go. */
  readonly wholeDays: Steps;
  private readonly byName = new Map<string, HeldCamera>();
  private readonly daysOf = new Map<HeldCamera, Steps>();

  /** @param mayGo whether a day may be deleted */
  constructor(
    held: readonly HeldDay[],
    private readonly rules: Rules,
    private readonly mayGo: (date: string) => boolean,
  ) {
    // What a wrong clock has dated is the last to go: it may be of last night.
    const days = Map.groupBy(held, ({ date }) => isUndated(date));
    for (const day of [...(days.get(false) ?? []), ...(days.get(true) ?? [])]) this.add(day);
    this.wholeDays = stepsOf(this.oldest());
  }

  /** All cameras. */
  get cameras(): readonly HeldCamera[] {
    return [...this.byName.values()];
  }

  /** The oldest day of a camera that may go. */
  stepsOf(camera: HeldCamera): Steps {
    let steps = this.daysOf.get(camera);
    if (steps === undefined) this.daysOf.set(camera, (steps = stepsOf(this.oldestOf(camera))));
    return steps;
  }

  /** The oldest day of the camera that is furthest over its share, as long as one is. */
  stepsOverShare(shares: ReadonlyMap<HeldCamera, number>): Steps {
    return stepsOf(this.overShare(shares));
  }

  /** Takes something away. @returns its bytes */
  take(parts: readonly Part[]): number {
    for (const part of parts) {
      part.isTaken = true;
      part.camera.bytes -= part.bytes;
    }
    return bytesOf(parts);
  }

  private add({ date, cameras }: HeldDay): void {
    const day = { date, parts: [] as Part[] };
    this.days.push(day);
    for (const { name, bytes } of cameras) {
      let camera = this.byName.get(name);
      if (camera === undefined) {
        const place = this.byName.size;
        camera = { name, limits: this.rules.limitsOf(name), bytes: 0, parts: [], place };
        this.byName.set(name, camera);
      }
      camera.bytes += bytes;
      const part: Part = { date, camera, bytes, isTaken: false };
      camera.parts.push(part);
      day.parts.push(part);
    }
  }

  private *oldest(): Generator<Step> {
    for (const { date, parts } of this.days) {
      const left = parts.filter(({ isTaken }) => !isTaken);
      if (left.length > 0 && this.mayGo(date)) yield { date, parts: left };
    }
  }

  private *oldestOf({ name, parts }: HeldCamera): Generator<Step> {
    for (const part of parts)
      if (!part.isTaken && this.mayGo(part.date))
        yield { date: part.date, camera: name, parts: [part] };
  }

  private *overShare(shares: ReadonlyMap<HeldCamera, number>): Generator<Step> {
    const entry = (camera: HeldCamera) => ({ camera, part: camera.bytes / shares.get(camera)! });
    // The last one is the next; of equals, the first that was seen.
    const over = [...shares.keys()]
      .map((camera) => entry(camera))
      .filter(({ part }) => part > 1)
      .toSorted((a, b) => a.part - b.part || b.camera.place - a.camera.place);
    for (let top = over.pop(); top !== undefined; top = over.pop()) {
      const step = this.stepsOf(top.camera)();
      if (step === undefined) continue;
      yield step;
      // By now the step is taken, so its camera has less.
      const next = entry(top.camera);
      if (next.part <= 1) continue;
      let [low, high] = [0, over.length];
      while (low < high) {
        const middle = (low + high) >>> 1;
        const { part, camera } = over[middle]!;
        const isBefore =
          part < next.part || (part === next.part && camera.place > next.camera.place);
        if (isBefore) low = middle + 1;
        else high = middle;
      }
      over.splice(low, 0, next);
    }
  }
}

/** Bytes of some parts together. */
export function bytesOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, 0);
}

function stepsOf(steps: Generator<Step>): Steps {
  return () => {
    const { done, value } = steps.next();
    return done === true ? undefined : value;
  };
}
