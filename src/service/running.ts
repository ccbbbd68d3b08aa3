/**
 * The settings of the service that runs on this machine. It may belong to another user, with
 * another home.
 *
 * @module
 */

import { existsSync, readFileSync } from "node:fs";
import { loadSettings } from "../config/load.ts";
import { defaultSettings, type Settings, VARIABLE_PREFIX } from "../config/schema.ts";
import { FatalError } from "../errors.ts";
import { findAccount } from "./account.ts";
import { hasSystemd, readServiceState } from "./systemd-state.ts";
import { isOwnUnit, placesIn, UNIT_FILE } from "./unit.ts";

/** The running service. */
export interface RunningService {
  /** Its settings file. */
  readonly config: string;
  /** The settings in that file; the defaults if it cannot be read. */
  readonly settings: Settings;
  /** Why it cannot be read. */
  readonly problem?: string;
}

/**
 * @returns undefined if no service runs here that was installed by `imagehub service install` or
 * the Ansible role
 */
export function findRunningService(): RunningService | undefined {
  if (!hasSystemd() || !existsSync(UNIT_FILE)) return undefined;
  const unit = readFileSync(UNIT_FILE, "utf8");
  if (!isOwnUnit(unit)) return undefined;
  const { ActiveState: state, Environment: environment } = readServiceState();
  if (state === "inactive" || state === "failed") return undefined;
  const { config, user } = placesIn(unit);
  try {
    const { home: HOME } = findAccount(user, {}, process.execPath);
    return {
      config,
      settings: loadSettings({ config, env: { ...variablesIn(environment), HOME } }).settings,
    };
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    return { config, settings: defaultSettings(), problem: error.message };
  }
}

/**
 * The hub's own variables in a list from systemd, such as `A=b "IMAGEHUB_ALLOW=10.0.0.7,
 * 10.0.0.8"`.
 */
export function variablesIn(environment: string): Record<string, string> {
  const words = [...environment.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll(/\\(.)/g, "$1") ?? plain ?? "",
  );
  const pairs = words.map((word) => [
    word.slice(0, word.indexOf("=")),
    word.slice(word.indexOf("=") + 1),
  ]);
  return Object.fromEntries(pairs.filter(([name]) => name?.startsWith(VARIABLE_PREFIX)));
}
