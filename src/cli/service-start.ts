/**
 * Starts the service that `imagehub service install` has installed, and reports whether it works.
 *
 * @module
 */

import { statSync } from "node:fs";
import { loadSettings } from "../config/load.ts";
import type { Settings } from "../config/schema.ts";
import { capReached } from "../store/cap.ts";
import { EXIT, FatalError } from "../errors.ts";
import { parseListen } from "../net/listen-address.ts";
import { findPortHolder } from "../os/port-holder.ts";
import type { Account } from "../service/account.ts";
import { type Machine, runCommand } from "../service/machine.ts";
import type { ServiceSettings } from "../service/settings-file.ts";
import { hasSystemd, readServiceState, timeMs } from "../service/systemd-state.ts";
import { UNIT } from "../service/unit.ts";
import { machineNames, pageLines } from "./page-address.ts";
import { localHost } from "../http/first-image.ts";
import { probe } from "./send.ts";
import { statusOfOwn } from "./status.ts";

/** How long it may take to reach a hub that reports that it listens, in milliseconds. */
const REACH_MS_MAX = 3000;

/**
 * How long the hub may then take to be healthy, and the pause between two checks, in milliseconds.
 */
const HEALTHY_MS_MAX = 10_000;
const LOOK_EVERY_MS = 500;

/** Number of journal lines shown after a failed start. */
const JOURNAL_LINES = 20;

/** What is installed, and where. */
export interface Installation {
  readonly executable: string;
  readonly account: Account;
  readonly config: string;
  readonly service: ServiceSettings;
}

/**
 * Starts the hub and waits until it serves. A hub that runs already is restarted only if the
 * program, its settings or its unit are newer.
 */
export async function start(
  machine: Machine,
  installation: Installation,
  isChanged: boolean,
): Promise<void> {
  const { executable, config, service } = installation;
  if (!isChanged && hasSystemd()) {
    const { ActiveState: state, ExecMainStartTimestamp: started } = readServiceState();
    const newest = Math.max(...[executable, config].map((file) => statSync(file).ctimeMs));
    if (state === "active" && newest < timeMs(started)) {
      process.stdout.write(
        `${machine.isRehearsal ? "# " : ""}It is running already, and nothing has changed\n`,
      );
      await sayCap(settingsOf(installation));
      return;
    }
  }
  const sinceMs = Date.now();
  // With Type=notify, this waits until the hub reports that it listens, or fails.
  const started = machine.run(["systemctl", "restart", UNIT]);
  if (machine.isRehearsal) return;
  const settings = settingsOf(installation);
  const { bind, port } = settings;
  if (!started.success) {
    const holder = readServiceState().ExecMainStatus === String(EXIT.bind) ? holderOf(port) : "";
    throw new FatalError(EXIT.failure, failure(`${started.output}${holder}`, sinceMs));
  }
  const host = localHost(bind);
  const code =
    host === undefined ? undefined : await probe({ host, port, family: 0 }, REACH_MS_MAX);
  if (code !== undefined) {
    throw new FatalError(
      EXIT.failure,
      failure(
        `The hub reports that it listens, but tcp://${host}:${port} cannot be reached: ${code}`,
        sinceMs,
      ),
    );
  }
  const problem = await problemOf(settings, service.dataDirectory, HEALTHY_MS_MAX);
  if (problem !== undefined) throw new FatalError(EXIT.failure, failure(problem, sinceMs));
  process.stdout.write(
    `The hub is running and healthy, and starts at boot.
  listens on    TCP port ${port}
  stores in     ${service.dataDirectory}
  settings      ${config}; after a change: sudo systemctl restart imagehub
  its health    ${executable} status
  its log       journalctl -u imagehub -f
${pageText(settings)}  a first image ${executable} send photo.jpg --node Barn --to tcp://${host ?? "ADDRESS"}:${port}
`,
  );
  await sayCap(settings);
}

