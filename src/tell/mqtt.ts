/**
 * Tells an MQTT broker: events as they come, and as retained topics the state of the hub, of its
 * nodes and cameras, with their latest images. Home Assistant finds them by itself.
 *
 * It receives no commands.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { MqttClient } from "mqtt";
import { eventParts } from "../protocol/event.ts";
import { OFF } from "../net/listen-address.ts";
import type { HubState } from "../shared/messages.ts";
import { DataDirectory } from "../store/data-directory.ts";
import { Backlog, type Waiting } from "./mqtt-backlog.ts";
import { type Break, Breaks } from "./mqtt-breaks.ts";
import { Link } from "./mqtt-link.ts";
import { MqttFiles } from "./mqtt-files.ts";
import { brokerOf } from "./mqtt-options.ts";
import { ImagePace } from "./mqtt-pace.ts";
import { Retained } from "./mqtt-retained.ts";
import { MqttState } from "./mqtt-state.ts";
import { Topics } from "./mqtt-topics.ts";
import type { News } from "./news.ts";
import { type Outlet, OutletTally } from "./outlet.ts";
import type { OutletParts } from "./outlets.ts";

/** Most events that the broker has not confirmed yet. */
const EVENTS_IN_FLIGHT_MAX = 200;

/** The same of retained topics. Of images, it is one: they are large. */
const TOPICS_IN_FLIGHT_MAX = 50;

/** How long to wait for what the broker has of an earlier run, in milliseconds. */
const LEARN_MS_MAX = 5000;

/** With QoS 1, the broker confirms what it has taken. */
const QOS = 1;

/** How often a stop looks whether all is told, in milliseconds. */
const LOOK_MS = 5;

/** One broker. */
export class Mqtt implements Outlet {
  readonly tally: OutletTally;
  private readonly topics: Topics;
  private readonly retained = new Retained();
  private readonly state: MqttState;
  private readonly backlog = new Backlog();
  private readonly breaks = new Breaks();
  private readonly link: Link;
  private readonly pace: ImagePace;
  private hub: HubState | undefined;
  private client: MqttClient | undefined;
  private flying: Set<Waiting> = new Set();
  private topicsInFlight = 0;
  /** A file is being read. It may hang for longer than a connection lasts. */
  private isReading = false;
  private isImageInFlight = false;
  private isTooLargeSaid = false;
  /** What was logged last, since the last long connection. */
  private said = "";
  private isLearned = false;
  private learning: Timer | undefined;

  constructor(private readonly parts: OutletParts) {
    const { mqtt, patience, data_directory: path } = parts.settings;
    const directory = new DataDirectory(path);
    this.topics = Topics.of(mqtt);
    const { host, port } = brokerOf(mqtt);
    this.tally = new OutletTally("mqtt", `${host}:${port}`, (message) => this.warn(message));
    this.state = new MqttState({
      topics: this.topics,
      retained: this.retained,
      isDiscovered: mqtt.discovery !== OFF,
      patience,
      folderOf: (date) => directory.dateFolder(date),
    });
    this.pace = new ImagePace(mqtt.image_interval, (image) => {
      this.state.image(image);
      this.work();
    });
    const files = new MqttFiles(mqtt, (note) => parts.warn(note));
    this.link = new Link({
      options: async () => ({
        ...(await files.options()),
        // Always the same: if the hub was killed, the broker ends its old connection first.
        clientId: `imagehub-${createHash("sha256").update(this.topics.base).digest("hex").slice(0, 12)}`,
        will: {
          topic: this.topics.status,
          payload: Buffer.from("offline"),
          qos: QOS,
          retain: true,
        },
      }),
      connected: (client) => this.connected(client),
      message: (topic, payload, isRetained) => this.heard(topic, payload, isRetained),
      down: (end) => this.down(end),
    });
    void this.link.open();
  }

  tell(news: News): void {
    if (news.type === "event") {
      const parts = eventParts(news.text);
      const payload = JSON.stringify({ time: news.at, text: news.text, ...parts });
      this.tally.dropped += this.backlog.add({ topic: this.topics.events(parts?.node), payload });
      this.state.event(news);
    } else if (news.type === "image") this.pace.add(news);
    this.work();
  }

  show(hub: HubState): void {
    this.hub = hub;
    this.state.show(hub, Date.now(), performance.now());
    this.work();
  }

  async finish(withinMs: number): Promise<void> {
    const endMs = performance.now() + withinMs;
    const leftMs = (): number => Math.max(0, endMs - performance.now());
    this.pace.flush();
    while (this.waiting > 0 && this.link.isTrying && leftMs() > 0) await Bun.sleep(LOOK_MS);
    const { client } = this;
    if (client !== undefined)
      await Promise.race([
        client.publishAsync(this.topics.status, "offline", { qos: QOS, retain: true }),
        Bun.sleep(leftMs()),
      ]).catch(() => undefined);
    this.tally.dropped += this.backlog.length + this.flying.size;
    this.client = undefined;
    await this.link.close(leftMs());
  }

  /** Once for as long as it is the same, over all connections that end soon. */
  private warn(message: string): void {
    if (message === this.said) return;
    this.said = message;
    this.parts.warn(message);
  }

