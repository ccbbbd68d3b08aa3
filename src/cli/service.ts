/**
 * `imagehub service status` and `uninstall`, and what they have in common with `install`, which has
 * a file of its own.
 *
 * @module
 */

import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import { Machine, runCommand } from "../service/machine.ts";
import {
  readServiceState,
  requireSystemd,
  type ServiceState,
  timeMs,
} from "../service/systemd-state.ts";
import { isOwnUnit, placesIn, UNIT, UNIT_FILE } from "../service/unit.ts";

/** What `service uninstall` was asked for. */
export interface UninstallOptions {
  readonly dryRun?: boolean;
}

/**
 * Stops the service and takes it away; settings and data stay. @throws {FatalError} where there is
 * none, or not ours
 */
export function uninstall({ dryRun = false }: UninstallOptions): ExitStatus {
  const machine = new Machine(dryRun);
  if (!dryRun) {
    requireSystemd();
    requireRoot("uninstall");
  }
  if (!existsSync(UNIT_FILE))
    throw new FatalError(EXIT.failure, `There is no ${UNIT_FILE} to uninstall`);
  const unit = readFileSync(UNIT_FILE, "utf8");
  if (!isOwnUnit(unit)) {
    throw new FatalError(
      EXIT.failure,
      `${UNIT_FILE} is not of imagehub's making; to take it away: sudo systemctl disable --now imagehub`,
    );
  }
  const stopped = machine.run(["systemctl", "disable", "--now", UNIT]);
  if (!stopped.success)
    throw new FatalError(EXIT.failure, `Cannot stop ${UNIT}: ${stopped.output}`);
  machine.remove(UNIT_FILE);
  machine.run(["systemctl", "daemon-reload"]);
  // One that failed would be listed as such for ever.
  machine.run(["systemctl", "reset-failed", UNIT]);
  const { config, dataDirectory } = placesIn(unit);
  machine.say(
    `The service is stopped and gone. Left as they are: ${config} and ${dataDirectory}`,
    `leave ${config} and ${dataDirectory} as they are`,
  );
  return EXIT.ok;
}

/**
 * Prints how the service does. @returns `EXIT.failure` where it does not run @throws {FatalError}
 * where there is none
 */
export function status(): ExitStatus {
  requireSystemd();
  const state = readServiceState();
  if (state.LoadState === "not-found") {
    throw new FatalError(
      EXIT.failure,
      "imagehub is no service of this machine yet: sudo imagehub service install",
    );
  }
  const rows = Object.entries(describe(state)).filter(([, text]) => text !== "");
  for (const [name, text] of rows) process.stdout.write(`${name.padEnd(10)}${text}\n`);
  return state.ActiveState === "active" ? EXIT.ok : EXIT.failure;
}

function describe(state: ServiceState): Record<string, string> {
  const isActive = state.ActiveState === "active";
  const isRunning = state.MainPID !== "0";
  const since = new Date(
    timeMs(isActive ? state.ActiveEnterTimestamp : state.ExecMainStartTimestamp),
  );
  const when =
    since.getTime() === 0 ? "" : `${isActive ? ", since" : ", last started"} ${localTime(since)}`;
  return {
    service: `${state.ActiveState} (${state.SubState})${when}`,
    boot:
      state.UnitFileState === "enabled"
        ? "starts with the machine"
        : "does not start with the machine",
    process: isRunning ? `${state.MainPID}${memoryOf(state.MainPID)}` : "",
    version: isRunning ? versionOf(state.MainPID) : "",
    status: state.StatusText,
    // Of those that it was not asked for.
    restarts: state.NRestarts === "0" ? "" : state.NRestarts,
    result: isActive
      ? ""
      : `${state.Result}, exit status ${state.ExecMainStatus}; journalctl -u imagehub`,
  };
}

function localTime(time: Date): string {
  return new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" }).format(time);
}

/**
 * What the process itself has in memory. That of the unit counts the files in the page cache, and
 * is often not there.
 */
function memoryOf(pid: string): string {
  const file = `/proc/${pid}/status`;
  const kilobytes = existsSync(file)
    ? /^VmRSS:\s+(\d+)/m.exec(readFileSync(file, "utf8"))?.[1]
    : undefined;
  return kilobytes === undefined ? "" : `, ${Math.round(Number(kilobytes) / 1000)} MB of memory`;
}

/**
 * Of the program that runs, even where another one lies in its place by now. Only root and its user
 * may ask it.
 */
function versionOf(pid: string): string {
  const { success, output } = runCommand([`/proc/${pid}/exe`, "--version"]);
  return success ? output : "";
}

/**
 * The executable that runs. @throws {FatalError} where it is run from source, which no service can
 * be made of
 */
export function ownExecutable(): string {
  if (!basename(process.execPath).startsWith("bun")) return process.execPath;
  throw new FatalError(
    EXIT.usage,
    "A service is made of the executable, and this is run from source: `npm run build` makes it in dist",
  );
}

/** @throws {FatalError} where somebody else than root does this */
export function requireRoot(command: string): void {
  if (process.getuid?.() === 0) return;
  throw new FatalError(
    EXIT.permission,
    `Only root can do this: sudo ${process.execPath} service ${command}; --dry-run shows what it would do`,
  );
}
