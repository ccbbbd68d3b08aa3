/**
 * Starts the two threads that tell others what the hub stores, if there is anybody to tell, and
 * replaces those that end.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import { hubStateOf, toldNodesOf } from "../http/hub-state.ts";
import type { Overview } from "../http/overview.ts";
import type { Log } from "../log/log.ts";
import { Integer } from "../shared/memory.ts";
import type { HubState } from "../shared/messages.ts";
import type { FollowerMessage, TellerMessage, ToFollower, ToTeller } from "../tell/messages.ts";
import { hasOutlets } from "../tell/outlets.ts";

/** How often the hub's state is looked at, in milliseconds. */
const LOOK_MS = 5000;

/** How long the start of the hub waits for the follower, in milliseconds. */
const READY_MS_MAX = 2000;

/** How long to wait before a thread is replaced, in milliseconds. */
const REPLACE_AFTER_MS = 1000;

/** What the teller needs. */
export interface TellerParts {
  readonly settings: Settings;
  readonly overview: Overview;
  readonly log: Log;
  readonly entries: { readonly follower: URL; readonly teller: URL };
}

/** Those who tell, seen from the main thread. */
export class Teller {
  private follower: Worker | undefined;
  private teller: Worker | undefined;
  private timer: Timer | undefined;
  private isLooking = false;
  /** What was told last. */
  private hub: HubState | undefined;
  private readonly ready = Promise.withResolvers<void>();
  /** Of the teller that runs. */
  private finished = Promise.withResolvers<void>();

  constructor(private readonly parts: TellerParts) {}

  /**
   * Starts to follow and to tell. What is stored before that is not told.
   *
   * @returns when it follows, or has not for too long
   */
  async begin(): Promise<void> {
    const { settings } = this.parts;
    if (!hasOutlets(settings)) return;
    const { port1, port2 } = new MessageChannel();
    this.startFollower(port1);
    this.startTeller(port2);
    this.timer = setInterval(() => void this.look(), LOOK_MS);
    await Promise.race([this.ready.promise, Bun.sleep(READY_MS_MAX)]);
  }

  /** The hub listens. */
  started(): void {
    this.tellTeller({ type: "started" });
    void this.look();
  }

  /** Those who are told read their files again. */
  reload(): void {
    this.tellTeller({ type: "reload" });
  }

  /** Tells what is left. @returns when that is done, or the time is over */
  async finish(withinMs: number): Promise<void> {
    clearInterval(this.timer);
    if (this.teller === undefined) return;
    const { nodes, today } = this.parts.overview;
    // Who has fallen silent since then.
    if (this.hub !== undefined)
      this.tellTeller({ type: "hub", hub: { ...this.hub, nodes: toldNodesOf(nodes, today.day) } });
    this.tellFollower({ type: "finish" });
    this.tellTeller({ type: "finish", withinMs });
    await Promise.race([this.finished.promise, Bun.sleep(withinMs)]);
  }

  private startFollower(port: MessagePort): void {
    const { settings, log, entries } = this.parts;
    const worker = new Worker(entries.follower, { smol: true, name: "follower" });
    worker.onmessage = ({ data: message }: MessageEvent<FollowerMessage>) => {
      if (message.type === "ready") this.ready.resolve();
      else log[message.level](message.message, message.fields);
    };
    worker.onerror = ({ message }) => log.error(`The follower has failed: ${message.trim()}`);
    worker.addEventListener("close", () => {
      this.follower = undefined;
      this.tellEnd("follower");
      this.replace((mine, others) => {
        this.startFollower(mine);
        this.tellTeller({ type: "port", port: others }, others);
      });
    });
    this.follower = worker;
    this.tellFollower({ type: "start", settings, port }, port);
  }

  private startTeller(port: MessagePort): void {
    const { settings, log, entries, overview } = this.parts;
    const finished = Promise.withResolvers<void>();
    this.finished = finished;
    const worker = new Worker(entries.teller, { smol: true, name: "teller" });
    worker.onmessage = ({ data: message }: MessageEvent<TellerMessage>) => {
      if (message.type === "outlets") overview.outlets = message.outlets;
      else if (message.type === "finished") finished.resolve();
      else log[message.level](message.message, message.fields);
    };
    worker.onerror = ({ message }) => log.error(`The teller has failed: ${message.trim()}`);
    worker.addEventListener("close", () => {
      this.teller = undefined;
      finished.resolve();
      this.tellEnd("teller");
      this.replace((mine, others) => {
        this.startTeller(mine);
        this.tellFollower({ type: "port", port: others }, others);
        void this.look();
      });
    });
    this.teller = worker;
    this.tellTeller({ type: "start", settings, port }, port);
  }

  private tellEnd(name: string): void {
    if (!this.isStopping) this.parts.log.error(`The ${name} has ended and is replaced`);
  }

  private replace(start: (mine: MessagePort, others: MessagePort) => void): void {
    setTimeout(() => {
      if (this.isStopping) return;
      const { port1, port2 } = new MessageChannel();
      start(port1, port2);
    }, REPLACE_AFTER_MS);
  }

  private tellFollower(message: ToFollower, port?: MessagePort): void {
    this.follower?.postMessage(message, port === undefined ? [] : [port]);
  }

  private tellTeller(message: ToTeller, port?: MessagePort): void {
    this.teller?.postMessage(message, port === undefined ? [] : [port]);
  }

  private get isStopping(): boolean {
    return Atomics.load(this.parts.overview.shared.integers, Integer.stopping) !== 0;
  }

  /** Tells the state of the hub. A hub that stops is not ill. */
  private async look(): Promise<void> {
    if (this.isLooking || this.isStopping || this.teller === undefined) return;
    this.isLooking = true;
    try {
      const hub = await hubStateOf(this.parts.overview);
      if (this.isStopping) return;
      this.hub = hub;
      this.tellTeller({ type: "hub", hub });
    } catch (error) {
      this.parts.log.error(`The state of the hub cannot be told: ${messageOf(error)}`);
    } finally {
      this.isLooking = false;
    }
  }
}
