/**
 * A webhook: an address that gets an HTTP request for each piece of news that it wants. The
 * requests go out one by one, in order.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { shownUrl } from "../config/secrets.ts";
import type { WebhookSettings } from "../config/webhook.ts";
import { messageOf } from "../errors.ts";
import { patternOf } from "../keep/rules.ts";
import { counted } from "../log/amounts.ts";
import { Reminder } from "../log/reminder.ts";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import { eventParts } from "../protocol/event.ts";
import { factsOf } from "./facts.ts";
import type { News } from "./news.ts";
import { type Outlet, OutletTally } from "./outlet.ts";
import type { OutletParts } from "./outlets.ts";
import { readWebhookFiles, type WebhookFiles } from "./webhook-files.ts";
import { type Outcome, sendRequest } from "./webhook-request.ts";

/** Most messages that wait. Beyond this, the oldest are dropped. */
export const WAITING_MAX = 1000;

/** How long a message waits at most, in milliseconds: later, nobody wants to know. */
const WAITING_MS_MAX = 3_600_000;

/** How often a message is tried that may be the reason of the failure itself. */
const TRIES_MAX = 10;

/** The wait after a failure, in milliseconds. It doubles with each one. */
const PAUSE_MS_MIN = 1000;
const PAUSE_MS_MAX = 60_000;

/** The longest wait that a receiver can ask for, in milliseconds. */
const ASKED_MS_MAX = 600_000;

/** After so long without trouble, the next one is news again, in milliseconds. */
const WELL_MS = 60_000;

/** A message that waits. */
interface Waiting {
  readonly news: News;
  /** When the hub learned of it, in microseconds since 1970 UTC. */
  readonly micros: number;
  /** The same by `performance.now`, in milliseconds. */
  readonly sinceMs: number;
  /** Of all its tries; made with the first. */
  id?: string;
  /** How often it may have been the reason of a failure itself. */
  tries: number;
}

/** How long to wait after so many failures, in milliseconds. @param askedMs by the receiver */
export function pauseMs(failures: number, askedMs = 0): number {
  const ownMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(failures - 1, 16));
  return Math.max(ownMs, Math.min(askedMs, ASKED_MS_MAX));
}

/** Whether a webhook wants news: `match` decides about what a camera does, `text` about events. */
export function wantedBy({ on, match, text }: WebhookSettings): (news: News) => boolean {
  const types = new Set<News["type"]>(on);
  const pattern = match === undefined ? undefined : patternOf(match);
  const part = text?.toLowerCase();
  return (news) => {
    if (!types.has(news.type)) return false;
    if (news.type === "event" && part !== undefined && !news.text.toLowerCase().includes(part))
      return false;
    const camera = cameraOf(news);
    return (
      pattern === undefined || camera === undefined || pattern.test(camera.replaceAll(" ", "-"))
    );
  };
}

/** @returns undefined if news is not about cameras */
function cameraOf(news: News): string | undefined {
  switch (news.type) {
    case "image":
      return news.camera;
    case "silent":
      return news.node;
    case "event":
      return eventParts(news.text)?.node ?? "";
    case "disk":
    case "health":
    case "start":
      break;
  }
  return undefined;
}

/** What a webhook is called, for people. @param number from 1 */
export function webhookName(number: number, url: URL | undefined): string {
  return `webhook ${number}${url === undefined ? "" : ` (${url.host})`}`;
}

/** One entry of the setting `webhooks`. */
export class Webhook implements Outlet {
  readonly tally: OutletTally;
  private readonly wants: (news: News) => boolean;
  private readonly calendar = new Calendar(systemClock);
  private readonly reminder: Reminder;
  private readonly ending = new AbortController();
  private files: WebhookFiles | undefined;
  private waiting: Waiting[] = [];
  /** The message in hand. */
  private current: Waiting | undefined;
  private sending: Promise<void> | undefined;
  private failures = 0;
  private troubledMs = Number.NEGATIVE_INFINITY;
  private wake = (): void => undefined;
  private isEnding = false;

  /** @param number its place in the list, from 1 */
  constructor(
    private readonly number: number,
    private readonly settings: WebhookSettings,
    { warn }: Pick<OutletParts, "warn">,
  ) {
    const url = settings.url === undefined ? undefined : new URL(settings.url);
    this.reminder = new Reminder({ warn });
    this.tally = new OutletTally(webhookName(number, url), "", (message) =>
      this.reminder.warn(message),
    );
    this.tally.target = url === undefined ? "" : shownUrl(url.href);
    this.wants = wantedBy(settings);
    void this.read();
  }

