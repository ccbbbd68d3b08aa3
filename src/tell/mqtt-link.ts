/**
 * A connection to an MQTT broker that is made again whenever it has ended.
 *
 * @module
 */

import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import { messageOf } from "../errors.ts";
import { addressOf, takeAnother } from "../net/addresses.ts";
import { INCOMING_BYTES_MAX, refuseLarge } from "./mqtt-incoming.ts";
import { brokerReason, closedReason, isClosed, isOfVersion, mayBeMessage } from "./mqtt-reason.ts";

/** Shortest and longest time until it is tried again, in milliseconds. */
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 120_000;

/** A connection that lasts for so long was a good one, in milliseconds. */
const GOOD_MS = 10_000;

/** MQTT 5 tells what the broker takes. With 3.1.1, ten times as much can be on its way. */
const VERSION = 5;
const VERSION_OLD = 4;

/** What the broker takes, if it has said so. */
export interface BrokerLimits {
  /** The largest packet, in bytes. */
  readonly packetBytesMax: number | undefined;
  /** How many messages at a time. */
  readonly receiveMax: number | undefined;
}

/** Why a connection has ended, or was not made. */
export interface Break {
  readonly reason: string;
  /** Whether the broker may have ended it because of a message. */
  readonly mayBeMessage: boolean;
}

/** Opens a connection. It is tried once. @param isOld whether with {@link VERSION_OLD} */
export function openClient(options: IClientOptions, isOld: boolean): MqttClient {
  const client = mqtt.connect({
    ...options,
    protocolVersion: isOld ? VERSION_OLD : VERSION,
    ...(!isOld && { properties: { maximumPacketSize: INCOMING_BYTES_MAX } }),
  });
  refuseLarge(client.stream, (reason) => client.emit("error", reason));
  return client;
}

/** What a link tells. */
export interface LinkHandlers {
  /** Made anew for each connection. Rejects if a file is of no use. */
  options(): Promise<IClientOptions>;
  connected(client: MqttClient, limits: BrokerLimits): void;
  message(topic: string, payload: Uint8Array, isRetained: boolean): void;
  /** There is no connection, and why. @returns whether to try again soon, to find the cause */
  down(end: Break): boolean;
}

/** One broker. */
export class Link {
  private client: MqttClient | undefined;
  private timer: Timer | undefined;
  private failures = 0;
  /** Whether MQTT 3.1.1 is tried first: until the broker ends a connection at a message. */
  private isOld = true;
  private isClosed = false;
  private isPreparing = false;

  constructor(private readonly handlers: LinkHandlers) {}

  /** Connects. Never rejects. */
  async open(): Promise<void> {
    if (this.isClosed) return;
    this.isPreparing = true;
    try {
      await this.prepare(await this.handlers.options());
    } catch (error) {
      this.failed(messageOf(error));
    } finally {
      this.isPreparing = false;
    }
  }

  /** Looks up the broker. */
  private async prepare(options: IClientOptions): Promise<void> {
    const { host = "", port = 0 } = options;
    try {
      const address = (await addressOf(host)) ?? host;
      if (!this.isClosed) this.connect({ ...options, host: address }, { host, port });
    } catch (error) {
      this.failed(brokerReason(error instanceof Error ? error : undefined, { host, port }));
    }
  }

  private connect(
    options: IClientOptions,
    broker: { readonly host: string; readonly port: number },
    isOld = this.isOld,
  ): void {
    const { handlers } = this;
    // Each has a client of its own, which holds nothing of an earlier one.
    const client = openClient(options, isOld);
    this.client = client;
    let connectedMs: number | undefined;
    let problem: Error | undefined;
    let code: number | undefined;
    client.on("connect", ({ properties }) => {
      connectedMs = performance.now();
      const { maximumPacketSize: packetBytesMax, receiveMaximum: receiveMax } = properties ?? {};
      handlers.connected(client, { packetBytesMax, receiveMax });
    });
    client.on("message", (topic: string, payload: Uint8Array, packet: IPublishPacket) =>
      handlers.message(topic, payload, packet.retain),
    );
    client.on("disconnect", ({ reasonCode }) => {
      code = reasonCode;
    });
    client.on("error", (error) => {
      problem ??= error;
    });
    client.on("close", () => {
      if (this.client !== client) return;
      this.client = undefined;
      if (this.isClosed) return;
      if (connectedMs !== undefined) {
        if (performance.now() - connectedMs > GOOD_MS) this.failures = 0;
        if (isClosed(problem)) {
          this.isOld &&= !mayBeMessage(code);
          this.failed(closedReason(code), mayBeMessage(code));
        } else this.failed(brokerReason(problem, broker));
      } else if (isOld === this.isOld && isOfVersion(problem))
        this.connect(options, broker, !isOld);
      else {
        takeAnother(broker.host);
        this.failed(brokerReason(problem, broker));
      }
      client.end(true);
    });
  }

  /** Whether a connection is there, or is being made. */
  get isTrying(): boolean {
    return this.client !== undefined || this.isPreparing;
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

  private failed(reason: string, isPerhapsMessage = false): void {
    if (this.isClosed) return;
    const isSoon = this.handlers.down({ reason, mayBeMessage: isPerhapsMessage });
    if (!isSoon) this.failures++;
    const longestMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.max(0, this.failures - 1));
    // Several hubs do not come back at the same time.
    this.timer = setTimeout(() => void this.open(), longestMs * (0.5 + Math.random() / 2));
  }
}
