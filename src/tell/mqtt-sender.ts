/**
 * Sends to a broker what waits: events, texts and images, as far as it keeps up.
 *
 * @module
 */

import type { MqttClient } from "mqtt";
import { Backlog, type Waiting } from "./mqtt-backlog.ts";
import type { Retained } from "./mqtt-retained.ts";
import { type Flight, newFlight, tooLarge, Window } from "./mqtt-window.ts";
import type { OutletTally } from "./outlet.ts";

/** With QoS 1, the broker confirms what it has taken. */
const QOS = 1;

/** How long all else waits for the file of an image that must go alone, in milliseconds. */
const READ_MS_MAX = 5000;

/** What there is to send, in turn: many of one kind do not hold up the others. */
const KINDS = ["event", "text", "image"] as const satisfies readonly Flight["kind"][];

/** What the sender needs. */
export interface SenderParts {
  readonly retained: Retained;
  readonly tally: OutletTally;
  /** Logs an error once for a key. */
  readonly failed: (key: string, message: string) => void;
}

/** What goes to one broker. */
export class Sender {
  readonly window = new Window();
  private readonly backlog = new Backlog();
  private client: MqttClient | undefined;
  /** A file is being read. It may hang for longer than a connection lasts. */
  private isReading = false;
  /** Which of {@link KINDS} went last. */
  private turn = 0;

  constructor(private readonly parts: SenderParts) {}

  /** What is not confirmed yet. */
  get waiting(): number {
    return this.backlog.length + this.window.size + this.parts.retained.waiting;
  }

  /** The same of events. */
  get events(): number {
    return this.backlog.length + this.window.events;
  }

  /** Takes in an event. */
  add(event: Waiting): void {
    this.parts.tally.dropped += this.backlog.add(event);
  }

  /** Sends over this connection. */
  start(client: MqttClient): void {
    this.client = client;
    this.work();
  }

  /** Sends nothing more. */
  stop(): void {
    this.client = undefined;
  }

  /** Publishes what waits, as far as the broker keeps up. */
  work(): void {
    const { client, window } = this;
    if (client !== undefined)
      while (window.hasRoom) {
        const flight = window.suspect ?? this.next();
        if (flight === undefined) break;
        window.add(flight);
        this.send(client, flight);
      }
    this.parts.tally.waiting = this.waiting;
  }

  private next(): Flight | undefined {
    for (const _ of KINDS) {
      this.turn = (this.turn + 1) % KINDS.length;
      const flight = this.nextOf(KINDS[this.turn]!);
      if (flight !== undefined) return flight;
    }
    return undefined;
  }

  private nextOf(kind: Flight["kind"]): Flight | undefined {
    if (kind === "event") {
      const event = this.backlog.take();
      return event && newFlight(kind, event.topic, event.payload);
    }
    // Images are large: one at a time.
    if (kind === "image" && (this.isReading || this.window.hasImage)) return undefined;
    const topic = this.parts.retained.next(kind);
    return topic === undefined ? undefined : newFlight(kind, topic);
  }

  private send(client: MqttClient, flight: Flight): void {
    const payload = flight.payload ?? this.parts.retained.take(flight.topic);
    if (typeof payload === "string") this.publish(client, flight, payload);
    else void this.sendFile(client, flight, payload.file);
  }

  private async sendFile(client: MqttClient, flight: Flight, file: string): Promise<void> {
    const reading = this.read(file);
    const bytes = await (this.window.suspect === flight
      ? Promise.race([reading, Bun.sleep(READ_MS_MAX)])
      : reading);
    // Another connection tells all again.
    if (client === this.client) {
      if (bytes !== undefined && this.parts.retained.has(flight.topic))
        this.publish(client, flight, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      else this.leave(flight);
    }
    this.work();
  }

  /** @returns undefined if it was deleted meanwhile, or its disk is away */
  private async read(file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    this.isReading = true;
    try {
      return await Bun.file(file).bytes();
    } catch {
      return undefined;
    } finally {
      this.isReading = false;
      queueMicrotask(() => this.work());
    }
  }

  /** Sends it, unless it is known to be too large. */
  private publish(client: MqttClient, flight: Flight, payload: string | Buffer): void {
    const { window } = this;
    const { tally } = this.parts;
    const { kind, topic } = flight;
    const bytes = Buffer.byteLength(payload);
    const limit = window.limitFor(topic, bytes);
    if (limit !== undefined || window.isLeftOut(topic, bytes, performance.now())) {
      this.leave(flight);
      tally.dropped++;
      if (limit !== undefined) this.parts.failed(kind, tooLarge({ kind, topic, bytes }, limit));
      return;
    }
    flight.bytes = bytes;
    client.publish(topic, payload, { qos: QOS, retain: kind !== "event" }, (error) => {
      // What the end of a connection interrupts is told in the next one.
      if (client !== this.client || client.disconnecting) return;
      this.leave(flight);
      if (error) this.refused(topic, error);
      else tally.sent++;
      queueMicrotask(() => this.work());
    });
  }

  /** It is not on its way any more. */
  private leave(flight: Flight): void {
    this.window.remove(flight);
    if (flight.kind !== "event") this.parts.retained.done(flight.topic);
  }

  /** MQTT 5 can say of a single message that the broker does not take it. */
  refused(topic: string, { message }: Error): void {
    this.parts.tally.dropped++;
    this.parts.failed(message, `The broker refuses a message on ${topic}: ${message}`);
  }
}
