/**
 * `imagehub check`: are the settings right, and which are in force?
 *
 * @module
 */

import { type LoadedSettings, loadSettings } from "../config/load.ts";
import { formatSettings } from "../config/print.ts";
import { EXIT, type ExitStatus } from "../errors.ts";

/** What `--path` and the other options of the settings give. */
export interface SettingsOptions {
  readonly path?: string;
  readonly config?: string;
  readonly port?: string;
  readonly data?: string;
}

/** What `check` was asked for. */
export interface CheckOptions extends SettingsOptions {
  /** Whether settings that are right are nothing to speak of. */
  readonly quiet?: boolean;
}

/** Prints the settings in force, as YAML. @throws {FatalError} where they are wrong */
export function check(options: CheckOptions): ExitStatus {
  const loaded = loadFor(options);
  if (options.quiet === true) return EXIT.ok;
  for (const note of loaded.notes) process.stderr.write(`${note}\n`);
  const where = loaded.file ?? `no file at ${loaded.place}, built-in defaults`;
  process.stdout.write(`# Settings: ${where}\n${formatSettings(loaded)}`);
  return EXIT.ok;
}

/** Loads the settings as the options of the command line say. @throws {FatalError} */
export function loadFor({ path, config, port, data }: SettingsOptions): LoadedSettings {
  return loadSettings({
    path,
    config,
    env: process.env,
    overrides: { port, data_directory: data },
  });
}
