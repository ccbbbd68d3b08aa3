/**
 * `imagehub check`: checks the settings and prints those in force.
 *
 * @module
 */

import { type LoadedSettings, loadSettings } from "../config/load.ts";
import { formatSettings } from "../config/print.ts";
import { EXIT, type ExitStatus } from "../errors.ts";

/** The options that choose or change settings. */
export interface SettingsOptions {
  readonly path?: string;
  readonly config?: string;
  readonly port?: string;
  readonly data?: string;
}

/** The options of `check`. */
export interface CheckOptions extends SettingsOptions {
  /** Whether to print nothing if the settings are valid. */
  readonly quiet?: boolean;
}

/** Prints the settings in force, as YAML. @throws {FatalError} if they are wrong */
export function check(options: CheckOptions): ExitStatus {
  const loaded = loadFor(options);
  if (options.quiet === true) return EXIT.ok;
  for (const note of loaded.notes) process.stderr.write(`${note}\n`);
  const where = loaded.file ?? `no file at ${loaded.place}, built-in defaults`;
  process.stdout.write(`# Settings: ${where}\n${formatSettings(loaded)}`);
  return EXIT.ok;
}

/** Loads the settings that the command line asks for. @throws {FatalError} if they are wrong */
export function loadFor({ path, config, port, data }: SettingsOptions): LoadedSettings {
  return loadSettings({
    path,
    config,
    env: process.env,
    overrides: { port, data_directory: data },
  });
}
