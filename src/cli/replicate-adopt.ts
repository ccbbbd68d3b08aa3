/**
 * `imagehub replicate adopt`: makes the hub's folder in the bucket that of this data directory,
 * after the disk or the machine was replaced.
 *
 * @module
 */

import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { escape } from "../log/fields.ts";
import { Keys } from "../replicate/layout.ts";
import { adopt } from "../replicate/owner.ts";
import { Bucket } from "../s3/bucket.ts";
import { retrying } from "../s3/retrying.ts";
import { hubName } from "../s3/settings.ts";
import { DataDirectory } from "../store/data-directory.ts";
import { requireImages } from "../store/own-folder.ts";
import { loadFor, type SettingsOptions } from "./check.ts";
import { readTarget, refusalOf } from "./replicate-test.ts";

/** How long the store may take for each call, in milliseconds. */
const CALL_MS_MAX = 10_000;

/**
 * Adopts the folder.
 *
 * @throws {FatalError} if the settings are of no use, the store does not answer or refuses
 */
export async function replicateAdopt(options: SettingsOptions): Promise<ExitStatus> {
  const { settings } = loadFor(options);
  const { replicate } = settings;
  const bucket = new Bucket(readTarget(replicate));
  const keys = new Keys(hubName(replicate));
  const directory = new DataDirectory(settings.data_directory);
  const link = {
    call: async <T>(make: (options: { msMax: number }) => Promise<T>): Promise<T> =>
      await retrying(async () => await make({ msMax: CALL_MS_MAX })),
  };
  try {
    requireImages(directory);
    const former = await adopt({ bucket, link, keys, directory });
    const what =
      former === undefined
        ? `${keys.of("")} belongs to ${directory.path}`
        : `${keys.of("")} belongs to ${directory.path} now. Before, it belonged to a hub on ${former}, which must not run any more`;
    process.stdout.write(`${escape(what)}\n`);
    return EXIT.ok;
  } catch (error) {
    throw refusalOf(error) ?? new FatalError(EXIT.failure, messageOf(error), { cause: error });
  }
}