/** The settings of the service, whose file has been written by now. */
function settingsOf({ config, account, service }: Installation): Settings {
  return service.settings ?? loadSettings({ config, env: { HOME: account.home } }).settings;
}

/** Where to look, and what the page asks for. */
function pageText(settings: Settings): string {
  const { token_file: tokenFile } = settings.http;
  const lines = pageLines(settings, machineNames());
  const asked = lines.length > 0 && tokenFile !== "";
  return [
    ...lines.map((line, index) => `  ${(index === 0 ? "its page" : "").padEnd(13)} ${line}\n`),
    ...(asked ? [`  its token     sudo cat ${tokenFile}; the page asks for it\n`] : []),
  ].join("");
}

/** Once a day's cap is reached, the hub stores nothing more, but is healthy and answers OK. */
async function sayCap(settings: Settings): Promise<void> {
  try {
    const hub = await statusOfOwn(settings);
    const cap = hub && capReached(hub.today.images, hub.today.limit);
    if (cap !== undefined) {
      process.stdout.write(
        `\n${cap}.\nTo keep more today: set max_images_write higher, then sudo systemctl restart imagehub\n`,
      );
    }
  } catch (error) {
    // Whether the hub can be asked is checked after its start.
    if (!(error instanceof FatalError)) throw error;
  }
}

/** Which process uses a port, as root sees it: the hub itself cannot see other users' processes. */
function holderOf(port: number): string {
  const holder = findPortHolder(port);
  return holder === undefined
    ? ""
    : `\nPort ${port} is in use by process ${holder.pid} (${holder.name}): stop what it belongs to (systemctl status ${holder.pid} shows it), or set another port`;
}

/**
 * Asks the started hub over HTTP why it does not work as it should.
 *
 * @param boundMs how long to ask again while something is wrong
 * @returns undefined if nothing is wrong, or its settings do not let it be asked
 */
export async function problemOf(
  settings: Settings,
  dataDirectory: string,
  boundMs: number,
): Promise<string | undefined> {
  for (const end = performance.now() + boundMs; ; await Bun.sleep(LOOK_EVERY_MS)) {
    const problem = await problemNow(settings, dataDirectory);
    if (problem === undefined || performance.now() > end) return problem;
  }
}

async function problemNow(settings: Settings, dataDirectory: string): Promise<string | undefined> {
  const { listen } = settings.http;
  try {
    const hub = await statusOfOwn(settings);
    if (hub === undefined) return undefined;
    if (hub.settings.data_directory !== dataDirectory)
      return `Another hub answers at ${listen}, with its data in ${hub.settings.data_directory}: set another http.listen`;
    return hub.healthy
      ? undefined
      : `The hub listens, but is not healthy: ${hub.reasons.join("; ")}`;
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    // The rest of the message is advice for users of `imagehub status`.
    const [what] = error.message.split(/[;\n]/, 1);
    const holder = findPortHolder(parseListen(listen)?.port ?? 0);
    const who =
      holder === undefined
        ? "if another program uses that address"
        : `process ${holder.pid} (${holder.name}) uses that address; if that is not the hub`;
    return `The hub listens for images, but does not report its health.\n${what}: ${who}, set another http.listen`;
  }
}

/**
 * The message about a failed start. @param sinceMs when the start began, in milliseconds since 1970
 */
function failure(reason: string, sinceMs: number): string {
  const journal = runCommand(
    ["journalctl", "--unit", UNIT, "--no-pager", "--output=cat"].concat(
      `--lines=${JOURNAL_LINES}`,
      `--since=@${Math.floor(sinceMs / 1000)}`,
    ),
  ).output;
  return `The service is installed, but does not work as it should.
${reason}

The last lines of its log (journalctl -u imagehub):
${journal.replaceAll(/^/gm, "  ")}

Correct what they name, then: sudo systemctl restart imagehub
To remove the service: sudo ${process.execPath} service uninstall`;
}
