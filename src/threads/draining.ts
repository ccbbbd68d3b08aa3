/**
 * Takes the hub out of service and brings it back: first `/healthz` says so, then cameras are let
 * go.
 *
 * @module
 */

import { DRAIN_NOTICE_MS } from "../http/drain.ts";
import type { Overview } from "../http/overview.ts";
import type { Log } from "../log/log.ts";
import type { Supervisor } from "./supervisor.ts";

/** Whether one hub drains. It lives in the main thread, and is in service after each start. */
export class Draining {
  private notice: Timer | undefined;

  constructor(
    private readonly overview: Overview,
    private readonly supervisor: Pick<Supervisor, "letGo">,
    private readonly log: Log,
  ) {}

  /** Drains, or ends that. */
  set(isWanted: boolean): void {
    const { overview, supervisor, log } = this;
    if (isWanted === (overview.drainingSinceMs !== undefined)) return;
    this.close();
    if (isWanted) {
      overview.drainingSinceMs = Date.now();
      this.notice = setTimeout(() => supervisor.letGo(true), DRAIN_NOTICE_MS);
      log.info(
        `Draining: /healthz says so from now on, and in ${DRAIN_NOTICE_MS / 1000} s each camera is let go with its next reply`,
      );
    } else {
      overview.drainingSinceMs = undefined;
      supervisor.letGo(false);
      log.info("In service again, after draining");
    }
  }

  close(): void {
    clearTimeout(this.notice);
  }
}
