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
import { DataDirectory } from "../store/data-directory.ts";
import { ZmqError } from "../zmq/library.ts";
import { Context } from "../zmq/socket.ts";
import type { Stored } from "./messages.ts";
import type { News } from "./news.ts";
import { type Outlet, OutletTally } from "./outlet.ts";
import type { OutletParts } from "./outlets.ts";
import { SubscriberPort } from "./subscriber-port.ts";

/** Most images and events that wait to be published. Beyond this, the oldest are dropped. */
const WAITING_MAX = 1000;

/** How often connections and their questions are looked after, in milliseconds. */
const CHORES_MS = 20;

/** How long to wait before the port is tried again, in milliseconds. */
const RETRY_MS = 30_000;

/** The same after it was closed for all. */
const REOPEN_MS = 1000;

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
  private readonly directory: DataDirectory;
  private readonly context = new Context();
  private readonly endpoint: string;
  private port: SubscriberPort | undefined;
  private readonly chores: Timer;
  private retry: Timer | undefined;
  private waiting: Stored[] = [];
  private sending: Promise<void> | undefined;
  private readonly complaints: Complaints;

  /** @param setting `publish_topics` puts the camera's name before, as a frame of its own */
  constructor(
    private readonly setting: "publish" | "publish_topics",
    private readonly parts: OutletParts,
  ) {
    this.endpoint = parts.settings[setting];
    this.tally = new OutletTally(setting, this.endpoint, parts.warn);
    this.complaints = new Complaints((_, message, fields) => parts.warn(message, fields));
    this.directory = new DataDirectory(parts.settings.data_directory);
    this.bind();
    this.chores = setInterval(() => this.doChores(), CHORES_MS);
  }

  tell(news: News): void {
    if (news.type !== "image" && news.type !== "event") return;
    // Who is not there misses it: that is no loss to count.
    if (this.port === undefined || this.port.count === 0) return;
    this.waiting.push(news);
    if (this.waiting.length > WAITING_MAX) {
      this.waiting.shift();
      this.tally.dropped++;
    }
    this.tally.waiting = this.waiting.length;
    this.sending ??= this.send().finally(() => (this.sending = undefined));
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
    await Promise.race([this.sending, Bun.sleep(withinMs)]);
    clearInterval(this.chores);
    clearTimeout(this.retry);
    this.complaints.flush(Number.POSITIVE_INFINITY);
    // libzmq's thread writes what it holds.
    this.port?.linger(withinMs);
    this.port?.[Symbol.dispose]();
    this.port = undefined;
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
      if (!port.isFlooded) return;
      tally.failed("Subscribers want too many cameras: all are disconnected");
    } catch (error) {
      tally.failed(messageOf(error));
    }
    // Made anew, for all.
    port[Symbol.dispose]();
    this.port = undefined;
    tally.disconnected();
    this.retry = setTimeout(() => this.bind(), REOPEN_MS);
  }

  /** Sends what waits, one after the other, so that all stays in order. */
  private async send(): Promise<void> {
    for (let stored = this.waiting.shift(); stored !== undefined; stored = this.waiting.shift()) {
      this.tally.waiting = this.waiting.length;
      try {
        await this.publish(stored);
      } catch (error) {
        this.tally.dropped++;
        // Without the name of the file: of a thousand, one line is enough.
        const code = (error as NodeJS.ErrnoException).code ?? "";
        // One that was deleted meanwhile is none of its faults.
        if (code !== "ENOENT") this.tally.failed(`Cannot read an image: ${code}`);
      }
    }
  }

  private async publish(stored: Stored): Promise<void> {
    if (stored.type === "event") {
      const node = eventParts(stored.text)?.node ?? "";
      this.sendFrames(node, stored.text, BLACK);
      return;
    }
    const { camera, date, name } = stored;
    // Its last dot is that of the seconds.
    const time = name
      .slice(camera.length + 1, name.lastIndexOf("."))
      .replaceAll(/\.(?=.*\.)/g, ":");
    const bytes = await Bun.file(`${this.directory.dateFolder(date)}/${name}`).bytes();
    this.sendFrames(camera, `${camera}|jpg|${time}`, bytes);
  }

  private sendFrames(topic: string, text: string, image: Uint8Array): void {
    const header = Buffer.from(JSON.stringify({ msg: text }));
    const isForAll = this.port?.send(
      this.setting === "publish" ? [header, image] : [Buffer.from(topic), header, image],
    );
    if (isForAll === undefined) return;
    if (!isForAll) this.tally.dropped++;
    this.tally.sent++;
  }
}
