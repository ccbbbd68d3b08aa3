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
import { silentAfterIn } from "../receiver/silent-after.ts";
import type { HubState } from "../shared/messages.ts";
import { DataDirectory } from "../store/data-directory.ts";
import { MqttFiles } from "./mqtt-files.ts";
import { type Break, type BrokerLimits, Link } from "./mqtt-link.ts";
import { brokerOf } from "./mqtt-options.ts";
import { ImagePace } from "./mqtt-pace.ts";
import { Retained } from "./mqtt-retained.ts";
import { Sender } from "./mqtt-sender.ts";
import { MqttState } from "./mqtt-state.ts";
import { Topics } from "./mqtt-topics.ts";
import { tooLarge } from "./mqtt-window.ts";
import type { News } from "./news.ts";
import { type Outlet, OutletTally } from "./outlet.ts";
import type { OutletParts } from "./outlets.ts";

/** How long to wait for what the broker has of an earlier run, in milliseconds. */
const LEARN_MS_MAX = 5000;

/** With QoS 1, the broker confirms what it has taken. */
const QOS = 1;

/** How often a stop looks whether all is told, in milliseconds. */
const LOOK_MS = 5;

/** A connection that has lasted for so long was a good one, in milliseconds. */
const STEADY_MS = 300_000;

/** One broker. */
export class Mqtt implements Outlet {
  readonly tally: OutletTally;
  private readonly topics: Topics;
  private readonly retained = new Retained();
  private readonly state: MqttState;
  private readonly sender: Sender;
  private readonly link: Link;
  private readonly pace: ImagePace;
  private hub: HubState | undefined;
  private client: MqttClient | undefined;
  /** When it was connected, by a clock that nobody sets; NaN if it is not. */
  private connectedMs = NaN;
  /** The connection has taken the status. */
  private isOpen = false;
  /** What was logged since the last long connection. */
  private readonly said = new Set<string>();
  private isLearned = false;
  private learning: Timer | undefined;

  constructor(private readonly parts: OutletParts) {
    const { mqtt, patience, cameras, data_directory: path } = parts.settings;
    const silentAfter = silentAfterIn(cameras);
    const directory = new DataDirectory(path);
    this.topics = Topics.of(mqtt);
    const { host, port } = brokerOf(mqtt);
    this.tally = new OutletTally("mqtt", `${host}:${port}`, (message) => this.warn(message));
    this.sender = new Sender({
      retained: this.retained,
      tally: this.tally,
      failed: (key, message) => this.failedOnce(key, message),
    });
    this.state = new MqttState({
      topics: this.topics,
      retained: this.retained,
      isDiscovered: mqtt.discovery !== OFF,
      silentAfter: (node) => silentAfter(node) ?? patience,
      folderOf: (date) => directory.dateFolder(date),
    });
    this.pace = new ImagePace(mqtt.image_interval, (image) => {
      this.state.image(image);
      this.sender.work();
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
      connected: (client, limits) => this.connected(client, limits),
      message: (topic, payload, isRetained) => this.heard(topic, payload, isRetained),
      down: (end) => this.down(end),
    });
    void this.link.open();
  }

  tell(news: News): void {
    if (news.type === "event") {
      const parts = eventParts(news.text);
      const payload = JSON.stringify({ time: news.at, text: news.text, ...parts });
      this.sender.add({ topic: this.topics.events(parts?.node), payload });
      this.state.event(news);
    } else if (news.type === "image") this.pace.add(news);
    this.sender.work();
  }

  show(hub: HubState): void {
    this.hub = hub;
    this.state.show(hub, Date.now(), performance.now());
    this.sender.work();
  }

  async finish(withinMs: number): Promise<void> {
    const endMs = performance.now() + withinMs;
    const leftMs = (): number => Math.max(0, endMs - performance.now());
    this.pace.flush();
    while (this.sender.waiting > 0 && this.link.isTrying && leftMs() > 0) await Bun.sleep(LOOK_MS);
    const { client } = this;
    if (client !== undefined)
      await Promise.race([
        client.publishAsync(this.topics.status, "offline", { qos: QOS, retain: true }),
        Bun.sleep(leftMs()),
      ]).catch(() => undefined);
    this.sender.stop();
    this.tally.dropped += this.sender.events;
    this.client = undefined;
    await this.link.close(leftMs());
  }

  /** Once for as long as connections end soon. */
  private warn(message: string): void {
    if (!this.isSaid(message)) this.parts.warn(message);
  }

  /** The same of all errors with this key. */
  private failedOnce(key: string, message: string): void {
    if (!this.isSaid(key)) this.tally.failed(message);
  }

  private isSaid(key: string): boolean {
    if (this.said.has(key)) return true;
    this.said.add(key);
    return false;
  }

  private connected(client: MqttClient, { packetBytesMax, receiveMax }: BrokerLimits): void {
    const { mqtt } = this.parts.settings;
    this.tally.connected();
    this.connectedMs = performance.now();
    this.sender.window.opened(packetBytesMax, receiveMax);
    const wanted = this.isLearned ? [] : this.topics.learned;
    if (mqtt.discovery !== OFF) wanted.push(this.topics.homeAssistant);
    if (wanted.length > 0) client.subscribe(wanted, { qos: 0 }, () => undefined);
    this.client = client;
    client.publish(this.topics.status, "online", { qos: QOS, retain: true }, (error) => {
      if (client !== this.client || client.disconnecting) return;
      if (error) this.sender.refused(this.topics.status, error);
      // A connection that ends before has not ended because of what follows.
      this.isOpen = true;
      this.begin();
    });
    this.retained.again();
    if (!this.isLearned) this.learning = setTimeout(() => this.learned(), LEARN_MS_MAX);
  }

  private heard(topic: string, payload: Uint8Array, isRetained: boolean): void {
    const text = Buffer.from(payload).toString();
    if (topic === this.topics.homeAssistant) {
      // A retained one is from before this connection, and all was told then.
      if (text === "online" && !isRetained) this.retained.again();
      this.sender.work();
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
    this.begin();
  }

  private down({ reason, mayBeMessage }: Break): boolean {
    const nowMs = performance.now();
    if (nowMs - this.connectedMs >= STEADY_MS) {
      this.said.clear();
      this.sender.window.forgive();
    }
    this.connectedMs = NaN;
    clearTimeout(this.learning);
    this.client = undefined;
    this.isOpen = false;
    this.sender.stop();
    this.tally.disconnected();
    const culprit = this.sender.window.ended(mayBeMessage, nowMs);
    const guess = " again and again: perhaps another hub has the same mqtt.topic";
    this.tally.failed(`${reason}${this.sender.window.endsIdly ? guess : ""}`);
    if (culprit !== undefined) {
      this.tally.dropped++;
      this.failedOnce(culprit.kind, tooLarge(culprit));
    }
    this.tally.waiting = this.sender.waiting;
    return mayBeMessage && this.sender.window.isSearching;
  }

  /** Sends, once the status is told and all is learned. */
  private begin(): void {
    if (this.client !== undefined && this.isOpen && this.isLearned) this.sender.start(this.client);
  }
}
