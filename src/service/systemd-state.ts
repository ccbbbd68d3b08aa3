/**
 * The state of the service, from `systemctl show`.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { EXIT, FatalError } from "../errors.ts";
import { runCommand } from "./machine.ts";
import { UNIT } from "./unit.ts";

const PROPERTIES = [
  "LoadState",
  "ActiveState",
  "SubState",
  "UnitFileState",
  "Result",
  "ActiveEnterTimestamp",
  "ExecMainStartTimestamp",
  "ExecMainStatus",
  "MainPID",
  "NRestarts",
  "StatusText",
  "Environment",
] as const;

/**
 * Properties of the unit, as text. Times are in UTC, with microseconds
 * (org.freedesktop.systemd1(5)).
 */
export type ServiceState = Readonly<Record<(typeof PROPERTIES)[number], string>>;

/** Whether this machine was booted with systemd (sd_booted(3)). */
export const hasSystemd = (): boolean => existsSync("/run/systemd/system");

/** @throws {FatalError} if this machine was not booted with systemd */
export function requireSystemd(): void {
  if (hasSystemd()) return;
  throw new FatalError(
    EXIT.failure,
    "This machine does not use systemd (no /run/systemd/system); start `imagehub run` with its own service manager",
  );
}

/** @throws {FatalError} if systemd does not answer */
export function readServiceState(): ServiceState {
  const { success, output } = runCommand(
    ["systemctl", "show", UNIT, "--timestamp=us+utc"].concat(`--property=${PROPERTIES.join(",")}`),
  );
  if (!success) throw new FatalError(EXIT.failure, `Cannot ask systemd about ${UNIT}: ${output}`);
  const values = Object.fromEntries(
    output
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
  return Object.fromEntries(PROPERTIES.map((name) => [name, values[name] ?? ""])) as ServiceState;
}

/**
 * Parses a time of {@link ServiceState}, such as `Tue 2026-11-24 20:53:01.123456 UTC`.
 *
 * @returns milliseconds since 1970; 0 if it never happened
 */
export function timeMs(timestamp: string): number {
  const [, date, time] = /(\S+) (\S+) UTC$/.exec(timestamp) ?? [];
  return date === undefined ? 0 : Date.parse(`${date}T${time}Z`);
}
