/**
 * Keeps systemd informed while the hub runs: the rates in `systemctl status`, and the watchdog.
 *
 * The watchdog is fed only while the receiver and the writers respond (`shared/liveness.ts`). If
 * one of them hangs, or this thread itself, systemd kills the hub and starts it again. Nothing that
 * was answered `OK` is lost.
 *
 * @module
 */

import type { Hub } from "../hub.ts";
import { WATCHDOG_FEEDS } from "../limits.ts";
import type { Log } from "../log/log.ts";
import type { ServiceManager } from "../os/sd-notify.ts";

/** How often the status line is updated, in milliseconds. */
const STATUS_MS = 5000;

/**
 * How often today's images are checked for that line, in milliseconds. Before the first image of
 * the day, this counts files in a folder.
 */
const CAP_MS = 60_000;

/** The part of a hub that is reported. */
type Reported = Pick<Hub, "totals" | "liveness" | "capReached">;

/** Reports from `start` until `stopping`. */
export class ServiceReporter implements Disposable {
  private isServing = false;
  private readonly timers: Timer[] = [];
  private lastTotals: Record<string, number> = {};
  private lastMs = performance.now();
  private lastStatus = "";
  /** The message that the day's cap is reached, if it is. */
  private cap: string | undefined;
  /** The latest question to the threads. */
  private question = 0;
  /** The threads that did not respond at the last check. */
  private silent = "";

  constructor(
    private readonly manager: ServiceManager,
    private readonly hub: Reported,
    private readonly log: Log,
  ) {}

  /** The hub serves requests from now on. */
  start(): void {
    const { manager, hub } = this;
    this.isServing = true;
    manager.ready();
    this.lastTotals = hub.totals;
    this.reportStatus();
    void this.lookAtCap();
    this.timers.push(setInterval(() => this.reportStatus(), STATUS_MS));
    this.timers.push(setInterval(() => void this.lookAtCap(), CAP_MS));
    if (manager.watchdogMs === undefined) return;
    this.question = hub.liveness.ask();
    this.timers.push(setInterval(() => this.feed(), manager.watchdogMs / WATCHDOG_FEEDS));
  }

  /**
   * Rereads the settings; `systemctl reload` waits for this. A hub that is starting or stopping is
   * not reported as ready.
   */
  reload(action: () => void): void {
    if (this.isServing) this.manager.reloading();
    action();
    if (this.isServing) this.manager.ready();
  }

  /** The hub is stopping. @param boundMs the longest time it may take */
  stopping(boundMs: number): void {
    this[Symbol.dispose]();
    this.manager.stopping(boundMs);
  }

  private reportStatus(): void {
    const { totals } = this.hub;
    const now = performance.now();
    const rates = statusLine(this.lastTotals, totals, (now - this.lastMs) / 1000);
    const status = this.cap === undefined ? rates : `${this.cap}; ${rates}`;
    this.lastTotals = totals;
    this.lastMs = now;
    if (status === this.lastStatus) return;
    this.lastStatus = status;
    this.manager.status(status);
  }

  /** A change is reported at once. */
  private async lookAtCap(): Promise<void> {
    const cap = await this.hub.capReached();
    if (cap === this.cap || !this.isServing) return;
    this.cap = cap;
    this.reportStatus();
  }

  private feed(): void {
    const { liveness } = this.hub;
    const silent = liveness.silent(this.question).join(", ");
    if (silent === "") this.manager.feed();
    else if (silent !== this.silent)
      this.log.error(`Not responding: ${silent}. If this goes on, systemd restarts the hub`);
    this.silent = silent;
    this.question = liveness.ask();
  }

  [Symbol.dispose](): void {
    this.isServing = false;
    for (const timer of this.timers) clearInterval(timer);
  }
}

/** E.g. `12.3 images/s, 0.2 events/s, 24 connections, 3 waiting`. */
function statusLine(
  before: Record<string, number>,
  now: Record<string, number>,
  elapsedSeconds: number,
): string {
  const rate = (name: string): string =>
    (((now[name] ?? 0) - (before[name] ?? 0)) / Math.max(elapsedSeconds, 1)).toFixed(1);
  return [
    `${rate("images")} images/s`,
    `${rate("events")} events/s`,
    `${now["connections"]} connections`,
    `${now["queued"]} waiting`,
  ].join(", ");
}
