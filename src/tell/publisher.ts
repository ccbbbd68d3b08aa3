/**
 * Publishes all that is stored, as imagezmq does in its PUB/SUB mode: frame 1 is `{"msg": text}`,
 * frame 2 the image. Any number of imagezmq's subscribers can connect (`ImageHub(open_port=…,
 * REQ_REP=False)`).
 *
 * @see https://github.com/jeffbass/imagezmq
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { eventParts } from "../protocol/event.ts";
import { describeBindError } from "../receiver/bind-error.ts";
import { Complaints } from "../receiver/complaints.ts";
import { ZmqError } from "../zmq/library.ts";
import { Context } from "../zmq/socket.ts";
import type { Content } from "./messages.ts";
import type { News } from "./news.ts";
import { type Outlet, OutletTally } from "./outlet.ts";
import type { OutletParts } from "./outlets.ts";
import { SubscriberPort } from "./subscriber-port.ts";

/** How often connections and their questions are looked after, in milliseconds. */
const CHORES_MS = 20;

/** How long to wait before the port is tried again, in milliseconds. */
const RETRY_MS = 30_000;

/** The same after it was closed for all. */
const REOPEN_MS = 1000;

/** How long subscribers have for what was published last, in milliseconds. */
const LINGER_MS_MAX = 1000;

/** Shortest time between two lines about refusals for the same reason, in milliseconds. */
const REFUSED_MS = 60_000;

/** A JPEG of one black pixel: imagezmq's programs expect an image with each event. */
const BLACK = Buffer.from(
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQH/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVN//2Q==",
  "base64",
);

/** One of the settings `publish` and `publish_topics`. */
export class Publisher implements Outlet {
  readonly tally: OutletTally;
  private readonly context = new Context();
  private readonly endpoint: string;
  private port: SubscriberPort | undefined;
  private readonly chores: Timer;
  private retry: Timer | undefined;
  private readonly complaints: Complaints;

  /** @param setting `publish_topics` puts the camera's name before, as a frame of its own */
  constructor(
    private readonly setting: "publish" | "publish_topics",
    private readonly parts: OutletParts,
  ) {
    this.endpoint = parts.settings[setting];
    this.tally = new OutletTally(setting, this.endpoint, parts.warn);
    this.complaints = new Complaints((_, message, fields) => parts.warn(message, fields));
    this.bind();
    this.chores = setInterval(() => this.doChores(), CHORES_MS);
  }

  get wantsContent(): boolean {
    return this.port !== undefined && this.port.count > 0;
  }

  tell(news: News, content?: Content): void {
    // Who is not there misses it: that is no loss to count.
    if (!this.wantsContent) return;
    if (news.type === "event") this.send(eventParts(news.text)?.node ?? "", news.text, BLACK);
    if (news.type !== "image" || content === undefined) return;
    if (typeof content === "string") {
      this.tally.dropped++;
      // One that was deleted meanwhile is none of its faults.
      if (content !== "ENOENT") this.tally.failed(`Cannot read an image: ${content}`);
      return;
    }
    const { camera, name } = news;
    // Its last dot is that of the seconds.
    const time = name
      .slice(camera.length + 1, name.lastIndexOf("."))
      .replaceAll(/\.(?=.*\.)/g, ":");
    this.send(camera, `${camera}|jpg|${time}`, content);
  }

  show(): void {
    // Subscribers get images and events only.
  }

  reload(): void {
    try {
      this.port?.reload();
    } catch (error) {
      this.tally.failed(
        `Cannot read the clients' keys again, so the old keys stay in force: ${messageOf(error)}`,
      );
    }
  }

  async finish(withinMs: number): Promise<void> {
    clearInterval(this.chores);
    clearTimeout(this.retry);
    this.complaints.flush(Number.POSITIVE_INFINITY);
    // libzmq's thread writes what it holds.
    this.port?.linger(Math.min(withinMs, LINGER_MS_MAX));
    this.port?.[Symbol.dispose]();
    this.port = undefined;
  }

  end(): void {
    // Or that thread would end with the process, before it has.
    this.context[Symbol.dispose]();
  }

  private bind(): void {
    const { context, endpoint, setting, parts } = this;
    try {
      this.port = new SubscriberPort(context, endpoint, parts.settings, (reason, from) =>
        this.complaints.add(reason, {
          level: "warn",
          message: `Refused a subscriber of ${setting}: ${reason}`,
          fields: { from },
          windowMs: REFUSED_MS,
        }),
      );
      this.tally.connected();
      this.tally.subscribers = 0;
    } catch (error) {
      const port = Number(endpoint.slice(endpoint.lastIndexOf(":") + 1));
      this.tally.failed(
        error instanceof ZmqError ? describeBindError(endpoint, port, error) : messageOf(error),
      );
      this.retry = setTimeout(() => this.bind(), RETRY_MS);
    }
  }

  private doChores(): void {
    const { port, tally } = this;
    this.complaints.flush(performance.now());
    if (port === undefined) return;
    try {
      port.update();
      tally.subscribers = port.count;
    } catch (error) {
      tally.failed(messageOf(error));
      // Made anew, for all.
      port[Symbol.dispose]();
      this.port = undefined;
      tally.disconnected();
      this.retry = setTimeout(() => this.bind(), REOPEN_MS);
    }
  }

  private send(topic: string, text: string, image: Uint8Array): void {
    const header = Buffer.from(JSON.stringify({ msg: text }));
    const isForAll = this.port?.send(
      this.setting === "publish" ? [header, image] : [Buffer.from(topic), header, image],
    );
    if (isForAll === undefined) return;
    if (!isForAll) this.tally.dropped++;
    this.tally.sent++;
  }
}
