/**
 * The thread that follows the tree of files for those who are told: it sends what was stored to the
 * teller.
 *
 * @module
 */

import { Follower } from "../catalog/follower.ts";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import { DataDirectory } from "../store/data-directory.ts";
import type { FollowerMessage, FromFollower, Stored, ToFollower } from "../tell/messages.ts";
import { giveWay } from "./give-way.ts";

declare const self: Worker;

const post = (message: FollowerMessage): void => self.postMessage(message);

let port: MessagePort | undefined;
let follower: Follower | undefined;
/** What was seen together goes together. */
let waiting: Stored[] = [];

self.onmessage = ({ data: message }: MessageEvent<ToFollower>) => {
  switch (message.type) {
    case "start":
      giveWay();
      ({ port } = message);
      follow(new DataDirectory(message.settings.data_directory));
      post({ type: "ready" });
      break;
    case "port":
      ({ port } = message);
      break;
    case "finish":
      void finish();
  }
};

function follow(directory: DataDirectory): void {
  const calendar = new Calendar(systemClock);
  follower = new Follower(directory, {
    today: () => calendar.local(calendar.now()).date,
    onImage: (image) => add({ type: "image", ...image }),
    onEvent: (event) => add({ type: "event", ...event }),
    onProblem: (problem) =>
      post({ type: "log", level: "warn", message: `What is stored cannot be told: ${problem}` }),
  });
  follower.start();
}

function add(stored: Stored): void {
  if (waiting.push(stored) === 1) queueMicrotask(send);
}

function send(): void {
  const stored = waiting;
  waiting = [];
  port?.postMessage(stored satisfies FromFollower);
}

async function finish(): Promise<void> {
  await follower?.finish();
  send();
  port?.postMessage("end" satisfies FromFollower);
}
