/**
 * `imagehub replicate test`: puts a small object into the bucket of the settings, reads it back,
 * and says what worked or why it did not.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { escape } from "../log/fields.ts";
import { Bucket } from "../s3/bucket.ts";
import { StoreError } from "../s3/errors.ts";
import { probe } from "../s3/probe.ts";
import { hubName, targetOf } from "../s3/settings.ts";
import type { Target } from "../s3/target.ts";
import { loadFor, replicateNotes, type SettingsOptions } from "./check.ts";

/** How long the store may take for each call, in milliseconds. */
const CALL_MS_MAX = 10_000;

/**
 * Tries the bucket.
 *
 * @returns `EXIT.failure` if the store does not do what is needed
 * @throws {FatalError} if the settings are of no use, the store does not answer or refuses
 */
export async function replicateTest(options: SettingsOptions): Promise<ExitStatus> {
  const loaded = loadFor(options);
  const { replicate } = loaded.settings;
  for (const note of await replicateNotes(loaded)) process.stderr.write(`${escape(note)}\n`);
  const target = readTarget(replicate);
  const { endpoint, bucket } = target;
  say(`Bucket ${bucket} at ${endpoint.origin}`);
  const time = new Date().toISOString().replaceAll(":", ".");
  const key = `${hubName(replicate)}/test/${time}.txt`;
  try {
    const problem = await probe(new Bucket(target), key, say, { msMax: CALL_MS_MAX });
    if (problem === undefined) return EXIT.ok;
    say(problem);
    return EXIT.failure;
  } catch (error) {
    throw refusalOf(error) ?? error;
  }
}

/** @throws {FatalError} if the settings are of no use, or there are none */
export function readTarget(replicate: Settings["replicate"]): Target {
  if (replicate.endpoint === "")
    throw new FatalError(EXIT.config, "hub.replicate.endpoint is not set");
  try {
    return targetOf(replicate);
  } catch (cause) {
    throw new FatalError(EXIT.config, `hub.replicate: ${messageOf(cause)}`, { cause });
  }
}

/** The error to end with if a store has refused or not answered; undefined if it is another one. */
export function refusalOf(error: unknown): FatalError | undefined {
  if (!(error instanceof StoreError)) return undefined;
  return new FatalError(statusOf(error), error.message, { cause: error });
}

function statusOf({ problem }: StoreError): ExitStatus {
  const isUnanswered = problem === "unreachable" || problem === "name" || problem === "busy";
  return isUnanswered ? EXIT.unanswered : EXIT.refused;
}

function say(text: string): void {
  process.stdout.write(escape(text) + "\n");
}
