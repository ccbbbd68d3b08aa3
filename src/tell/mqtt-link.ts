/**
 * A connection to an MQTT broker that is made again whenever it has ended.
 *
 * @module
 */

import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import { messageOf } from "../errors.ts";
import { addressOf, takeAnother } from "../net/addresses.ts";
import type { Break } from "./mqtt-breaks.ts";
import { brokerReason, isClosed } from "./mqtt-reason.ts";

/** Shortest and longest time until it is tried again, in milliseconds. */
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 120_000;

/** A connection that lasts for so long was a good one, in milliseconds. */
const GOOD_MS = 10_000;

/** What a link tells. */
export interface LinkHandlers {
  /** Made anew for each connection. @throws {Error} if a file is of no use */
  options(): IClientOptions;
  connected(client: MqttClient): void;
  message(topic: string, payload: Uint8Array, isRetained: boolean): void;
  /** There is no connection, and why. */
  down(end: Break): void;
}

/** One broker. */
export class Link {
  private client: MqttClient | undefined;
  private timer: Timer | undefined;
  private failures = 0;
  private isClosed = false;
  private isLookingUp = false;

  constructor(private readonly handlers: LinkHandlers) {}

  /** Connects. Never rejects. */
  async open(): Promise<void> {
    if (this.isClosed) return;
    let options: IClientOptions;
    try {
      options = this.handlers.options();
    } catch (error) {
      this.failed(messageOf(error));
      return;
    }
    const { host = "", port = 0 } = options;
    this.isLookingUp = true;
    try {
      const address = (await addressOf(host)) ?? host;
      if (!this.isClosed) this.connect({ ...options, host: address }, { host, port });
    } catch (error) {
      this.failed(brokerReason(error instanceof Error ? error : undefined, { host, port }));
    } finally {
      this.isLookingUp = false;
    }
  }

  private connect(options: IClientOptions, broker: { host: string; port: number }): void {
    const { handlers } = this;
    // Each has a client of its own, which holds nothing of an earlier one.
    const client = mqtt.connect(options);
    this.client = client;
    let connectedMs: number | undefined;
    let problem: Error | undefined;
    client.on("connect", () => {
      connectedMs = performance.now();
      handlers.connected(client);
    });
    client.on("message", (topic: string, payload: Uint8Array, packet: IPublishPacket) =>
      handlers.message(topic, payload, packet.retain),
    );
    client.on("error", (error) => {
      problem ??= error;
    });
    client.on("close", () => {
      if (this.client !== client) return;
      this.client = undefined;
      if (this.isClosed) return;
      if (connectedMs !== undefined && performance.now() - connectedMs > GOOD_MS) this.failures = 0;
      if (connectedMs === undefined) takeAnother(broker.host);
      if (connectedMs !== undefined && isClosed(problem))
        this.failed("The broker has closed the connection", true);
      else this.failed(brokerReason(problem, broker));
      client.end(true);
    });
  }

  /** Whether a connection is there, or is being made. */
  get isTrying(): boolean {
    return this.client !== undefined || this.isLookingUp;
  }

  /** Ends the connection in order: the broker does not publish the will. */
  async close(withinMs: number): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.timer);
    const { client } = this;
    if (client === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    client.end(false, () => resolve());
    await Promise.race([promise, Bun.sleep(withinMs)]);
    client.end(true);
  }

  private failed(reason: string, isByBroker = false): void {
    this.failures++;
    const longestMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (this.failures - 1));
    // Several hubs do not come back at the same time.
    this.timer = setTimeout(() => void this.open(), longestMs * (0.5 + Math.random() / 2));
    this.handlers.down({ reason, isByBroker });
  }
}