  tell(news: News): void {
    if (this.isEnding || !this.wants(news)) return;
    // What is dropped for lack of room costs nothing else.
    const micros = this.calendar.now();
    this.waiting.push({ news, micros, sinceMs: performance.now(), tries: 0 });
    while (this.waiting.length > WAITING_MAX) {
      this.waiting.shift();
      this.drop(`${counted(WAITING_MAX, "message")} wait, so the oldest are dropped`);
    }
    this.count();
    this.sending ??= this.sendAll().finally(() => (this.sending = undefined));
  }

  show(): void {
    // Only what is new is told.
  }

  reload(): void {
    void this.read().then(() => this.retryNow());
  }

  async finish(withinMs: number): Promise<void> {
    this.isEnding = true;
    this.retryNow();
    await Promise.race([this.sending, Bun.sleep(withinMs)]);
    this.ending.abort();
    const left = this.waiting.length + (this.current === undefined ? 0 : 1);
    this.waiting = [];
    this.current = undefined;
    this.count();
    if (left === 0) return;
    this.drop(`the hub stops, and ${counted(left, "message")} could not be sent`, left);
  }

  /** Sends what waits, one after the other. */
  private async sendAll(): Promise<void> {
    while (this.waiting.length > 0 && !this.ending.signal.aborted) {
      const message = this.waiting.shift()!;
      this.current = message;
      const outcome = await this.send(message);
      if (this.ending.signal.aborted) return;
      this.current = undefined;
      const { kind } = outcome;
      if (kind === "suspect") message.tries++;
      const isOver = kind === "taken" || kind === "refused" || message.tries >= TRIES_MAX;
      if (kind === "taken") this.succeeded();
      else this.failed(outcome, isOver);
      if (!isOver) this.waiting.unshift(message);
      this.dropOld();
      this.count();
      // At the stop, what is refused holds up nothing, and nothing is tried twice.
      if (this.isEnding && !isOver) return;
      if (kind !== "taken" && !this.isEnding) await this.pause(outcome);
    }
  }

  /** Never rejects. */
  private async send(message: Waiting): Promise<Outcome> {
    try {
      const facts = factsOf(message.news, hostname(), this.calendar.local(message.micros));
      const id = (message.id ??= randomUUID());
      const files = this.files ?? (await this.read());
      // Why the files cannot be read is told already.
      if (files === undefined) return { kind: "failed", message: "" };
      return await sendRequest({ files, facts, id, signal: this.ending.signal });
    } catch (error) {
      return { kind: "refused", message: messageOf(error) };
    }
  }

  private succeeded(): void {
    this.tally.sent++;
    this.failures = 0;
    if (performance.now() - this.troubledMs > WELL_MS) this.reminder.clear();
    this.tally.connected();
  }

  private failed({ message }: Outcome, isOver: boolean): void {
    this.failures++;
    this.troubledMs = performance.now();
    this.tally.disconnected();
    if (isOver) this.tally.dropped++;
    if (message !== "")
      this.tally.failed(`${message}${isOver ? "; the message is dropped" : "; trying again"}`);
  }

  private dropOld(): void {
    const oldestMs = performance.now() - WAITING_MS_MAX;
    while (this.waiting.length > 0 && this.waiting[0]!.sinceMs < oldestMs) {
      this.waiting.shift();
      this.drop("messages that have waited for an hour are dropped");
    }
  }

  private drop(why: string, count = 1): void {
    this.troubledMs = performance.now();
    this.tally.dropped += count;
    this.reminder.warn(`${this.tally.name}: ${why}`);
  }

  private async pause({ waitMs }: Outcome): Promise<void> {
    const ms = pauseMs(this.failures, waitMs);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private retryNow(): void {
    this.failures = 0;
    this.wake();
  }

  /** Reads the files. What is wrong is told, and the old ones stay in force. Never rejects. */
  private async read(): Promise<WebhookFiles | undefined> {
    const { tally } = this;
    try {
      const files = await readWebhookFiles(this.settings);
      this.files = files;
      tally.name = webhookName(this.number, files.url);
      tally.target = shownUrl(files.url.href);
      for (const path of files.exposed) this.reminder.warn(exposureOf(tally.name, path));
      tally.connected();
    } catch (error) {
      const stays = this.files === undefined ? "" : "; what was read before stays in force";
      if (this.files === undefined) tally.disconnected();
      tally.failed(`${messageOf(error)}${stays}`);
    }
    return this.files;
  }

  private count(): void {
    this.tally.waiting = this.waiting.length + (this.current === undefined ? 0 : 1);
  }
}

/** That a file with a secret is not safe. */
export function exposureOf(name: string, path: string): string {
  return `${name}: every user of this machine can read ${path}. To prevent this: chmod o= ${path}`;
}
