/**
 * Keeps systemd informed while the hub runs: the rates in the line of `systemctl status`, and the
 * watchdog.
 *
 * The watchdog is fed only while the receiver and the writers turn (`shared/liveness.ts`). When one
 * of them does not, or this thread itself hangs, systemd kills the hub and starts it again; nothing
 * that was answered `OK` is lost by that.
 *
 * @module
 */

import type { Hub } from "../hub.ts";
import { WATCHDOG_FEEDS } from "../limits.ts";
import type { Log } from "../log/log.ts";
import type { ServiceManager } from "../os/sd-notify.ts";

/** How often the line is made anew, in milliseconds. */
const STATUS_MS = 5000;

/**
 * How often today's images are looked at for that line, in milliseconds: where none has come yet,
 * they are counted in their folder.
 */
const CAP_MS = 60_000;

/** What is reported of a hub. */
type Reported = Pick<Hub, "totals" | "liveness" | "capReached">;

/** Reports from `start` until `stopping`. */
export class ServiceReporter implements Disposable {
  private isServing = false;
  private readonly timers: Timer[] = [];
  private lastTotals: Record<string, number> = {};
  private lastMs = performance.now();
  private lastStatus = "";
  /** What is said where no image is kept any more today. */
  private cap: string | undefined;
  /** What the threads were asked last. */
  private question = 0;
  /** Which threads did not turn when that was looked at last. */
  private silent = "";

  constructor(
    private readonly manager: ServiceManager,
    private readonly hub: Reported,
    private readonly log: Log,
  ) {}

  /** The hub serves from now on. */
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
   * Has settings read again, which `systemctl reload` waits for. A hub that starts or stops is not
   * called ready by that.
   */
  reload(action: () => void): void {
    if (this.isServing) this.manager.reloading();
    action();
    if (this.isServing) this.manager.ready();
  }

  /** The hub stops. @param boundMs how long that takes at most */
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

  /** What has changed is in the line at once. */
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
      this.log.error(`Does not turn, so the watchdog is not fed: ${silent}`);
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
