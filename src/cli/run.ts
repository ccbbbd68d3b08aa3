/**
 * `imagehub run`: runs the hub, from its first log line to its last.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { isIPv6 } from "node:net";
import type { Settings } from "../config/schema.ts";
import { differences, formatSettings } from "../config/print.ts";
import type { LoadedSettings } from "../config/load.ts";
import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import { Hub } from "../hub.ts";
import { DataDirectory } from "../store/data-directory.ts";
import { STOP_MS_MAX } from "../limits.ts";
import { sendCommand } from "../http/first-image.ts";
import { ServiceReporter } from "../service/reporter.ts";
import { ServiceManager } from "../os/sd-notify.ts";
import { createLogger, type Log, type LogFormat } from "../log/log.ts";
import type { LogLevel } from "../log/format.ts";
import { COMMIT, VERSION } from "../version.ts";
import { parseListen } from "../net/listen-address.ts";
import { machineNames, pageLines } from "./page-address.ts";
import { Reloader } from "./reload.ts";
import { loadFor, type SettingsOptions } from "./check.ts";

/**
 * A second Ctrl-C within this time is ignored, in milliseconds: for one press, npm and the terminal
 * each send one.
 */
const IMPATIENCE_MS_MIN = 500;

/**
 * Runs a hub until SIGTERM or Ctrl-C. A fatal error is also logged, because people look for it in
 * the log of a service.
 */
export async function run(options: SettingsOptions): Promise<ExitStatus> {
  let log = openLog("info", "auto");
  const manager = connectServiceManager(log);
  try {
    const loaded = loadFor(options);
    const { settings } = loaded;
    log = openLog(settings.log_level, settings.log_format);
    logStart(log, loaded);
    const hub = new Hub(settings, log);
    const reloader = new Reloader(loaded, () => loadFor(options), hub, log);
    using reporter = manager && new ServiceReporter(manager, hub, log);
    const signal = heedSignals(hub, reloader, log, reporter);
    const endpoint = await hub.start();
    if (endpoint !== undefined) {
      log.info(`Listening on ${endpoint}`);
      reporter?.start();
      const cap = await hub.capReached();
      if (cap !== undefined) log.warn(cap);
      sayOpen(log, settings);
      hub.onHttp((port) => sayPage(log, settings, port));
    }
    const unanswered = await Promise.race([hub.stopped, signal.overdue]);
    if (unanswered > 0) {
      throw new FatalError(
        EXIT.failure,
        `Stopped, but the disk did not take ${unanswered} requests in time: they were not answered`,
      );
    }
    log.info("Stopped, all that had arrived is stored and answered", hub.totals);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    for (const line of error.message.split("\n")) log.error(line);
    manager?.status(error.message);
    return error.status;
  } finally {
    await log.flush();
  }
}

function openLog(level: LogLevel, format: LogFormat): Log {
  return createLogger({
    level,
    format,
    env: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
  });
}

/** @returns undefined if systemd did not start this process, or cannot be reached */
function connectServiceManager(log: Log): ServiceManager | undefined {
  try {
    return ServiceManager.connect(process.env);
  } catch (error) {
    log.warn(`Cannot report the state of the hub to systemd: ${(error as Error).message}`);
    return undefined;
  }
}

function logStart(log: Log, loaded: LoadedSettings): void {
  if (loaded.file === undefined)
    log.info(`No settings file at ${loaded.place}: using the built-in defaults`);
  log.info(`imagehub ${VERSION} (${COMMIT}) is starting`, {
    ...(loaded.file !== undefined && { settings: loaded.file }),
    ...differences(loaded),
    data_directory: loaded.settings.data_directory,
  });
  for (const note of loaded.notes) log.warn(note);
  if (loaded.settings.print_settings) {
    for (const line of formatSettings(loaded).trimEnd().split("\n")) log.info(line);
  }
}

/**
 * The first SIGTERM or Ctrl-C stops the hub; a second Ctrl-C ends the process at once. SIGHUP
 * rereads the settings.
 *
 * @returns a promise that rejects if the stop takes too long
 */
function heedSignals(
  hub: Hub,
  reloader: Reloader,
  log: Log,
  reporter: ServiceReporter | undefined,
): { overdue: Promise<never> } {
  const overdue = Promise.withResolvers<never>();
  let stoppingSinceMs: number | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (stoppingSinceMs !== undefined) {
      if (signal === "SIGINT" && now - stoppingSinceMs > IMPATIENCE_MS_MIN)
        process.exit(EXIT.failure);
      return;
    }
    stoppingSinceMs = now;
    log.info(`${signal}: stopping`);
    reporter?.stopping(STOP_MS_MAX);
    hub.stop();
    setTimeout(
      () =>
        overdue.reject(
          new FatalError(EXIT.failure, "The disk stalls: stopped without waiting for it"),
        ),
      STOP_MS_MAX,
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGHUP", (signal) => {
    // From a terminal, SIGHUP means that the terminal was closed. For a service it means: reread
    // the files.
    if (process.stdin.isTTY) stop(signal);
    else if (reporter === undefined) reloader.reload();
    else reporter.reload(() => reloader.reload());
  });
  process.on("SIGINT", stop);
  return { overdue: overdue.promise };
}

function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0;
  } catch {
    return true;
  }
}

/** Logs where to open the page, as `imagehub status` does. @param port may be one that was free */
function sayPage(log: Log, settings: Settings, port: number): void {
  const { host } = parseListen(settings.http.listen)!;
  const listen = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const [page] = pageLines({ ...settings, http: { ...settings.http, listen } }, machineNames());
  log.info(`Open ${page} in a browser`);
}

/** Logs that everyone may send, if so. If nothing is stored yet, also shows a command to try. */
function sayOpen(log: Log, settings: Settings): void {
  const command = sendCommand(settings);
  if (command === undefined) return;
  log.info(
    "Anyone who can reach this port may send. To restrict this, see the settings allow and curve",
  );
  if (isEmpty(new DataDirectory(settings.data_directory).images)) {
    log.info(`Nothing is stored yet. To send a first image: ${command}`);
  }
}
