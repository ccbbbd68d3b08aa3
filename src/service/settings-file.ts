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
import { bytesIn, perCentIn, type Quantity } from "../config/quantity.ts";
import { type Settings, SETTINGS } from "../config/schema.ts";
import { EXIT, FatalError } from "../errors.ts";
import type { Account } from "./account.ts";

/** Settings for the service. */
export interface ServiceSettings {
  readonly dataDirectory: string;
  /** The settings in the file; undefined if it must still be written, with defaults. */
  readonly settings: Settings | undefined;
  /** The text to write; undefined if there is a file, which is never changed. */
  readonly newText: string | undefined;
  /** Whether some rule of them deletes images. */
  readonly deletesImages: boolean;
}

/** Rules of `keep` as the command line gives them. */
export interface KeepOptions {
  readonly minFree?: string | undefined;
  readonly keepDays?: string | undefined;
}

/**
 * Finds the settings of the service.
 *
 * @param data the data directory from the command line, if any
 * @param fallback the data directory for a new file otherwise; default: `imagehub_data` beside it
 * @param options rules for a new file
 * @throws {FatalError} if the file is wrong, or has something else than the command line
 */
export function settingsFor(
  config: string,
  account: Account,
  data: string | undefined,
  fallback = path.join(path.dirname(config), "imagehub_data"),
  options: KeepOptions = {},
): ServiceSettings {
  const wanted = data === undefined ? undefined : path.resolve(data);
  if (wanted !== undefined && /\p{Cc}/u.test(wanted)) {
    throw new FatalError(EXIT.usage, "--data must be a path without control characters");
  }
  const rules = rulesIn(options);
  if (!existsSync(config)) {
    const dataDirectory = wanted ?? fallback;
    const text = withValue(example, "  data_directory", dataDirectory);
    const newText = rules.reduce(
      (all, { key, value }) => withValue(all, `    ${key}`, value),
      text,
    );
    const deletesImages = rules.some(({ value }) => !isZero(value));
    return { dataDirectory, settings: undefined, newText, deletesImages };
  }
  // Not the installer's environment: the service has another.
  const { settings } = loadSettings({ config, env: { HOME: account.home } });
  const refuse = (what: string, is: string, not: string, option: string): never => {
    throw new FatalError(
      EXIT.usage,
      `${config} sets ${what} to ${is}, not ${not}: change it there, or leave out ${option}`,
    );
  };
  if (wanted !== undefined && wanted !== settings.data_directory)
    refuse("data_directory", settings.data_directory, wanted, "--data");
  for (const { option, key, value } of rules) {
    const is = settings.keep[key];
    if (spaceless(is) !== spaceless(value))
      refuse(`keep.${key}`, String(is), String(value), option);
  }
  return {
    dataDirectory: settings.data_directory,
    settings,
    newText: undefined,
    deletesImages: hasRule(settings),
  };
}

/** The rules on the command line. @throws {FatalError} if a value is wrong */
function rulesIn({ minFree, keepDays }: KeepOptions) {
  const rules = [
    { option: "--min-free", key: "min_free", value: minFree },
    { option: "--keep-days", key: "days", value: numberIn(keepDays) },
  ] as const;
  return rules.flatMap(({ option, key, value }) => {
    if (value === undefined) return [];
    const { type, rule } = SETTINGS.find(({ name }) => name === `keep.${key}`)!;
    if (!type.safeParse(value).success)
      throw new FatalError(EXIT.usage, `${option} must be ${rule}`);
    return [{ option, key, value }];
  });
}

/** A whole number; any other text stays what it is, and is refused. */
function numberIn(text: string | undefined): Quantity | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}

/** The text of the example with another value. @param key with its indentation */
function withValue(text: string, key: string, value: unknown): string {
  return text.replace(new RegExp(`^${key}: .*$`, "m"), () => `${key}: ${inline(value)}`);
}

/** Whether some rule of these settings deletes images. */
function hasRule({ keep }: Settings): boolean {
  const { days, max_bytes, min_free, cameras } = keep;
  return days > 0 || !isZero(max_bytes) || !isZero(min_free) || cameras.length > 0;
}

function isZero(value: Quantity): boolean {
  return (perCentIn(value) ?? bytesIn(value)) === 0;
}

function spaceless(value: Quantity): string {
  return String(value).replaceAll(" ", "");
}
