/**
 * The unit file of systemd: the one in `deploy`, with the places of this machine in it.
 *
 * There is no second text of it, so what a site installs with its own tools and what `imagehub
 * service install` writes never differ in anything but these places.
 *
 * @module
 */

import template from "../../deploy/imagehub.service" with { type: "text" };

/** The unit's name. */
export const UNIT = "imagehub.service";

/** Where units of the machine's own are. */
export const UNIT_FILE = `/etc/systemd/system/${UNIT}`;

/** How the text begins, in every version of it. */
const MARK = "# imagehub as a service of systemd";

/** What a unit says about the machine. All paths are absolute. */
export interface Places {
  readonly user: string;
  readonly group: string;
  readonly executable: string;
  /** The settings file, and its directory. */
  readonly config: string;
  readonly configDirectory: string;
  readonly dataDirectory: string;
  /** Where the data really is, with all symbolic links followed. */
  readonly realDataDirectory: string;
  /** Where the disk with the data is mounted; undefined where it is the one with the system. */
  readonly mountPoint: string | undefined;
}

/** The text of the unit. */
export function formatUnit(places: Places): string {
  const { user, group, executable, config, configDirectory, dataDirectory, mountPoint } = places;
  const programDirectory = executable.replace(/\/[^/]*$/, "") || "/";
  const folders = [configDirectory, programDirectory, dataDirectory, places.realDataDirectory];
  const mount = mountPoint === undefined ? [] : [mountUnit(mountPoint)];
  const command = quotedCommand(executable);
  const lines: Readonly<Record<string, string>> = {
    "After=": ["network.target", ...mount].join(" "),
    "RequiresMountsFor=": [...new Set(folders)].map(quoted).join(" "),
    "BindsTo=": mount.join(" "),
    "User=": user,
    "Group=": group,
    "WorkingDirectory=": configDirectory.replaceAll("%", "%%"),
    "ExecStart=": `${command} run --config ${quotedCommand(config)}`,
    // There is a second one, which sends the signal.
    "ExecReload=/opt/": `${command} check --quiet --config ${quotedCommand(config)}`,
    // A folder that is not there must not keep the hub from starting and saying so.
    "ReadWritePaths=": quoted(`-${dataDirectory}`),
    "WantedBy=": ["multi-user.target", ...mount].join(" "),
  };
  return Object.entries(lines).reduce((text, [start, value]) => {
    const line = new RegExp(`^${start}.*$`, "gm");
    if (text.match(line)?.length !== 1) throw new Error(`The unit has not one line ${start}`);
    return text.replace(line, () => `${start.replace(/=.*/, "=")}${value}`);
  }, template);
}

/** Whether a unit file is one of {@link formatUnit}, of whatever version. */
export function isOwnUnit(text: string): boolean {
  return text.startsWith(MARK);
}

/**
 * The places in a unit that {@link formatUnit} made; `mount` is the unit of the mount that it is
 * bound to, empty without one.
 */
export function placesIn(unit: string): Omit<
  Places,
  "configDirectory" | "realDataDirectory" | "mountPoint"
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
    dataDirectory: unquoted(find(/^ReadWritePaths=(.*)$/m)).replace(/^-/, ""),
    mount: find(/^BindsTo=(.*)$/m),
  };
}

/**
 * The name of the unit of a mount point, as systemd-escape(1) makes it.
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
 * A path as one word of a list: in quotes where it has to be, and its % for itself
 * (systemd.unit(5), "Specifiers").
 */
function quoted(path: string): string {
  const text = path.replaceAll("%", "%%");
  return /[\s"'\\;]/.test(text) ? `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"` : text;
}

/** The same in a command line, where a $ would be a variable. */
function quotedCommand(path: string): string {
  return quoted(path.replaceAll("$", () => "$$"));
}

function unquoted(text: string): string {
  const bare = text.startsWith('"') ? text.slice(1, -1).replaceAll(/\\(.)/g, "$1") : text;
  return bare.replaceAll("%%", "%");
}
