/**
 * What an outlet is: one way to tell others what the hub stores, such as an MQTT broker. Each is on
 * its own. One that is slow or down holds up no other.
 *
 * @module
 */

import type { HubState } from "../shared/messages.ts";
import type { OutletState } from "../shared/outlet-state.ts";
import type { Content } from "./messages.ts";
import type { News } from "./news.ts";

/** An outlet. Its methods never wait and never throw. */
export interface Outlet {
  readonly tally: OutletTally;
  /** Whether it wants the contents of images now; not set if it never does. */
  readonly wantsContent?: boolean;
  /** Takes in what is new. What does not fit is dropped and counted. */
  tell(news: News, content?: Content): void;
  /** Takes in the state of the hub, every few seconds. */
  show(hub: HubState): void;
  /** Reads its files again, such as those with passwords. */
  reload?(): void;
  /** Tells what is left, within so many milliseconds. Never rejects. */
  finish(withinMs: number): Promise<void>;
  /** When all have finished: waits for what is still to leave this process. Blocks. */
  end?(): void;
}

/** How an outlet does. */
export class OutletTally {
  sent = 0;
  dropped = 0;
  waiting = 0;
  subscribers: number | null = null;
  private connectedSince: string | null = null;
  private lastError: OutletState["last_error"] = null;
  /** The error that was logged last. */
  private told = "";

  /**
   * @param name unique, such as `mqtt`
   * @param target where it tells, without secrets
   * @param warn logs a message once for as long as it is the same
   */
  constructor(
    public name: string,
    public target: string,
    private readonly warn: (message: string) => void,
  ) {}

  /** It can tell. */
  connected(): void {
    this.connectedSince ??= new Date().toISOString();
    this.told = "";
  }

  /** It cannot tell any more, or yet. */
  disconnected(): void {
    this.connectedSince = null;
  }

  /** Notes an error, and logs it unless the last one was the same. */
  failed(message: string): void {
    this.lastError = { time: new Date().toISOString(), message };
    if (message === this.told) return;
    this.told = message;
    this.warn(`${this.name}: ${message}`);
  }

  /** For people. */
  get state(): OutletState {
    const { name, target, sent, dropped, waiting, subscribers } = this;
    return {
      name,
      target,
      connected_since: this.connectedSince,
      sent,
      dropped,
      waiting,
      subscribers,
      last_error: this.lastError,
    };
  }
}
