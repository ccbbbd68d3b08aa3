/**
 * What systemd knows of the service, as `systemctl show` tells it.
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
 * Properties of the unit, as text; times in UTC, with microseconds (org.freedesktop.systemd1(5)).
 */
export type ServiceState = Readonly<Record<(typeof PROPERTIES)[number], string>>;

/** Whether systemd is what started this machine (sd_booted(3)). */
export const hasSystemd = (): boolean => existsSync("/run/systemd/system");

/** @throws {FatalError} where systemd is not what started this machine */
export function requireSystemd(): void {
  if (hasSystemd()) return;
  throw new FatalError(
    EXIT.failure,
    "systemd does not run this machine (no /run/systemd/system); start `imagehub run` by whatever does",
  );
}

/** @throws {FatalError} where systemd does not answer */
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
 * A time of {@link ServiceState}, such as `Tue 2026-11-24 20:53:01.123456 UTC`, in milliseconds
 * since 1970; 0 where it never was.
 */
export function timeMs(timestamp: string): number {
  const [, date, time] = /(\S+) (\S+) UTC$/.exec(timestamp) ?? [];
  return date === undefined ? 0 : Date.parse(`${date}T${time}Z`);
}
