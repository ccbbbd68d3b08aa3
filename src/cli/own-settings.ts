/**
 * The settings of the hub whose data a command works on.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { findRunningService } from "../service/running.ts";
import { loadFor, type SettingsOptions } from "./check.ts";

/** Those of the service that runs here, unless others are asked for. @throws {FatalError} */
export function settingsFor(options: SettingsOptions): Settings {
  const isDefault = [options.path, options.config, options.data].every(
    (option) => option === undefined,
  );
  const service = isDefault ? findRunningService() : undefined;
  return service?.problem === undefined && service !== undefined
    ? service.settings
    : loadFor(options).settings;
}
