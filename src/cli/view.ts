/**
 * `imagehub view`: serves the page of many hubs from their bucket, and only reads it.
 *
 * @module
 */

import { targetNotes } from "../s3/settings.ts";
import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import { Fleet } from "../fleet/fleet.ts";
import { ViewServer } from "../fleet/server.ts";
import { createLogger, type Log } from "../log/log.ts";
import { type Problem, StoreError } from "../s3/errors.ts";
import { COMMIT, VERSION } from "../version.ts";
import { loadFor, type SettingsOptions, viewNotes } from "./check.ts";
import { readTarget, refusalOf } from "./replicate-test.ts";

/**
 * Serves the page until SIGTERM or Ctrl-C. A fatal error is also logged, because people look for it
 * in the log of a service.
 */
export async function view(options: SettingsOptions): Promise<ExitStatus> {
  const { env, stdout, stderr } = process;
  let log = createLogger({ level: "info", format: "auto", env, stdout, stderr });
  try {
    const { settings, notes } = loadFor(options);
    const { log_level: level, log_format: format } = settings;
    log = createLogger({ level, format, env, stdout, stderr });
    const target = readTarget(settings.replicate);
    const files = await viewNotes(settings);
    const fleet = new Fleet(target, settings.view, log);
    const server = new ViewServer(fleet, settings.http, log);
    const ended = signalled(server, log);
    // From now on, a signal ends it in order.
    log.info(`imagehub ${VERSION} (${COMMIT}) is starting a view`);
    for (const note of [...notes, ...targetNotes(settings.replicate), ...files]) log.warn(note);
    // Who ends it meanwhile need not wait for a store that does not answer.
    const first = look(fleet, settings.view.hubs, log).then(() => "looked");
    if ((await Promise.race([first, ended])) === "looked")
      log.info(`Open ${server.listen()} in a browser`);
    log.info(`${await ended}: stopping`);
    server.close();
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    for (const line of error.message.split("\n")) log.error(line);
    return error.status;
  } finally {
    await log.flush();
  }
}

/** What may pass without anybody doing something about this view. */
const PASSING: ReadonlySet<Problem> = new Set(["unreachable", "name", "busy", "clock"]);

/** The first look into the bucket. @throws {FatalError} if it is of no use as it is */
async function look(
  fleet: Fleet,
  followed: readonly { readonly name: string }[],
  log: Log,
): Promise<void> {
  try {
    await fleet.refresh();
  } catch (error) {
    // What may pass by itself is tried again, when somebody looks: at boot, the network and the
    // clock may come later.
    if (error instanceof StoreError && PASSING.has(error.problem)) return;
    throw refusalOf(error) ?? error;
  }
  const { states, store } = fleet;
  if (states.length === 0)
    log.warn(`No hub has copied anything into the bucket ${store.place} yet`);
  else log.info(`Hubs in the bucket: ${states.map(({ name }) => name).join(", ")}`);
  for (const { name } of followed)
    if (states.length > 0 && !states.some((each) => each.name === name))
      log.warn(`view.hubs names ${name}, which has no folder in the bucket (yet)`);
}

/** Resolves with the signal that ends the view. SIGHUP reads token and certificate again. */
async function signalled(server: ViewServer, log: Log): Promise<NodeJS.Signals> {
  const ended = Promise.withResolvers<NodeJS.Signals>();
  process.on("SIGTERM", ended.resolve);
  process.on("SIGINT", ended.resolve);
  process.on("SIGHUP", (signal) => {
    if (process.stdin.isTTY) return ended.resolve(signal);
    log.info("Reading the token and the certificate again");
    server.reload();
  });
  return await ended.promise;
}
