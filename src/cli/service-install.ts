/**
 * `imagehub service install`: makes the hub a systemd service that starts at boot, for a person
 * with one machine.
 *
 * Run it again to update the service: it rewrites the unit, and restarts the hub only if something
 * changed. User, settings and data stay those of the installed unit, whoever runs it, unless an
 * option says otherwise. It never changes existing settings or data.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import { findAccount } from "../service/account.ts";
import { Machine, runCommand } from "../service/machine.ts";
import { missingMounts, mountPointOf, realPath, writablePlaceFor } from "../service/mount.ts";
import { settingsFor } from "../service/settings-file.ts";
import { hasSystemd, requireSystemd } from "../service/systemd-state.ts";
import { formatUnit, isOwnUnit, mountUnit, placesIn, UNIT, UNIT_FILE } from "../service/unit.ts";
import { ownExecutable, requireRoot } from "./service.ts";
import { type Installation, start } from "./service-start.ts";

/** Length of a token that it makes. */
const TOKEN_BYTES = 32;

/** The options of `service install`. */
export interface InstallOptions {
  readonly user?: string;
  readonly config?: string;
  readonly data?: string;
  readonly minFree?: string;
  readonly keepDays?: string;
  readonly httpListen?: string;
  readonly dryRun?: boolean;
}

/**
 * Installs and starts the service. @throws {FatalError} if that fails, or the hub does not start
 */
export async function install(options: InstallOptions): Promise<ExitStatus> {
  const machine = new Machine(options.dryRun === true);
  const executable = ownExecutable();
  if (!machine.isRehearsal) {
    requireSystemd();
    requireRoot("install");
  }
  const before = existsSync(UNIT_FILE) ? readFileSync(UNIT_FILE, "utf8") : undefined;
  const wanted = wantedPlaces(options, before);
  const found = findAccount(wanted.user, process.env, executable);
  const account = { ...found, group: wanted.group ?? found.group };
  if (wanted.config === undefined && !existsSync(account.home)) {
    throw new FatalError(
      EXIT.usage,
      `${account.name} has no home directory (${account.home} does not exist): give --config, and --data for a new settings file`,
    );
  }
  const config = path.resolve(wanted.config ?? path.join(account.home, "imagehub.yaml"));
  // systemd may not have read recent changes of /etc/fstab.
  if (hasSystemd()) machine.run(["systemctl", "daemon-reload"]);
  mountDisk(machine, config, before);
  const service = settingsFor(config, account, options.data, wanted.data, options);
  const installation: Installation = { executable, account, config, service };
  const archive = service.settings?.archive.directory ?? "";
  for (const place of [executable, config, service.dataDirectory, archive]) requireVisible(place);

  const { dataDirectory, newText, tokenFile } = service;
  mountDisk(machine, dataDirectory, before);
  // A dangling link counts as missing.
  if (!existsSync(dataDirectory)) machine.makeDirectory(realPath(dataDirectory), account);
  if (newText !== undefined) {
    if (!existsSync(path.dirname(config)))
      machine.makeDirectory(realPath(path.dirname(config)), account);
    machine.writeFile(config, newText, account);
  }
  if (tokenFile !== undefined && !existsSync(tokenFile))
    machine.writeSecret(tokenFile, `${randomBytes(TOKEN_BYTES).toString("hex")}\n`, account);
  checkAsUser(machine, installation);
  const changed = writeUnit(machine, installation, before);
  const enabled = machine.run(["systemctl", "enable", UNIT]);
  if (!enabled.success)
    throw new FatalError(EXIT.failure, `Cannot enable ${UNIT}: ${enabled.output}`);
  await start(machine, installation, changed || newText !== undefined);
  if (!machine.isRehearsal) sayWhatIsKept(installation);
  return EXIT.ok;
}

/** What the options say, else what the installed unit says. Its group counts only with its user. */
export function wantedPlaces(
  options: InstallOptions,
  unit: string | undefined,
): InstallOptions & { readonly group?: string } {
  if (unit === undefined || !isOwnUnit(unit)) return options;
  const { user, group, config, dataDirectory } = placesIn(unit);
  const own = (options.user ?? user) === user ? { user, group } : {};
  return { config, data: dataDirectory, ...own, ...options };
}

/** The service has a /tmp of its own. @throws {FatalError} if `place` is in a /tmp */
function requireVisible(place: string): void {
  if (!/^\/(?:var\/)?tmp(?:\/|$)/.test(place)) return;
  throw new FatalError(
    EXIT.usage,
    `${place} is in a directory for temporary files, which the service cannot see: use another directory, such as one in /home or /srv`,
  );
}

