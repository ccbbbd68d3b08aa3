/**
 * Loads the settings: defaults, then the file, then the environment, then the command line. A later
 * layer wins. Each layer is checked on its own, so a wrong value is reported even if another layer
 * overrides it. All problems are reported at once.
 *
 * @module
 */

import { statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { EXIT, FatalError } from "../errors.ts";
import { isLoopback, parseListen } from "../net/listen-address.ts";
import { readFileLayer, readText } from "./file.ts";
import {
  HIDDEN,
  type Layer,
  type Origin,
  type Source,
  errorReason,
  getAt,
  guess,
  isGroup,
  setAt,
  wrongValue,
} from "./layer.ts";
import { nearest } from "./nearest.ts";
import {
  SETTINGS,
  VARIABLE_PREFIX,
  type Setting,
  type Settings,
  defaultSettings,
} from "./schema.ts";
import { replicateProblem } from "./replicate.ts";
import { mayBeSecret } from "./secrets.ts";
import { parseScalar, shownString, shownText } from "./yaml.ts";

/** Name of the settings file, in the home directory or the directory given with `--path`. */
const SETTINGS_FILE = "imagehub.yaml";

/** Variables that start with {@link VARIABLE_PREFIX} but are not settings. */
const VARIABLES_ALLOWED: ReadonlySet<string> = new Set<string>();

/** Values from the command line, as typed or already converted. `undefined` sets nothing. */
type Overrides = { readonly [Key in keyof Settings]?: Settings[Key] | string | undefined };

/** Where to load settings from. */
export interface LoadRequest {
  /** Directory of imagehub.yaml. The file may be missing. Default: the home directory. */
  readonly path?: string | undefined;
  /** A settings file, which must exist. Not together with `path`. */
  readonly config?: string | undefined;
  /** The environment; `HOME` is the home directory. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Values from the command line. */
  readonly overrides?: Overrides;
  /** Base directory for relative paths from the command line. Default: the current one. */
  readonly cwd?: string;
}

/** Checked settings and their origins. */
export interface LoadedSettings {
  readonly settings: Settings;
  /** The settings if nothing set them. */
  readonly defaults: Settings;
  /** Absolute path of the file that was read; `undefined` if there is none at `place`. */
  readonly file: string | undefined;
  /** Absolute path where the file was looked for. */
  readonly place: string;
  /** The origin of each value, by the name of the setting. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** Worth knowing about the file, but not mistakes; one line each. */
  readonly notes: readonly string[];
}

/** Checks a value that may still be text, as typed. */
function readValue(
  setting: Setting,
  given: unknown,
  name: string,
): { value?: unknown; problem?: string } {
  const asGiven = setting.type.safeParse(given);
  if (asGiven.success) return { value: asGiven.data };
  const scalar = typeof given === "string" ? parseScalar(given) : given;
  const asScalar = setting.type.safeParse(scalar);
  if (asScalar.success) return { value: asScalar.data };
  if (mayBeSecret(setting)) return { problem: wrongValue(name, HIDDEN, setting.rule) };
  const shown = typeof scalar === "string" ? shownString(scalar) : shownText(String(given));
  return { problem: wrongValue(name, shown, setting.rule) };
}

function readTypedLayer(
  source: Source,
  given: readonly (readonly [Setting, string, unknown])[],
): Layer {
  const values = new Map<Setting, { value: unknown; origin: Origin }>();
  const problems: string[] = [];
  for (const [setting, name, raw] of given) {
    const { value, problem } = readValue(setting, raw, name);
    if (problem === undefined) values.set(setting, { value, origin: { source, detail: name } });
    else problems.push(problem);
  }
  return { values, problems };
}

/** An empty variable counts as not set, because unit files and shells unset variables that way. */
function readEnvironment(env: LoadRequest["env"]): Layer {
  const byVariable = new Map(SETTINGS.map((setting) => [setting.variable, setting]));
  const given: [Setting, string, unknown][] = [];
  const unknown: string[] = [];
  for (const [name, value] of Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (!name.startsWith(VARIABLE_PREFIX) || !value || VARIABLES_ALLOWED.has(name)) continue;
    const setting = byVariable.get(name);
    if (setting) {
      given.push([setting, name, value]);
      continue;
    }
    // Compare without the prefix: it would make unrelated names look alike.
    const tails = [...byVariable.keys()].map((variable) => variable.slice(VARIABLE_PREFIX.length));
    const tail = nearest(name.slice(VARIABLE_PREFIX.length), tails);
    // Ignore names that are nothing like a setting: service managers set variables of their own.
    if (tail !== undefined)
      unknown.push(`${shownText(name)} is not a setting${guess(VARIABLE_PREFIX + tail)}`);
  }
  const layer = readTypedLayer("environment", given);
  return { values: layer.values, problems: [...unknown, ...layer.problems] };
}

function readCommandLine(overrides: Overrides): Layer {
  const given = SETTINGS.map(
    (setting) => [setting, setting.option, getAt(overrides, setting.path)] as const,
  );
  return readTypedLayer(
    "command line",
    given.filter(([, , value]) => value !== undefined),
  );
}

function findPlace(
  request: LoadRequest,
  home: string,
  cwd: string,
): { place: string; problem?: string } {
  const { config, path: directory } = request;
  if (config !== undefined) {
    const place = path.resolve(cwd, config);
    return directory === undefined
      ? { place }
      : { place, problem: "Give --config or --path, not both" };
  }
  if (directory === undefined) return { place: path.resolve(cwd, home, SETTINGS_FILE) };
  const place = path.resolve(cwd, directory, SETTINGS_FILE);
  try {
    // A mistyped directory must not silently get default settings and its own data directory.
    if (statSync(path.dirname(place)).isDirectory()) return { place };
    return { place, problem: `--path is ${shownString(directory)}, must be a directory` };
  } catch (error) {
    return { place, problem: `Cannot read ${path.dirname(place)}: ${errorReason(error)}` };
  }
}

/** Makes the paths in the groups of a list absolute. */
function resolveEntries(
  list: unknown,
  keys: readonly string[],
  resolve: (text: string) => string,
): unknown {
  if (!Array.isArray(list)) return list;
  return list.map((entry: unknown) => {
    if (!isGroup(entry)) return entry;
    const paths = keys.filter((key) => typeof entry[key] === "string");
    return {
      ...entry,
      ...Object.fromEntries(paths.map((key) => [key, resolve(entry[key] as string)])),
    };
  });
}

function resolvePath(text: string, base: string, home: string): string {
  if (text === "") return "";
  if (text === "~" || text.startsWith("~/")) return path.join(home, text.slice(1));
  return path.resolve(base, text);
}

/**
 * Loads and checks the settings.
 *
 * Relative paths start from the directory of the settings file, even if that file is missing. Those
 * from the command line start from the current directory.
 *
 * @throws {FatalError} with status `EXIT.config` and one line per problem: a named file that is
 * missing, a file that cannot be read or is not YAML, unknown keys and variables, and values that
 * break their rules
 */
export function loadSettings(request: LoadRequest): LoadedSettings {
  const home = request.env["HOME"] || homedir();
  const cwd = request.cwd ?? process.cwd();
  const { place, problem: placeProblem } = findPlace(request, home, cwd);
  const { text, problem: readProblem } =
    placeProblem === undefined ? readText(place, request.config === undefined) : {};

  const layers: Layer[] = [
    {
      values: new Map(),
      problems: [placeProblem, readProblem].filter((problem) => problem !== undefined),
    },
    ...(text === undefined ? [] : [readFileLayer(place, text)]),
    readEnvironment(request.env),
    readCommandLine(request.overrides ?? {}),
  ];
  const problems = layers.flatMap((layer) => layer.problems);
  if (problems.length > 0) throw new FatalError(EXIT.config, problems.join("\n"));

  const settings = defaultSettings();
  const defaults = defaultSettings();
  const origins = new Map<string, Origin>();
  for (const setting of SETTINGS) {
    const found = layers.findLast((layer) => layer.values.has(setting))?.values.get(setting);
    const origin: Origin = found?.origin ?? { source: "default" };
    origins.set(setting.name, origin);
    const value = found ? found.value : getAt(defaults, setting.path);
    const directory = path.dirname(place);
    if (setting.isPath) {
      const base = origin.source === "command line" ? cwd : directory;
      setAt(settings, setting.path, resolvePath(String(value), base, home));
      setAt(
        defaults,
        setting.path,
        resolvePath(String(getAt(defaults, setting.path)), directory, home),
      );
    } else if (setting.pathKeys) {
      const resolve = (each: string): string => resolvePath(each, directory, home);
      setAt(settings, setting.path, resolveEntries(value, setting.pathKeys, resolve));
    } else {
      setAt(settings, setting.path, value);
    }
  }
  checkTogether(settings, origins);
  const problem = replicateProblem(settings);
  if (problem !== undefined) throw new FatalError(EXIT.config, problem);
  const notes = layers.flatMap((layer) => layer.notes ?? []).concat(silenceNotes(settings));
  return {
    settings,
    defaults,
    file: text === undefined ? undefined : place,
    place,
    origins,
    notes,
  };
}

/** What a person may have overlooked who wants to be told of silent nodes. */
function silenceNotes({ webhooks, cameras }: Settings): string[] {
  return cameras.length === 0 && webhooks.some(({ on }) => on.includes("silent"))
    ? ["A webhook wants to know of silent nodes: set cameras, which says after how long"]
    : [];
}

/** Checks rules that involve several settings. @throws {FatalError} if one is broken */
function checkTogether(
  { curve, http, keep, archive, data_directory: data, port, publish, ...rest }: Settings,
  origins: ReadonlyMap<string, Origin>,
): void {
  const { server_key: serverKey, client_keys: clientKeys } = curve;
  const { publish_topics: topics } = rest;
  if ((serverKey === "") !== (clientKeys === "")) {
    throw new FatalError(
      EXIT.config,
      "hub.curve.server_key and hub.curve.client_keys must be set together: one of them is missing",
    );
  }
  if ((http.tls.certificate === "") !== (http.tls.key === "")) {
    throw new FatalError(
      EXIT.config,
      "hub.http.tls.certificate and hub.http.tls.key must be set together: one of them is missing",
    );
  }
  const address = parseListen(http.listen);
  if (address !== undefined && !isLoopback(address) && http.token_file === "") {
    throw new FatalError(
      EXIT.config,
      `hub.http.listen is "${http.listen}", which other machines can reach: set hub.http.token_file too`,
    );
  }
  const limits = [
    { key: "keep.days", name: "days", days: keep.days },
    ...keep.cameras.map(({ match, days }) => ({
      key: "keep.cameras",
      name: `cameras: days of ${match}`,
      days,
    })),
  ];
  for (const { key, name, days = 0 } of limits) {
    if (days === 0 || days >= keep.min_days) continue;
    const { source, detail } = origins.get(key)!;
    throw new FatalError(
      EXIT.config,
      `${source === "file" ? `${detail}: ` : ""}hub.keep.${name} is ${days}, but ` +
        `hub.keep.min_days keeps ${keep.min_days} days: raise days or lower min_days`,
    );
  }
  const ports = [
    ["port", String(port)],
    ["http.listen", portIn(http.listen)],
    ["publish", portIn(publish)],
    ["publish_topics", portIn(topics)],
  ].filter(([, each]) => each !== undefined && each !== "0");
  for (const [at, [name, each]] of ports.entries()) {
    const other = ports.slice(0, at).find(([, before]) => before === each);
    if (other !== undefined)
      throw new FatalError(
        EXIT.config,
        `hub.${name} and hub.${other[0]} have the same port ${each}: give each one of its own`,
      );
  }
  const { directory } = archive;
  if (directory !== "" && (isAtOrBelow(directory, data) || isAtOrBelow(data, directory))) {
    throw new FatalError(
      EXIT.config,
      `hub.archive.directory is ${directory}, which must be apart from the data directory ${data}`,
    );
  }
}

/** The port at the end of an address; undefined if there is none. */
function portIn(address: string): string | undefined {
  return /:(\d+)$/.exec(address)?.[1];
}

function isAtOrBelow(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith("/") ? outer : `${outer}/`);
}
