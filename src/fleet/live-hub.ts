/**
 * Follows what one hub stores, over its HTTP API, while somebody looks; and asks it for images that
 * are not in the bucket yet.
 *
 * @module
 */

import * as z from "zod";
import { messageOf } from "../errors.ts";
import { TEXT_BYTES_MAX } from "../limits.ts";
import { fetchAnswer, fetchCode, fetchReason } from "../net/fetch.ts";
import { serverSentEvents } from "../net/server-sent-events.ts";
import type { HubEvent, LiveImage, LiveNode } from "../page/answers.ts";
import { parseJson } from "../protocol/json.ts";
import { parseImageFileName } from "../protocol/names.ts";
import { pauseMs } from "../s3/retrying.ts";
import { eventOf } from "../view/events.ts";
import { timeText } from "../view/query.ts";
import { type HubFilePaths, readHubFiles } from "./hub-files.ts";

/** A hub that says nothing for so long does not answer, in milliseconds. It does every 15 s. */
const SILENCE_MS_MAX = 40_000;

/** How long an image may take, in milliseconds, and how large it may be, in bytes. */
const IMAGE_MS_MAX = 10_000;
export const IMAGE_BYTES_MAX = 64 * 2 ** 20;

/** A stream that lasts so long has not failed, in milliseconds. */
const STEADY_MS = 10_000;

const dateText = z.string().regex(/^\d{4}-\d\d-\d\d$/);

/** Of what a hub tells, what cannot be worked out from it. It may be of another version. */
const told = {
  image: z.object({ date: dateText, name: z.string() }),
  event: z.object({
    date: dateText,
    time: z.string().regex(/^\d\d:\d\d:\d\d,\d{3}$/),
    text: z.string().max(TEXT_BYTES_MAX),
  }),
  node: z.looseObject({ node: z.string(), silent: z.boolean() }),
};

/** Who is told. */
export interface Listener {
  image(image: LiveImage): void;
  event(event: HubEvent): void;
  node(node: LiveNode): void;
  /** Something may have been missed. */
  missed(): void;
  /** It is followed now, or not any more, and why not. */
  changed(problem: string | undefined): void;
}

/** Where a hub is. */
export interface LiveHubSettings extends HubFilePaths {
  readonly name: string;
  readonly url: string;
}

/** One hub that can be reached. */
export class LiveHub {
  private live = false;
  private problem: string | undefined;
  private ending: AbortController | undefined;

  constructor(
    private readonly settings: LiveHubSettings,
    private readonly listener: Listener,
  ) {}

  get name(): string {
    return this.settings.name;
  }

  /** Whether it is followed. */
  get isLive(): boolean {
    return this.live;
  }

  /** Begins to follow it. May be called again. */
  start(): void {
    if (this.ending !== undefined) return;
    this.ending = new AbortController();
    void this.run(this.ending.signal);
  }

  /** Follows it no more. */
  stop(): void {
    this.ending?.abort();
    this.ending = undefined;
    this.live = false;
    this.problem = undefined;
  }

  /** An image; undefined if the hub does not have it, or does not answer. */
  async image(date: string, name: string): Promise<Uint8Array | undefined> {
    try {
      const path = `api/v1/days/${date}/images/${encodeURIComponent(name)}`;
      const response = await this.ask(path, AbortSignal.timeout(IMAGE_MS_MAX));
      if (response.status === 200) return await bytesOf(response);
      await response.body?.cancel();
    } catch {
      // Then it is as if it were not there.
    }
    return undefined;
  }

  private async run(end: AbortSignal): Promise<void> {
    let lastId: string | undefined;
    for (let failures = 1; !end.aborted; failures++) {
      let problem = "it has ended the connection";
      const beganMs = performance.now();
      const quiet = new AbortController();
      let timer = setTimeout(() => quiet.abort(), SILENCE_MS_MAX);
      try {
        const query = lastId === undefined ? "" : `?after=${encodeURIComponent(lastId)}`;
        const signal = AbortSignal.any([end, quiet.signal]);
        const response = await this.ask(`api/v1/live${query}`, signal);
        if (response.status !== 200) {
          await response.body?.cancel();
          throw new Error(refusalOf(response.status));
        }
        for await (const { id, event, data } of serverSentEvents(beat(response.body!))) {
          if (!this.live) this.become(true, undefined);
          lastId = id ?? lastId;
          this.hear(event, parseJson(data));
        }
      } catch (error) {
        problem = quiet.signal.aborted ? "it does not answer" : reasonOf(error);
      }
      clearTimeout(timer);
      if (end.aborted) return;
      if (this.live && performance.now() - beganMs > STEADY_MS) failures = 0;
      this.become(false, problem);
      await Bun.sleep(pauseMs(failures + 1));

      async function* beat(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
        for await (const bytes of stream) {
          clearTimeout(timer);
          timer = setTimeout(() => quiet.abort(), SILENCE_MS_MAX);
          yield bytes;
        }
      }
    }
  }

  /** What is not as a hub tells it says nothing. */
  private hear(event: string, value: unknown): void {
    const { listener } = this;
    if (event === "image") {
      const { data } = told.image.safeParse(value);
      const parsed = data && parseImageFileName(data.name, data.date);
      if (parsed === undefined) return;
      listener.image({ ...data!, camera: parsed.camera, time: timeText(parsed.micros) });
    } else if (event === "event") {
      const { data } = told.event.safeParse(value);
      if (data !== undefined) listener.event(eventOf(data.date, data.time, data.text));
    } else if (event === "camera") {
      const { data } = told.node.safeParse(value);
      if (data !== undefined) listener.node(data);
    } else if (event === "start" || event === "lost") listener.missed();
  }

  private become(isLive: boolean, problem: string | undefined): void {
    if (this.live === isLive && this.problem === problem) return;
    this.live = isLive;
    this.problem = problem;
    this.listener.changed(problem);
  }

  private async ask(path: string, signal: AbortSignal): Promise<Response> {
    const { url } = this.settings;
    // Read each time, so that a new one is used at once.
    const { token, ca } = readHubFiles(this.settings);
    const headers = new Headers();
    if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
    return await fetchAnswer(new URL(path, url.endsWith("/") ? url : `${url}/`), {
      method: "GET",
      headers,
      ca,
      signal,
    });
  }
}

/** @returns undefined if it is larger than any image */
async function bytesOf({ body }: Response): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body ?? []) {
    parts.push(part);
    if ((length += part.byteLength) > IMAGE_BYTES_MAX) return undefined;
  }
  return Buffer.concat(parts);
}

function refusalOf(status: number): string {
  if (status === 401) return "it wants another token; see token_file";
  if (status === 429) return "it has seen too many wrong tokens; see token_file";
  if (status === 421) return "it wants a token under this name; see token_file";
  if (status === 503) return "it cannot tell more at the moment (503)";
  return `what answers there is no hub (${status})`;
}

function reasonOf(error: unknown): string {
  const code = fetchCode(error);
  return code === "" ? messageOf(error) : fetchReason(code);
}