/**
 * Mounts the disk that a file or folder is to be on. If nothing is mounted, a folder would be made
 * on the system disk, below the mount point, and nobody would see it once the disk is there.
 *
 * @param before the installed unit, whose disk must be mounted too
 * @throws {FatalError} if mounting fails
 */
function mountDisk(machine: Machine, place: string, before: string | undefined): void {
  const bound = before !== undefined && isOwnUnit(before) ? placesIn(before).mount : "";
  for (const point of missingMounts(realPath(place), bound)) {
    const mounted = machine.run(["systemctl", "start", "--", mountUnit(point)]);
    if (!mounted.success) {
      throw new FatalError(
        EXIT.data,
        `${place} is on a disk that is not mounted, and mounting it at ${point} failed: ${mounted.output}\n` +
          `Mount it, then try again. If the disk is gone for good: sudo ${process.execPath} service uninstall, then install`,
      );
    }
    if (!machine.isRehearsal) process.stdout.write(`Mounted ${point}\n`);
  }
}

/**
 * Checks that the user can run the program, read the settings and write the data. @throws
 * {FatalError} if not
 */
function checkAsUser(
  machine: Machine,
  { executable, account, config, service }: Installation,
): void {
  const as = ["runuser", "-u", account.name, "--"];
  const checked = machine.run([...as, executable, "check", "--config", config]);
  if (!checked.success) {
    throw new FatalError(
      EXIT.config,
      `${account.name} cannot run ${executable} check --config ${config}:\n${checked.output}`,
    );
  }
  const { dataDirectory } = service;
  if (!machine.run([...as, "test", "-w", dataDirectory]).success) {
    throw new FatalError(
      EXIT.data,
      `${account.name} cannot write to ${dataDirectory}: give its owner with --user, choose another data directory, ` +
        `or give it to ${account.name} (sudo chown -R)`,
    );
  }
}

/** Says how to keep the disk from filling, if nothing does, and what is wrong with the archive. */
function sayWhatIsKept({ account, config, service }: Installation): void {
  if (!service.deletesImages) {
    process.stdout.write(`
The hub deletes no images, so its disk will be full some day. To delete the oldest before that,
set this in ${config}, then: sudo systemctl restart imagehub
  hub:
    keep:
      min_free: 5 %
`);
  }
  const archive = service.settings?.archive.directory ?? "";
  // A NAS that does not answer must not hold this up.
  const test = ["timeout", "10", "sh", "-c", 'test ! -e "$1" || test -w "$1"', "sh", archive];
  if (archive !== "" && !runCommand(["runuser", "-u", account.name, "--", ...test]).success) {
    process.stdout.write(
      `\n${account.name} cannot write to the archive (archive.directory): ${archive}\n`,
    );
  }
}

/** @returns whether the unit has changed */
function writeUnit(
  machine: Machine,
  { executable, account, config, service }: Installation,
  before: string | undefined,
): boolean {
  const { dataDirectory, settings } = service;
  const mountPoint = mountPointOf(realPath(dataDirectory));
  const archive = settings?.archive.directory ?? "";
  const unit = formatUnit({
    user: account.name,
    group: account.group,
    executable,
    config,
    configDirectory: path.dirname(config),
    dataDirectory,
    realDataDirectory: realPath(dataDirectory),
    mountPoint,
    archivePlace: archive === "" ? undefined : writablePlaceFor(realPath(archive), mountPoint),
  });
  if (before === unit) {
    process.stdout.write(`${machine.isRehearsal ? "# " : ""}${UNIT_FILE} is up to date\n`);
    return false;
  }
  if (before !== undefined && !isOwnUnit(before))
    machine.rename(UNIT_FILE, `${UNIT_FILE}.replaced`);
  else if (before !== undefined) {
    sayWhatChanges(machine, before, unit);
    // The new unit may be started by other units, so remove the links of the old one.
    machine.run(["systemctl", "disable", UNIT]);
  }
  machine.writeFile(UNIT_FILE, unit);
  machine.run(["systemctl", "daemon-reload"]);
  return true;
}

function sayWhatChanges(machine: Machine, before: string, after: string): void {
  const [was, is] = [placesIn(before), placesIn(after)];
  for (const [what, key] of [
    ["user", "user"],
    ["program", "executable"],
    ["settings file", "config"],
    ["data directory", "dataDirectory"],
  ] as const) {
    if (was[key] === is[key]) continue;
    machine.say(
      `The ${what} was ${was[key]} and is now ${is[key]}`,
      `change the ${what} from ${was[key]} to ${is[key]}`,
    );
  }
}
