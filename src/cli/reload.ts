/**
 * Handles SIGHUP: reads the settings again, applies what a running hub can apply, and logs what
 * needs a restart.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { getAt } from "../config/layer.ts";
import type { LoadedSettings } from "../config/load.ts";
import { SETTINGS } from "../config/schema.ts";
import { FatalError } from "../errors.ts";
import type { Hub } from "../hub.ts";
import type { Log } from "../log/log.ts";
import type { LogLevel } from "../log/format.ts";

const isTalkative = (level: LogLevel): boolean => level === "info" || level === "debug";

/** Rereads the settings of a running hub. Wrong settings change nothing. */
export class Reloader {
  private logLevel: LogLevel;

  /**
   * @param started the settings that the hub started with
   * @param load loads them again in the same way. @throws {FatalError} if they are wrong
   */
  constructor(
    private readonly started: LoadedSettings,
    private readonly load: () => LoadedSettings,
    private readonly hub: Pick<Hub, "reload" | "showDebug">,
    private readonly log: Log,
  ) {
    this.logLevel = started.settings.log_level;
  }

  /** Reads the settings file and the clients' keys again. */
  reload(): void {
    try {
      this.apply(this.load());
    } catch (error) {
      if (!(error instanceof FatalError)) throw error;
      for (const line of error.message.split("\n")) this.log.error(line);
      this.log.error(
        "The new settings are wrong, so the old ones stay in force. Correct them, then reload again",
      );
    }
    this.hub.reload();
  }

  private apply({ settings, place, notes }: LoadedSettings): void {
    const { hub, log } = this;
    const changed = SETTINGS.filter(
      ({ path }) => !isDeepStrictEqual(getAt(settings, path), getAt(this.started.settings, path)),
    ).map(({ name }) => name);
    const pending = changed.filter((name) => name !== "log_level");
    const { log_level: level } = settings;
    // The line must appear whether the level goes up or down, so log it at the more talkative one.
    if (isTalkative(level)) log.setLevel(level);
    log.info(
      `Read the settings again: ${place}`,
      level === this.logLevel ? {} : { log_level: level },
    );
    for (const note of notes) log.warn(note);
    log.setLevel(level);
    hub.showDebug(level === "debug");
    this.logLevel = level;
    if (pending.length > 0) log.warn(`Changed settings that need a restart: ${pending.join(", ")}`);
  }
}
