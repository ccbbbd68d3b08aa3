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
import { describeBindError } from "../receiver/bind-error.ts";
import { Gatekeeper } from "../receiver/gatekeeper.ts";
import { eventParts } from "../protocol/event.ts";
import { DataDirectory } from "../store/data-directory.ts";
import { ZmqError } from "../zmq/library.ts";
import { MessageArray } from "../zmq/message.ts";
import { Monitor, MonitorEvent } from "../zmq/monitor.ts";
import { Context, type Socket, SocketOption, SocketType } from "../zmq/socket.ts";
import type { Stored } from "./messages.ts";
import type { News } from "./news.ts";
import { type Outlet, OutletTally } from "./outlet.ts";
import type { OutletParts } from "./outlets.ts";

/** Most images and events that wait to be published. Beyond this, the oldest are dropped. */
const WAITING_MAX = 1000;

/**
 * Most messages that libzmq holds for one subscriber that is slow. Beyond this, they are dropped
 * for that one. Its own queue and TCP's come on top.
 */
const SEND_HWM = 100;

/** How often connections and their questions are looked after, in milliseconds. */
const CHORES_MS = 20;

/** How long to wait before the port is tried again, in milliseconds. */
const RETRY_MS = 30_000;

/** Shortest time between two warnings of the same kind about connections, in milliseconds. */
const WARN_MS = 60_000;

/** A JPEG of one black pixel: imagezmq's programs expect an image with each event. */
const BLACK = Buffer.from(
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQH/wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVN//2Q==",
  "base64",
);

/** One port with subscribers. */
export class Publisher implements Outlet {
  readonly tally: OutletTally;
  private readonly directory: DataDirectory;
  private readonly context = new Context();
  private readonly received = new MessageArray(1).at(0);
  private readonly endpoint: string;
  private socket: Socket | undefined;
  private gatekeeper: Gatekeeper | undefined;
  private monitor: Monitor | undefined;
  /** The addresses of those that are connected. */
  private readonly subscribers = new Set<string>();
  private waiting: Stored[] = [];
  private sending: Promise<void> | undefined;
  private readonly warnedMs = new Map<string, number>();

  /** @param setting `publish_topics` puts the camera's name before, as a frame of its own */
  constructor(
    private readonly setting: "publish" | "publish_topics",
    private readonly parts: OutletParts,
  ) {
    this.endpoint = parts.settings[setting];
    this.tally = new OutletTally(setting, this.endpoint, parts.warn);
    this.directory = new DataDirectory(parts.settings.data_directory);
    this.bind();
    setInterval(() => this.doChores(), CHORES_MS);
  }

  tell(news: News): void {
    if (news.type !== "image" && news.type !== "event") return;
    // Who is not there misses it: that is no loss to count.
    if (this.subscribers.size === 0) return;
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
      this.gatekeeper?.reload();
    } catch (error) {
      this.tally.failed(
        `Cannot read the clients' keys again, so the old keys stay in force: ${messageOf(error)}`,
      );
    }
  }

  async finish(withinMs: number): Promise<void> {
    const end = Bun.sleep(withinMs);
    await Promise.race([this.sending, end]);
    // libzmq's thread writes what it holds.
    this.socket?.set(SocketOption.linger, withinMs);
    for (const each of [this.monitor, this.socket, this.gatekeeper]) each?.[Symbol.dispose]();
    this.socket = undefined;
  }

  private bind(): void {
    const { settings } = this.parts;
    const socket = this.context.socket(SocketType.xpub);
    try {
      this.gatekeeper ??= new Gatekeeper(this.context, socket, settings, (peer, { reason }) =>
        this.warnRarely(`Refused a subscriber of ${this.setting}: ${reason} (${peer.address})`),
      );
      socket.set(SocketOption.linger, 0);
      socket.set(SocketOption.sendHwm, SEND_HWM);
      socket.set(SocketOption.handshakeIvl, settings.handshake_timeout * 1000);
      socket.set(SocketOption.tcpKeepalive, 1);
      socket.set(SocketOption.ipv6, /[*[]/.test(this.endpoint) ? 1 : 0);
      socket.bind(this.endpoint);
      this.monitor = new Monitor(socket);
    } catch (error) {
      socket[Symbol.dispose]();
      const port = Number(this.endpoint.slice(this.endpoint.lastIndexOf(":") + 1));
      this.tally.failed(
        error instanceof ZmqError
          ? describeBindError(this.endpoint, port, error)
          : messageOf(error),
      );
      setTimeout(() => this.bind(), RETRY_MS);
      return;
    }
    this.socket = socket;
    this.tally.connected();
    this.tally.subscribers = 0;
  }

  private doChores(): void {
    this.gatekeeper?.authenticator.update();
    if (this.monitor === undefined || this.socket === undefined) return;
    for (let event = this.monitor.next(); event !== undefined; event = this.monitor.next()) {
      if (event.event === MonitorEvent.handshakeSucceeded) this.subscribers.add(event.peer);
      else if (event.event === MonitorEvent.disconnected) this.subscribers.delete(event.peer);
    }
    this.tally.subscribers = this.subscribers.size;
    // Subscriptions are for libzmq alone, but it keeps them until they are received.
    while (this.socket.tryReceive(this.received));
  }

  /** Sends what waits, one after the other, so that all stays in order. */
  private async send(): Promise<void> {
    for (let stored = this.waiting.shift(); stored !== undefined; stored = this.waiting.shift()) {
      this.tally.waiting = this.waiting.length;
      try {
        await this.publish(stored);
      } catch (error) {
        this.tally.dropped++;
        this.tally.failed(messageOf(error));
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
    // Deleted meanwhile, or its disk is away.
    const bytes = await Bun.file(`${this.directory.dateFolder(date)}/${name}`).bytes();
    this.sendFrames(camera, `${camera}|jpg|${time}`, bytes);
  }

  /** Subscribers that are too slow for it do not get it, and the others do. */
  private sendFrames(topic: string, text: string, image: Uint8Array): void {
    const { socket } = this;
    if (socket === undefined) return;
    const frames = [Buffer.from(JSON.stringify({ msg: text })), image];
    if (this.setting === "publish_topics") frames.unshift(Buffer.from(topic));
    const [first, ...rest] = frames as [Uint8Array, ...Uint8Array[]];
    // First as if nobody may miss it, which shows whether somebody will.
    socket.set(SocketOption.xpubNodrop, 1);
    const isForAll = socket.trySend(first, true);
    socket.set(SocketOption.xpubNodrop, 0);
    if (!isForAll) {
      this.tally.dropped++;
      socket.send(first, true);
    }
    for (const [at, frame] of rest.entries()) socket.send(frame, at < rest.length - 1);
    this.tally.sent++;
  }

  private warnRarely(message: string): void {
    const now = performance.now();
    const last = this.warnedMs.get(message);
    if (last !== undefined && now - last < WARN_MS) return;
    if (this.warnedMs.size > 100) this.warnedMs.clear();
    this.warnedMs.set(message, now);
    this.parts.warn(message);
  }
}
