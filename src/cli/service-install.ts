/**
 * `imagehub service install`: makes the hub a service of systemd that starts with the machine, for a person with one machine.
 *
 * Done again it brings the unit up to date, and restarts the hub only where something changed. It never touches settings or
 * data that are there.
 *
 * @module
 */

import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import { type Account, findAccount } from "../service/account.ts";
import { Machine, runCommand } from "../service/machine.ts";
import { mountPointOf } from "../service/mount.ts";
import { type ServiceSettings, settingsFor } from "../service/settings-file.ts";
import { hasSystemd, readServiceState, requireSystemd, timeMs } from "../service/systemd-state.ts";
import { formatUnit, isOwnUnit, UNIT, UNIT_FILE } from "../service/unit.ts";
import { defaultSettings, type Settings } from "../config/schema.ts";
import { localHost } from "./run.ts";
import { probe } from "./send.ts";
import { statusOfOwn } from "./status.ts";
import { ownExecutable, requireRoot } from "./service.ts";

/** What `service install` was asked for. */
export interface InstallOptions {
  readonly user?: string;
  readonly config?: string;
  readonly data?: string;
  readonly dryRun?: boolean;
}

/** How long a hub that says that it listens may take to be reached, in milliseconds. */
const REACH_MS_MAX = 3000;

/** Lines of the journal that are shown of a start that failed. */
const JOURNAL_LINES = 20;

/** What is installed where. */
interface Installation {
  readonly executable: string;
  readonly account: Account;
  readonly config: string;
  readonly service: ServiceSettings;
}

/** Installs and starts the service. @throws {FatalError} where that cannot be done, or the hub does not start */
export async function install(options: InstallOptions): Promise<ExitStatus> {
  const machine = new Machine(options.dryRun === true);
  const executable = ownExecutable();
  if (!machine.isRehearsal) {
    requireSystemd();
    requireRoot("install");
  }
  const account = findAccount(options.user, process.env, executable);
  if (options.config === undefined && !existsSync(account.home)) {
    throw new FatalError(
      EXIT.usage,
      `${account.name} has no home (${account.home} is not there): give --config, and --data for a new settings file`,
    );
  }
  const config = path.resolve(options.config ?? path.join(account.home, "imagehub.yaml"));
  const service = settingsFor(config, account, options.data);
  const installation: Installation = { executable, account, config, service };
  for (const place of [executable, config, service.dataDirectory]) requireVisible(place);

  const { dataDirectory, newText } = service;
  if (!existsSync(dataDirectory)) machine.makeDirectory(dataDirectory, account);
  if (newText !== undefined) {
    if (!existsSync(path.dirname(config))) machine.makeDirectory(path.dirname(config), account);
    machine.writeFile(config, newText, account);
  }
  checkAsUser(machine, installation);
  const changed = writeUnit(machine, installation);
  const enabled = machine.run(["systemctl", "enable", UNIT]);
  if (!enabled.success) throw new FatalError(EXIT.failure, `Cannot enable ${UNIT}: ${enabled.output}`);
  await start(machine, installation, changed || newText !== undefined);
  return EXIT.ok;
}

/** The service has a /tmp of its own. @throws {FatalError} where a file is there */
function requireVisible(place: string): void {
  if (!/^\/(?:var\/)?tmp\//.test(place)) return;
  throw new FatalError(
    EXIT.usage,
    `${place} is a place for temporary files, which the service does not see: use another, such as /home or /srv`,
  );
}

/** Whether the user can run the program, read the settings and write the data. @throws {FatalError} */
function checkAsUser(machine: Machine, { executable, account, config, service }: Installation): void {
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
      `${account.name} cannot write in ${dataDirectory}: name its owner with --user, choose another data directory, ` +
        `or give it to ${account.name} (sudo chown -R)`,
    );
  }
}

