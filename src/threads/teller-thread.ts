/**
 * The thread that tells others what is stored, and how the hub does, through all outlets that are
 * set.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import type { HubState } from "../shared/messages.ts";
import type { OutletState } from "../shared/outlet-state.ts";
import type {
  Content,
  FromFollower,
  FromTeller,
  TellerMessage,
  ToTeller,
} from "../tell/messages.ts";
import { type News, newsBetween } from "../tell/news.ts";
import type { Outlet } from "../tell/outlet.ts";
import { makeOutlets, type OutletParts } from "../tell/outlets.ts";
import { VERSION } from "../version.ts";
import { giveWay } from "./give-way.ts";

declare const self: Worker;

/** How often the main thread is told how the outlets do, in milliseconds. */
const STATES_MS = 1000;

/** How often the follower is told whether anybody wants the contents of images. */
const WANTS_MS = 20;

/** How long what the outlets say at the end takes to the main thread, in milliseconds. */
const SAYING_MS = 200;

const post = (message: TellerMessage): void => self.postMessage(message);

const warn: OutletParts["warn"] = (message, fields) =>
  post({ type: "log", level: "warn", message, fields });

let outlets: readonly Outlet[] = [];
let states = "";
let hub: HubState | undefined;
/** What is to be told before all outlets are made. */
const early: News[] = [];
let isMade = false;
let follower: MessagePort | undefined;
/** Whether the follower was told that the contents of images are wanted. */
let wantsContent = false;
const followed = Promise.withResolvers<void>();

self.onmessage = ({ data: message }: MessageEvent<ToTeller>) => {
  switch (message.type) {
    case "start":
      giveWay();
      listen(message.port);
      void start(message);
      break;
    case "port":
      listen(message.port);
      break;
    case "started":
      tell({ type: "start", version: VERSION });
      break;
    case "hub":
      for (const news of newsBetween(hub, message.hub)) tell(news);
      ({ hub } = message);
      show(hub);
      break;
    case "reload":
      for (const outlet of outlets) attempt(outlet, () => outlet.reload?.());
      break;
    case "finish":
      void finish(message.withinMs);
  }
};

async function start({ settings }: ToTeller & { readonly type: "start" }): Promise<void> {
  outlets = await makeOutlets({ settings, warn });
  isMade = true;
  for (const news of early.splice(0)) tell(news);
  if (hub !== undefined) show(hub);
  setInterval(report, STATES_MS);
  if (outlets.some((outlet) => outlet.wantsContent !== undefined))
    setInterval(askForContent, WANTS_MS);
}

function listen(port: MessagePort): void {
  follower = port;
  wantsContent = false;
  port.onmessage = ({ data }: { readonly data: FromFollower }) => {
    if (data === "end") {
      followed.resolve();
      return;
    }
    const taken: ArrayBuffer[] = [];
    for (const { stored, content } of data) {
      tell(stored, content);
      if (content instanceof Uint8Array) taken.push(content.buffer);
    }
    port.postMessage({ wantsContent, count: data.length, taken } satisfies FromTeller, taken);
  };
}

function askForContent(): void {
  const wants = outlets.some((outlet) => outlet.wantsContent === true);
  if (wants === wantsContent) return;
  wantsContent = wants;
  follower?.postMessage({ wantsContent, count: 0, taken: [] } satisfies FromTeller);
}

function tell(news: News, content?: Content): void {
  if (!isMade) {
    early.push(news);
    return;
  }
  for (const outlet of outlets) attempt(outlet, () => outlet.tell(news, content));
}

function show(state: HubState): void {
  for (const outlet of outlets) attempt(outlet, () => outlet.show(state));
}

/** An outlet that fails does not hold up the others. */
function attempt({ tally }: Outlet, action: () => void): void {
  try {
    action();
  } catch (error) {
    tally.dropped++;
    tally.failed(messageOf(error));
  }
}

function report(): void {
  const now: OutletState[] = outlets.map(({ tally }) => tally.state);
  const text = JSON.stringify(now);
  if (text === states) return;
  states = text;
  post({ type: "outlets", outlets: now });
}

async function finish(withinMs: number): Promise<void> {
  // What outlets say at the end must arrive in time, too.
  const endMs = performance.now() + withinMs - SAYING_MS;
  // If the disk does not respond, the follower does not either.
  await Promise.race([followed.promise, Bun.sleep(withinMs / 2)]);
  const leftMs = Math.max(0, endMs - performance.now());
  await Promise.allSettled(outlets.map(async (outlet) => await outlet.finish(leftMs)));
  for (const outlet of outlets) attempt(outlet, () => outlet.end?.());
  report();
  post({ type: "finished" });
}
