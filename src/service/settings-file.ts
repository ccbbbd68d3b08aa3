/**
 * The settings that the service will run with: those that are there, or a first file for them.
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
  /** Those in the file; undefined where that is still to be written, with defaults. */
  readonly settings: Settings | undefined;
  /** What is to be written; undefined where there is a file, which is never touched. */
  readonly newText: string | undefined;
}

/**
 * @param data where the data is to be kept, as it was asked for
 * @param fallback where a new file has it kept when nothing was asked for; default `imagehub_data`
 * beside the file
 * @throws {FatalError} where the file is wrong, or says otherwise
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
  // Not the environment of whoever installs it: the service has another.
  const { settings } = loadSettings({ config, env: { HOME: account.home } });
  if (wanted !== undefined && wanted !== settings.data_directory) {
    throw new FatalError(
      EXIT.usage,
      `${config} sets data_directory to ${settings.data_directory}, not ${wanted}: ` +
        "change it there, or leave --data out",
    );
  }
  return { dataDirectory: settings.data_directory, settings, newText: undefined };
}
