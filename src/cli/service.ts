/**
 * `imagehub service status` and `uninstall`, and what they share with `service install`.
 *
 * @module
 */

import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import { Machine, runCommand } from "../service/machine.ts";
import { findRunningService } from "../service/running.ts";
import {
  readServiceState,
  requireSystemd,
  type ServiceState,
  timeMs,
} from "../service/systemd-state.ts";
import { isOwnUnit, placesIn, UNIT, UNIT_FILE } from "../service/unit.ts";
import { machineNames, pageLines } from "./page-address.ts";

/** Width of the names in the state of the service. */
const NAME_WIDTH = 10;

/** The options of `service uninstall`. */
export interface UninstallOptions {
  readonly dryRun?: boolean;
}

/**
 * Stops and removes the service; settings and data stay. @throws {FatalError} if there is none, or
 * it is not ours
 */
export function uninstall({ dryRun = false }: UninstallOptions): ExitStatus {
  const machine = new Machine(dryRun);
  if (!dryRun) {
    requireSystemd();
    requireRoot("uninstall");
  }
  if (!existsSync(UNIT_FILE))
    throw new FatalError(EXIT.failure, `Nothing to uninstall: ${UNIT_FILE} does not exist`);
  const unit = readFileSync(UNIT_FILE, "utf8");
  if (!isOwnUnit(unit)) {
    throw new FatalError(
      EXIT.failure,
      `${UNIT_FILE} was not made by imagehub, so it stays; to stop the service: sudo systemctl disable --now imagehub`,
    );
  }
  const stopped = machine.run(["systemctl", "disable", "--now", UNIT]);
  if (!stopped.success)
    throw new FatalError(EXIT.failure, `Cannot stop ${UNIT}: ${stopped.output}`);
  machine.remove(UNIT_FILE);
  machine.run(["systemctl", "daemon-reload"]);
  // A failed unit would stay in the list of failed units.
  machine.run(["systemctl", "reset-failed", UNIT]);
  const { config, dataDirectory } = placesIn(unit);
  machine.say(
    `The service is stopped and removed. These stay as they are: ${config} and ${dataDirectory}`,
    `leave ${config} and ${dataDirectory} as they are`,
  );
  return EXIT.ok;
}

/**
 * Prints the state of the service.
 *
 * @returns `EXIT.failure` if it is not running
 * @throws {FatalError} if it is not installed
 */
export function status(): ExitStatus {
  requireSystemd();
  const state = readServiceState();
  if (state.LoadState === "not-found") {
    throw new FatalError(
      EXIT.failure,
      "imagehub is not installed as a service yet. To install it: sudo imagehub service install",
    );
  }
  const rows = Object.entries(describe(state)).filter(([, text]) => text !== "");
  for (const [name, text] of rows) process.stdout.write(`${name.padEnd(NAME_WIDTH)}${text}\n`);
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
    page: isRunning ? pageOfService() : "",
    // Only automatic restarts.
    restarts: state.NRestarts === "0" ? "" : state.NRestarts,
    result: isActive
      ? ""
      : `${state.Result}, exit status ${state.ExecMainStatus}; journalctl -u imagehub`,
  };
}

/** Where to open its page; empty if its settings cannot be read. */
function pageOfService(): string {
  const service = findRunningService();
  if (service === undefined || service.problem !== undefined) return "";
  return pageLines(service.settings, machineNames()).join(`\n${" ".repeat(NAME_WIDTH)}`);
}

function localTime(time: Date): string {
  return new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" }).format(time);
}

/**
 * The memory of the process itself. The figure for the unit includes the page cache, and is often
 * missing.
 */
function memoryOf(pid: string): string {
  const file = `/proc/${pid}/status`;
  const kilobytes = existsSync(file)
    ? /^VmRSS:\s+(\d+)/m.exec(readFileSync(file, "utf8"))?.[1]
    : undefined;
  return kilobytes === undefined ? "" : `, ${Math.round(Number(kilobytes) / 1000)} MB of memory`;
}

/**
 * The version of the running program, even if its file has been replaced. Only root and its user
 * can ask it.
 */
function versionOf(pid: string): string {
  const { success, output } = runCommand([`/proc/${pid}/exe`, "--version"]);
  return success ? output : "";
}

/**
 * The path of this executable. @throws {FatalError} if the program runs from source, which cannot
 * be a service
 */
export function ownExecutable(): string {
  if (!basename(process.execPath).startsWith("bun")) return process.execPath;
  throw new FatalError(
    EXIT.usage,
    "Only the executable can become a service, but this runs from source: make the executable with `npm run build`, then run it from dist",
  );
}

/** @throws {FatalError} if the user is not root */
export function requireRoot(command: string): void {
  if (process.getuid?.() === 0) return;
  throw new FatalError(
    EXIT.permission,
    `Only root can do this: run sudo ${process.execPath} service ${command}, or add --dry-run to see what it would do`,
  );
}
