/**
 * The settings of the service: an existing file, or a first one.
 *
 * @module
 */

import { existsSync } from "node:fs";
import path from "node:path";
import example from "../../imagehub.yaml" with { type: "text" };
import { getAt } from "../config/layer.ts";
import { loadSettings } from "../config/load.ts";
import { inline } from "../config/print.ts";
import { bytesIn, perCentIn, type Quantity } from "../config/quantity.ts";
import { type Settings, SETTINGS } from "../config/schema.ts";
import { EXIT, FatalError } from "../errors.ts";
import { isLoopback, parseListen } from "../net/listen-address.ts";
import type { Account } from "./account.ts";

/** `http.token_file` of a new settings file, which is beside it. */
const TOKEN_FILE = "imagehub.token";

/** Settings for the service. */
export interface ServiceSettings {
  readonly dataDirectory: string;
  /** The settings in the file; undefined if it must still be written, with defaults. */
  readonly settings: Settings | undefined;
  /** The text to write; undefined if there is a file, which is never changed. */
  readonly newText: string | undefined;
  /** Whether some rule of them deletes images. */
  readonly deletesImages: boolean;
  /** The file that must hold a token; undefined if none is asked for. */
  readonly tokenFile: string | undefined;
}

/** Settings of a new file as the command line gives them. */
export interface FirstSettings {
  readonly httpListen?: string | undefined;
  readonly minFree?: string | undefined;
  readonly keepDays?: string | undefined;
}

/**
 * Finds the settings of the service.
 *
 * @param data the data directory from the command line, if any
 * @param fallback the data directory for a new file otherwise; default: `imagehub_data` beside it
 * @param options settings for a new file
 * @throws {FatalError} if the file is wrong, or has something else than the command line
 */
export function settingsFor(
  config: string,
  account: Account,
  data: string | undefined,
  fallback = path.join(path.dirname(config), "imagehub_data"),
  options: FirstSettings = {},
): ServiceSettings {
  const wanted = data === undefined ? undefined : path.resolve(data);
  if (wanted !== undefined && /\p{Cc}/u.test(wanted)) {
    throw new FatalError(EXIT.usage, "--data must be a path without control characters");
  }
  const first = firstIn(options);
  if (!existsSync(config)) {
    const dataDirectory = wanted ?? fallback;
    const text = withValue(example, "  data_directory", dataDirectory);
    const given = first.map(({ name, value }) => [name, value] as const);
    const values = needsToken(options)
      ? [...given, ["http.token_file", TOKEN_FILE] as const]
      : given;
    const newText = values.reduce(
      (all, [name, value]) => withValue(all, `    ${name.split(".")[1]}`, value),
      text,
    );
    const deletesImages = first.some(
      ({ name, value }) => name.startsWith("keep.") && !isZero(value),
    );
    const tokenFile = needsToken(options) ? path.resolve(config, "..", TOKEN_FILE) : undefined;
    return { dataDirectory, settings: undefined, newText, deletesImages, tokenFile };
  }
  // Not the installer's environment: the service has another.
  const { settings } = loadSettings({ config, env: { HOME: account.home } });
  const refuse = (what: string, is: string, not: string, option: string, also = ""): never => {
    throw new FatalError(
      EXIT.usage,
      `${config} sets ${what} to ${is}, not ${not}: change it there${also}, or leave out ${option}`,
    );
  };
  if (wanted !== undefined && wanted !== settings.data_directory)
    refuse("data_directory", settings.data_directory, wanted, "--data");
  for (const { option, name, value } of first) {
    const is = getAt(settings, name.split(".")) as Quantity;
    const also =
      name === "http.listen" && needsToken(options) && settings.http.token_file === ""
        ? ` and set http.token_file to ${TOKEN_FILE}`
        : "";
    if (spaceless(is) !== spaceless(value)) refuse(name, String(is), String(value), option, also);
  }
  const { token_file: tokenFile } = settings.http;
  return {
    dataDirectory: settings.data_directory,
    settings,
    newText: undefined,
    deletesImages: hasRule(settings),
    tokenFile: options.httpListen !== undefined && tokenFile !== "" ? tokenFile : undefined,
  };
}

/** The settings on the command line. @throws {FatalError} if a value is wrong */
function firstIn({ minFree, keepDays, httpListen }: FirstSettings) {
  const given = [
    { option: "--min-free", name: "keep.min_free", value: minFree },
    { option: "--keep-days", name: "keep.days", value: numberIn(keepDays) },
    { option: "--http-listen", name: "http.listen", value: httpListen },
  ] as const;
  return given.flatMap(({ option, name, value }) => {
    if (value === undefined) return [];
    const { type, rule } = SETTINGS.find((setting) => setting.name === name)!;
    if (!type.safeParse(value).success)
      throw new FatalError(EXIT.usage, `${option} must be ${rule}`);
    return [{ option, name, value }];
  });
}

/** Whether other machines can reach the page, which then asks for a token. */
function needsToken({ httpListen }: FirstSettings): boolean {
  const address = parseListen(httpListen ?? "");
  return address !== undefined && !isLoopback(address);
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