/** @returns whether the unit is another one now */
function writeUnit(machine: Machine, { executable, account, config, service }: Installation): boolean {
  const { dataDirectory } = service;
  const unit = formatUnit({
    user: account.name,
    group: account.group,
    executable,
    config,
    configDirectory: path.dirname(config),
    dataDirectory,
    mountPoint: mountPointOf(dataDirectory),
  });
  const before = existsSync(UNIT_FILE) ? readFileSync(UNIT_FILE, "utf8") : undefined;
  if (before === unit) {
    process.stdout.write(`${machine.isRehearsal ? "# " : ""}${UNIT_FILE} is up to date\n`);
    return false;
  }
  if (before !== undefined && !isOwnUnit(before)) machine.rename(UNIT_FILE, `${UNIT_FILE}.replaced`);
  // Where it is to be started with what, which the new unit may say otherwise.
  else if (before !== undefined) machine.run(["systemctl", "disable", UNIT]);
  machine.writeFile(UNIT_FILE, unit);
  machine.run(["systemctl", "daemon-reload"]);
  return true;
}

/** Starts the hub, again where something of it is newer than the one that runs, and waits until it serves. */
async function start(machine: Machine, installation: Installation, isChanged: boolean): Promise<void> {
  const { executable, config, service } = installation;
  if (!isChanged && hasSystemd()) {
    const { ActiveState: state, ExecMainStartTimestamp: started } = readServiceState();
    const newest = Math.max(...[executable, config].map((file) => statSync(file).ctimeMs));
    if (state === "active" && newest < timeMs(started)) {
      process.stdout.write(`${machine.isRehearsal ? "# " : ""}It runs already, with nothing changed\n`);
      return;
    }
  }
  const sinceMs = Date.now();
  // With Type=notify this waits until the hub says that it listens, or has failed.
  const started = machine.run(["systemctl", "restart", UNIT]);
  if (machine.isRehearsal) return;
  if (!started.success) throw new FatalError(EXIT.failure, failure(started.output, sinceMs));
  const settings = service.settings ?? defaultSettings();
  const { bind, port } = settings;
  const host = localHost(bind);
  const code = host === undefined ? undefined : await probe({ host, port, family: 0 }, REACH_MS_MAX);
  if (code !== undefined) {
    throw new FatalError(
      EXIT.failure,
      failure(`It says that it listens, and tcp://${host}:${port} cannot be reached: ${code}`, sinceMs),
    );
  }
  const problem = await problemOf(settings, service.dataDirectory);
  if (problem !== undefined) throw new FatalError(EXIT.failure, failure(problem, sinceMs));
  process.stdout.write(
    `The hub runs, is healthy, and starts with the machine.
  listens on    TCP port ${port}
  stores in     ${service.dataDirectory}
  settings      ${config}; after a change: sudo systemctl restart imagehub
  how it does   ${executable} status
  its log       journalctl -u imagehub -f
  a first image ${executable} send photo.jpg --node Barn --to tcp://${host ?? "ADDRESS"}:${port}
`,
  );
}

/** Why the hub that was started does not work as it should, by what it says over HTTP. */
async function problemOf(settings: Settings, dataDirectory: string): Promise<string | undefined> {
  const hub = await statusOfOwn(settings);
  if (hub === undefined) return undefined;
  const { listen } = settings.http;
  if (hub.settings.data_directory !== dataDirectory)
    return `Another hub, with its data in ${hub.settings.data_directory}, answers at ${listen}: set another http.listen`;
  return hub.healthy ? undefined : `It listens, and is not healthy: ${hub.reasons.join("; ")}`;
}

/** What a person is told of a start that failed. @param sinceMs when it began, in milliseconds since 1970 */
function failure(reason: string, sinceMs: number): string {
  const journal = runCommand(
    ["journalctl", "--unit", UNIT, "--no-pager", "--output=cat"].concat(
      `--lines=${JOURNAL_LINES}`,
      `--since=@${Math.floor(sinceMs / 1000)}`,
    ),
  ).output;
  return `The service is installed and does not work.
${reason}

The last lines of its log (journalctl -u imagehub):
${journal.replaceAll(/^/gm, "  ")}

Mend what they say, then: sudo systemctl restart imagehub
To take the service away again: sudo ${process.execPath} service uninstall`;
}
