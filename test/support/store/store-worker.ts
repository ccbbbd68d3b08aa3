/**
 * The thread behind a {@link StoreThread}.
 *
 * @module
 */

import { closeSync, fstatSync, openSync, readdirSync } from "node:fs";
import { Calendar } from "../../../src/protocol/calendar.ts";
import { SystemError } from "../../../src/os/ffi.ts";
import { DateFolders } from "../../../src/store/date-folders.ts";
import { EventLog } from "../../../src/store/event-log.ts";
import { ImageStore } from "../../../src/store/image-store.ts";
import type { Shared } from "../../../src/shared/memory.ts";
import { afterWrite } from "./after-write.ts";
import { guardAt } from "./data-guard.ts";
import { type ClockState, FakeClock } from "../machine/fake-clock.ts";
import { type Ability, loseAbilities } from "../machine/file-system.ts";

declare const self: Worker;

/** What the thread stores with. */
export interface StoreThreadStart {
  /** The data directory. */
  readonly data: string;
  readonly imagesMax: number;
  readonly shared: Shared;
  readonly clock: ClockState;
  readonly durable: boolean;
  /** What the thread's file system cannot do. */
  readonly lost: readonly Ability[];
}

/** What the thread is to do. */
export type StoreCommand =
  /** Stores one image after the other, each named and received as given. */
  | { readonly type: "store"; readonly images: readonly StoreImage[] }
  /** Appends one text after the other to the event log. */
  | { readonly type: "append"; readonly texts: readonly string[] }
  /** Takes places in the date folder of now, one after the other. */
  | { readonly type: "reserve"; readonly times: number }
  /**
   * Looks at the event logs as readers do, over and over until `state[0]` is not 0; counts its
   * looks in `state[1]`.
   */
  | { readonly type: "watch"; readonly state: Int32Array<SharedArrayBuffer> };

export interface StoreImage {
  readonly name: string;
  readonly micros: number;
  readonly bytes: Uint8Array;
  /** The write fails once the bytes are written. */
  readonly fails?: boolean;
}

/** What came of each step: `"ok"`, what `ImageStore.store` gave, or the code of its error. */
export type StoreResult = string;

function attempt(action: () => StoreResult): StoreResult {
  try {
    return action();
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

/** @returns what was wrong, each kind of fault once */
function watch(directory: string, state: Int32Array<SharedArrayBuffer>): string[] {
  const faults = new Set<string>();
  while (Atomics.load(state, 0) === 0) {
    const names = readdirSync(directory);
    const logs = names.filter((name) => name.endsWith("log"));
    if (logs.length !== 1) faults.add(`${logs.length} names end in log`);
    const strange = names.filter(
      (name) => name.includes("log") && !/^imagehub\.log(\.[-\d]{10})?$/.test(name),
    );
    for (const name of strange) faults.add(`${name} looks like a log`);
    try {
      const fd = openSync(`${directory}/imagehub.log`, "r");
      if (fstatSync(fd).size === 0) faults.add("imagehub.log is empty");
      closeSync(fd);
    } catch (error) {
      faults.add(String(error));
    }
    Atomics.add(state, 1, 1);
    Atomics.notify(state, 1);
  }
  return [...faults];
}

let logs: string;
let calendar: Calendar;
let folders: DateFolders;
let images: ImageStore;
let events: EventLog;

function begin(data: StoreThreadStart): StoreResult[] {
  calendar = new Calendar(new FakeClock(data.clock));
  const guard = guardAt(data.data, data.shared);
  ({ logs } = guard.directory);
  folders = new DateFolders(guard, data.imagesMax, data.shared);
  images = new ImageStore(folders, calendar, data.durable, guard);
  events = new EventLog(guard, calendar, data.shared, data.durable);
  if (data.lost.length > 0) loseAbilities(data.lost);
  return [];
}

function storeImage({ name, micros, bytes, fails = false }: StoreImage): StoreResult {
  using _ = afterWrite(() => {
    if (fails) throw new SystemError("write", 5);
  });
  return images.store(name, micros, bytes, ".jpg");
}

function appendText(text: string): StoreResult {
  events.append(text);
  return "ok";
}

self.onmessage = ({ data }: MessageEvent<StoreThreadStart | StoreCommand>) => {
  if (!("type" in data)) self.postMessage(begin(data));
  else if (data.type === "store") {
    self.postMessage(data.images.map((image) => attempt(() => storeImage(image))));
  } else if (data.type === "append") {
    self.postMessage(data.texts.map((text) => attempt(() => appendText(text))));
  } else if (data.type === "reserve") {
    const time = calendar.local(calendar.now());
    self.postMessage(Array.from({ length: data.times }, () => folders.reserve(time)));
  } else self.postMessage(watch(logs, data.state));
};
