/**
 * The systemd unit file: the one in `deploy`, with the paths and user of this machine.
 *
 * There is only one text. What a site installs with its own tools and what `imagehub service
 * install` writes differ only in these values.
 *
 * @module
 */

import template from "../../deploy/imagehub.service" with { type: "text" };

/** The unit's name. */
export const UNIT = "imagehub.service";

/** The path of the unit, where local units are. */
export const UNIT_FILE = `/etc/systemd/system/${UNIT}`;

/** The beginning of the text, in every version of it. */
const MARK = "# imagehub as a service of systemd";

/** The values of this machine in a unit. All paths are absolute. */
export interface Places {
  readonly user: string;
  readonly group: string;
  readonly executable: string;
  /** The settings file, and its directory. */
  readonly config: string;
  readonly configDirectory: string;
  readonly dataDirectory: string;
  /** The data directory with all symbolic links resolved. */
  readonly realDataDirectory: string;
  /** The mount point of the disk with the data; undefined if it is the system disk. */
  readonly mountPoint: string | undefined;
  /** What else the hub must be able to write, for the archive: its mount point, or its folder. */
  readonly archivePlace: string | undefined;
}

/** The text of the unit. */
export function formatUnit(places: Places): string {
  const { user, group, executable, config, configDirectory, dataDirectory, mountPoint } = places;
  const programDirectory = executable.replace(/\/[^/]*$/, "") || "/";
  const folders = [configDirectory, programDirectory, dataDirectory, places.realDataDirectory];
  const mount = mountPoint === undefined ? [] : [mountUnit(mountPoint)];
  const writable = [dataDirectory, places.archivePlace].filter((path) => path !== undefined);
  const command = quotedCommand(executable);
  const lines: Readonly<Record<string, string>> = {
    "After=": ["network.target", ...mount].join(" "),
    "RequiresMountsFor=": [...new Set(folders)].map(quoted).join(" "),
    "BindsTo=": mount.join(" "),
    "User=": user,
    "Group=": group,
    "WorkingDirectory=": configDirectory.replaceAll("%", "%%"),
    "ExecStart=": `${command} run --config ${quotedCommand(config)}`,
    // Another ExecReload line sends the signal.
    "ExecReload=/opt/": `${command} check --quiet --config ${quotedCommand(config)}`,
    // With -, a missing folder does not keep the hub from starting and reporting it.
    "ReadWritePaths=": writable.map((path) => quoted(`-${path}`)).join(" "),
    "WantedBy=": ["multi-user.target", ...mount].join(" "),
  };
  return Object.entries(lines).reduce((text, [start, value]) => {
    const line = new RegExp(`^${start}.*$`, "gm");
    if (text.match(line)?.length !== 1)
      throw new Error(`The unit must have exactly one line ${start}`);
    return text.replace(line, () => `${start.replace(/=.*/, "=")}${value}`);
  }, template);
}

/** Whether {@link formatUnit} of any version made this unit file. */
export function isOwnUnit(text: string): boolean {
  return text.startsWith(MARK);
}

/** The data directory, a word as {@link quoted} makes it. The place of the archive may follow. */
const WRITABLE = /^ReadWritePaths=("(?:[^"\\]|\\.)*"|\S*)/m;

/**
 * The values in a unit that {@link formatUnit} of any version made. `mount` is the mount unit that
 * it is bound to, or empty.
 */
export function placesIn(unit: string): Omit<
  Places,
  "configDirectory" | "realDataDirectory" | "mountPoint" | "archivePlace"
> & {
  readonly mount: string;
} {
  const find = (line: RegExp): string => line.exec(unit)?.[1] ?? "";
  const command = (line: RegExp): string => unquoted(find(line)).replaceAll("$$", "$");
  return {
    user: find(/^User=(.*)$/m),
    group: find(/^Group=(.*)$/m),
    executable: command(/^ExecStart=(.*) run --config /m),
    config: command(/^ExecStart=.* --config (.*)$/m),
    dataDirectory: unquoted(find(WRITABLE)).replace(/^-/, ""),
    mount: find(/^BindsTo=(.*)$/m),
  };
}

/**
 * The unit name of a mount point, as systemd-escape(1) makes it.
 *
 * @param path absolute, e.g. `/home/ops/my-disk`
 * @returns e.g. `home-ops-my\x2ddisk.mount`
 */
export function mountUnit(path: string): string {
  const escaped = [...Buffer.from(path.replaceAll(/^\/+|\/+$/g, ""))].map((byte, index) => {
    const char = String.fromCodePoint(byte);
    if (char === "/") return "-";
    if (/[\w:]/.test(char) || (char === "." && index > 0)) return char;
    return `\\x${byte.toString(16).padStart(2, "0")}`;
  });
  return `${escaped.join("")}.mount`;
}

/**
 * A path as one word of a list: quoted if necessary, with % doubled (systemd.unit(5),
 * "Specifiers").
 */
function quoted(path: string): string {
  const text = path.replaceAll("%", "%%");
  return /[\s"'\\;]/.test(text) ? `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"` : text;
}

/** The same for a command line, where $ must be doubled too. */
function quotedCommand(path: string): string {
  return quoted(path.replaceAll("$", () => "$$"));
}

function unquoted(text: string): string {
  const bare = text.startsWith('"') ? text.slice(1, -1).replaceAll(/\\(.)/g, "$1") : text;
  return bare.replaceAll("%%", "%");
}