  /** What is not confirmed yet. */
  private get waiting(): number {
    const { backlog, flying, retained, topicsInFlight } = this;
    return (
      backlog.length +
      flying.size +
      retained.waiting +
      topicsInFlight +
      Number(this.isReading || this.isImageInFlight)
    );
  }

  private connected(client: MqttClient): void {
    const { mqtt } = this.parts.settings;
    this.tally.connected();
    this.breaks.connected(performance.now());
    const wanted = this.isLearned ? [] : this.topics.learned;
    if (mqtt.discovery !== OFF) wanted.push(this.topics.homeAssistant);
    if (wanted.length > 0) client.subscribe(wanted, { qos: 0 }, () => undefined);
    client.publish(this.topics.status, "online", { qos: QOS, retain: true });
    this.client = client;
    this.retained.again();
    if (this.isLearned) this.work();
    else this.learning = setTimeout(() => this.learned(), LEARN_MS_MAX);
  }

  private heard(topic: string, payload: Uint8Array, isRetained: boolean): void {
    const text = Buffer.from(payload).toString();
    if (topic === this.topics.homeAssistant) {
      // A retained one is from before this connection, and all was told then.
      if (text === "online" && !isRetained) this.retained.again();
      this.work();
      return;
    }
    if (this.isLearned) return;
    // What this connection has published comes after all that the broker had.
    if (topic === this.topics.status) {
      if (!isRetained && text === "online") this.learned();
    } else if (isRetained) this.state.learn(topic, text);
  }

  private learned(): void {
    clearTimeout(this.learning);
    if (this.client === undefined || this.isLearned) return;
    this.isLearned = true;
    this.client.unsubscribe(this.topics.learned, () => undefined);
    this.state.learned();
    // What an earlier run has told belongs to the devices, too.
    if (this.hub !== undefined) this.show(this.hub);
    this.work();
  }

  private down(end: Break): void {
    const { reason, isNew } = this.breaks.ended(end, performance.now());
    if (isNew) this.said = "";
    clearTimeout(this.learning);
    this.client = undefined;
    this.tally.dropped += this.backlog.giveBack([...this.flying]);
    this.flying = new Set();
    this.topicsInFlight = 0;
    this.isImageInFlight = false;
    this.tally.disconnected();
    this.tally.failed(reason);
    this.tally.waiting = this.waiting;
  }

  /** Publishes what waits, as far as the broker keeps up. */
  private work(): void {
    const { client, flying, backlog, retained } = this;
    if (client !== undefined && this.isLearned) {
      while (flying.size < EVENTS_IN_FLIGHT_MAX) {
        const event = backlog.take();
        if (event === undefined) break;
        flying.add(event);
        this.publish(client, event.topic, event.payload, false, () => flying.delete(event));
      }
      while (this.topicsInFlight < TOPICS_IN_FLIGHT_MAX) {
        const next = retained.takeText();
        if (next === undefined) break;
        const { topic, text } = next;
        this.topicsInFlight++;
        this.publish(client, topic, text, true, () => {
          this.topicsInFlight--;
          if (text === "") retained.emptied(topic);
        });
      }
      if (!this.isReading && !this.isImageInFlight) {
        const next = retained.takeFile();
        if (next !== undefined) void this.publishImage(client, next.topic, next.file);
      }
    }
    this.tally.waiting = this.waiting;
  }

  private async publishImage(client: MqttClient, topic: string, file: string): Promise<void> {
    this.isReading = true;
    let bytes: Uint8Array | undefined;
    try {
      bytes = await Bun.file(file).bytes();
    } catch {
      // Deleted meanwhile, or its disk is away.
    } finally {
      this.isReading = false;
    }
    // Another connection tells all again.
    if (client === this.client && bytes !== undefined && this.retained.has(topic)) {
      const { buffer, byteOffset, byteLength } = bytes;
      if (this.breaks.isTooLarge(byteLength)) this.leaveOut(topic, byteLength);
      else {
        this.isImageInFlight = true;
        this.breaks.imageSent(byteLength);
        this.publish(client, topic, Buffer.from(buffer, byteOffset, byteLength), true, () => {
          this.isImageInFlight = false;
          this.breaks.imageConfirmed();
        });
      }
    }
    this.work();
  }

  private leaveOut(topic: string, bytes: number): void {
    this.tally.dropped++;
    if (this.isTooLargeSaid) return;
    this.isTooLargeSaid = true;
    this.parts.warn(
      `mqtt: The broker closes the connection at an image of ${bytes} bytes (${topic}): ` +
        "images of this size are left out",
    );
  }

  /** @param done is called when the broker has it, unless the connection ends before */
  private publish(
    client: MqttClient,
    topic: string,
    payload: string | Buffer,
    retain: boolean,
    done: () => void,
  ): void {
    client.publish(topic, payload, { qos: QOS, retain }, (error) => {
      // What the end of a connection interrupts is told in the next one.
      if (client !== this.client || client.disconnecting) return;
      done();
      if (error) {
        this.tally.dropped++;
        this.tally.failed(error.message);
      } else this.tally.sent++;
      queueMicrotask(() => this.work());
    });
  }
}
