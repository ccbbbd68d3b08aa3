/**
 * The settings of the service: an existing file, or a first one.
 *
 * @module
 */

import { existsSync } from "node:fs";
import path from "node:path";
import example from "../../imagehub.yaml" with { type: "text" };
import { loadSettings } from "../config/load.ts";
import { inline } from "../config/print.ts";
import type { Settings } from "../config/schema.ts";
import { EXIT, FatalError } from "../errors.ts";
import type { Account } from "./account.ts";

/** Settings for the service. */
export interface ServiceSettings {
  readonly dataDirectory: string;
  /** The settings in the file; undefined if it must still be written, with defaults. */
  readonly settings: Settings | undefined;
  /** The text to write; undefined if there is a file, which is never changed. */
  readonly newText: string | undefined;
}

/**
 * Finds the settings of the service.
 *
 * @param data the data directory from the command line, if any
 * @param fallback the data directory for a new file otherwise; default: `imagehub_data` beside it
 * @throws {FatalError} if the file is wrong, or has another data directory
 */
export function settingsFor(
  config: string,
  account: Account,
  data: string | undefined,
  fallback = path.join(path.dirname(config), "imagehub_data"),
): ServiceSettings {
  const wanted = data === undefined ? undefined : path.resolve(data);
  if (wanted !== undefined && /\p{Cc}/u.test(wanted)) {
    throw new FatalError(EXIT.usage, "--data must be a path without control characters");
  }
  if (!existsSync(config)) {
    const dataDirectory = wanted ?? fallback;
    const line = /^ {2}data_directory: .*$/m;
    const newText = example.replace(line, () => `  data_directory: ${inline(dataDirectory)}`);
    return { dataDirectory, settings: undefined, newText };
  }
  // Not the installer's environment: the service has another.
  const { settings } = loadSettings({ config, env: { HOME: account.home } });
  if (wanted !== undefined && wanted !== settings.data_directory) {
    throw new FatalError(
      EXIT.usage,
      `${config} sets data_directory to ${settings.data_directory}, not ${wanted}: ` +
        "change it there, or leave out --data",
    );
  }
  return { dataDirectory: settings.data_directory, settings, newText: undefined };
}
