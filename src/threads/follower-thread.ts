/**
 * The thread that follows the tree of files for those who are told: it sends what was stored to the
 * teller.
 *
 * @module
 */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { StoredImage } from "../catalog/day-follower.ts";
import { Follower } from "../catalog/follower.ts";
import { messageOf } from "../errors.ts";
import { counted } from "../log/amounts.ts";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import { DataDirectory } from "../store/data-directory.ts";
import type {
  Content,
  FollowerMessage,
  FromFollower,
  FromTeller,
  Stored,
  ToFollower,
} from "../tell/messages.ts";
import { giveWay } from "./give-way.ts";

declare const self: Worker;

/** Most images and events that the teller has not taken yet, and most bytes of contents. */
const UNTAKEN_MAX = 50_000;
const CONTENT_BYTES_MAX = 32 * 2 ** 20;

/** Most pieces of memory that are kept for further contents, and in what steps they are made. */
const SPARE_MAX = 16;
const SPARE_BYTES = 65_536;

const post = (message: FollowerMessage): void => self.postMessage(message);

let port: MessagePort | undefined;
let follower: Follower | undefined;
/** What was seen together goes together. */
let waiting: { readonly stored: Stored; readonly content: Content }[] = [];
/** Whether the teller wants the contents of images. It must not wait for a disk itself. */
let wantsContent = false;
/** What it has not taken yet, and bytes of the contents. */
let untaken = 0;
let untakenBytes = 0;
/** What could not be told. */
let dropped = 0;
/** Memory for further ones. */
let spare: ArrayBuffer[] = [];

self.onmessage = ({ data: message }: MessageEvent<ToFollower>) => {
  switch (message.type) {
    case "start":
      giveWay();
      connect(message.port);
      follow(new DataDirectory(message.settings.data_directory));
      post({ type: "ready" });
      break;
    case "port":
      connect(message.port);
      break;
    case "finish":
      void finish();
  }
};

function connect(to: MessagePort): void {
  port = to;
  wantsContent = false;
  untaken = 0;
  untakenBytes = 0;
  to.onmessage = ({ data }: { readonly data: FromTeller }) => {
    ({ wantsContent } = data);
    untaken -= data.count;
    if (dropped > 0) sayDropped();
    for (const buffer of data.taken) {
      untakenBytes -= buffer.byteLength;
      if (spare.length < SPARE_MAX) spare.push(buffer);
    }
  };
}

function follow(directory: DataDirectory): void {
  const calendar = new Calendar(systemClock);
  follower = new Follower(directory, {
    today: () => calendar.local(calendar.now()).date,
    onImage: (image) =>
      add({ type: "image", ...image }, wantsContent ? contentOf(directory, image) : undefined),
    onEvent: (event) => add({ type: "event", ...event }),
    onProblem: (problem) =>
      post({ type: "log", level: "warn", message: `What is stored cannot be told: ${problem}` }),
  });
  follower.start();
}

function sayDropped(): void {
  const message = `${counted(dropped, "message")} could not be told: nobody took them`;
  post({ type: "log", level: "warn", message });
  dropped = 0;
}

function add(stored: Stored, content?: Content): void {
  if (untaken + waiting.length >= UNTAKEN_MAX) {
    dropped++;
    return;
  }
  if (waiting.push({ stored, content }) === 1) queueMicrotask(send);
}

function send(): void {
  const stored = waiting;
  waiting = [];
  untaken += stored.length;
  const contents = stored.flatMap(({ content }) =>
    content instanceof Uint8Array ? [content.buffer] : [],
  );
  port?.postMessage(stored satisfies FromFollower, contents);
}

/** @returns why not, if it cannot be read */
function contentOf(directory: DataDirectory, { date, name }: StoredImage): Content {
  if (untakenBytes > CONTENT_BYTES_MAX) return "too many wait";
  try {
    const file = openSync(`${directory.dateFolder(date)}/${name}`, "r");
    try {
      const { size } = fstatSync(file);
      const content = new Uint8Array(memoryFor(size), 0, size);
      if (readSync(file, content) < size) return "its file is too short";
      untakenBytes += content.buffer.byteLength;
      return content;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? messageOf(error);
  }
}

function memoryFor(bytes: number): ArrayBuffer {
  let buffer = spare.pop();
  if (buffer === undefined || buffer.byteLength < bytes)
    buffer = new ArrayBuffer(Math.ceil(bytes / SPARE_BYTES) * SPARE_BYTES);
  return buffer;
}

async function finish(): Promise<void> {
  await follower?.finish();
  send();
  port?.postMessage("end" satisfies FromFollower);
}
