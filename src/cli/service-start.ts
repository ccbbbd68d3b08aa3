/**
 * Starts what `imagehub service install` has installed, and says whether it works.
 *
 * @module
 */

import { statSync } from "node:fs";
import { defaultSettings, type Settings } from "../config/schema.ts";
import { capReached } from "../store/cap.ts";
import { EXIT, FatalError } from "../errors.ts";
import { parseListen } from "../net/listen-address.ts";
import { findPortHolder } from "../os/port-holder.ts";
import type { Account } from "../service/account.ts";
import { type Machine, runCommand } from "../service/machine.ts";
import type { ServiceSettings } from "../service/settings-file.ts";
import { hasSystemd, readServiceState, timeMs } from "../service/systemd-state.ts";
import { UNIT } from "../service/unit.ts";
import { localHost } from "./run.ts";
import { probe } from "./send.ts";
import { statusOfOwn } from "./status.ts";

/** How long a hub that says that it listens may take to be reached, in milliseconds. */
const REACH_MS_MAX = 3000;

/** How long it may then take to be healthy, and the pause between two looks, in milliseconds. */
const HEALTHY_MS_MAX = 10_000;
const LOOK_EVERY_MS = 500;

/** Lines of the journal that are shown of a start that failed. */
const JOURNAL_LINES = 20;

/** What is installed where. */
export interface Installation {
  readonly executable: string;
  readonly account: Account;
  readonly config: string;
  readonly service: ServiceSettings;
}

/**
 * Starts the hub, again where something of it is newer than the one that runs, and waits until it
 * serves.
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
        `${machine.isRehearsal ? "# " : ""}It runs already, with nothing changed\n`,
      );
      await sayCap(service.settings ?? defaultSettings());
      return;
    }
  }
  const sinceMs = Date.now();
  // With Type=notify this waits until the hub says that it listens, or has failed.
  const started = machine.run(["systemctl", "restart", UNIT]);
  if (machine.isRehearsal) return;
  const settings = service.settings ?? defaultSettings();
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
        `It says that it listens, and tcp://${host}:${port} cannot be reached: ${code}`,
        sinceMs,
      ),
    );
  }
  const problem = await problemOf(settings, service.dataDirectory, HEALTHY_MS_MAX);
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
  await sayCap(settings);
}

/** A hub that keeps nothing more today is healthy, and answers OK. */
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
    // Whether it can be asked is looked at where it was started.
    if (!(error instanceof FatalError)) throw error;
  }
}

/** Who has a port, as root sees it: the hub itself sees no processes of others. */
function holderOf(port: number): string {
  const holder = findPortHolder(port);
  return holder === undefined
    ? ""
    : `\nPort ${port} is in use by process ${holder.pid} (${holder.name}): systemctl status ${holder.pid} shows what it belongs to, which is to be stopped; or set another port`;
}

/**
 * Why the hub that was started does not work as it should, by what it says over HTTP.
 *
 * @param boundMs how long it is asked again and again while something is wrong
 * @returns undefined where nothing is, or its settings do not let it be asked
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
      return `Another hub, with its data in ${hub.settings.data_directory}, answers at ${listen}: set another http.listen`;
    return hub.healthy ? undefined : `It listens, and is not healthy: ${hub.reasons.join("; ")}`;
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    // Beside what it says it has advice for `imagehub status`.
    const [what] = error.message.split(/[;\n]/, 1);
    const holder = findPortHolder(parseListen(listen)?.port ?? 0);
    const who =
      holder === undefined
        ? "where another program has that address"
        : `process ${holder.pid} (${holder.name}) has that address; where that is not the hub`;
    return `It listens for images, and cannot be asked how it is.\n${what}: ${who}, set another http.listen`;
  }
}

/**
 * What a person is told of a start that failed. @param sinceMs when it began, in milliseconds since
 * 1970
 */
function failure(reason: string, sinceMs: number): string {
  const journal = runCommand(
    ["journalctl", "--unit", UNIT, "--no-pager", "--output=cat"].concat(
      `--lines=${JOURNAL_LINES}`,
      `--since=@${Math.floor(sinceMs / 1000)}`,
    ),
  ).output;
  return `The service is installed and does not work as it should.
${reason}

The last lines of its log (journalctl -u imagehub):
${journal.replaceAll(/^/gm, "  ")}

Mend what they say, then: sudo systemctl restart imagehub
To take the service away again: sudo ${process.execPath} service uninstall`;
}
