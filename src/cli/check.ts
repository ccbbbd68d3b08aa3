/**
 * `imagehub check`: checks the settings and prints those in force.
 *
 * @module
 */

import { statSync } from "node:fs";
import { type LoadedSettings, loadSettings } from "../config/load.ts";
import { formatSettings } from "../config/print.ts";
import type { Settings } from "../config/schema.ts";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import {
  ageNotice,
  type Certificate,
  type CertificatePaths,
  readCertificate,
} from "../http/certificate.ts";
import { exposureNotice, isExposed } from "../os/exposure.ts";
import { connectionNotes } from "../tell/mqtt-options.ts";

/** The options that choose or change settings. */
export interface SettingsOptions {
  readonly path?: string;
  readonly config?: string;
  readonly port?: string;
  readonly data?: string;
}

/** The options of `check`. */
export interface CheckOptions extends SettingsOptions {
  /** Whether to print nothing if the settings are valid. */
  readonly quiet?: boolean;
}

/** Prints the settings in force, as YAML. Rejects with a {@link FatalError} if they are wrong. */
export async function check(options: CheckOptions): Promise<ExitStatus> {
  const loaded = loadFor(options);
  const { http, mqtt } = loaded.settings;
  const notes = [
    ...loaded.notes,
    ...certificateNotes(http.tls),
    ...mqttNotes(mqtt),
    ...(await webhookNotes(loaded.settings)),
    ...(await replicateNotes(loaded)),
    ...(await viewNotes(loaded.settings)),
  ];
  if (options.quiet === true) return EXIT.ok;
  for (const note of notes) process.stderr.write(`${note}\n`);
  const where = loaded.file ?? `no file at ${loaded.place}, built-in defaults`;
  process.stdout.write(`# Settings: ${where}\n${formatSettings(loaded)}`);
  return EXIT.ok;
}

/** What is worth knowing about the certificate. @throws {FatalError} if it is of no use */
function certificateNotes(paths: CertificatePaths): string[] {
  if (paths.certificate === "") return [];
  let certificate: Certificate;
  try {
    certificate = readCertificate(paths);
  } catch (cause) {
    throw new FatalError(EXIT.config, `hub.http.tls: ${messageOf(cause)}`, { cause });
  }
  const age = ageNotice(certificate, Date.now());
  const exposure = certificate.isExposed ? exposureNotice("key", paths.key) : undefined;
  return [age, exposure].filter((note) => note !== undefined);
}

/** What is worth knowing about the MQTT broker. @throws {FatalError} if a file is of no use */
function mqttNotes(mqtt: Settings["mqtt"]): string[] {
  if (mqtt.url === "") return [];
  try {
    return connectionNotes(mqtt);
  } catch (cause) {
    throw new FatalError(EXIT.config, `hub.mqtt: ${messageOf(cause)}`, { cause });
  }
}

/** What is worth knowing about webhooks. Rejects with a {@link FatalError} if a file is wrong. */
async function webhookNotes({ webhooks }: Settings): Promise<string[]> {
  if (webhooks.length === 0) return [];
  const { readWebhookFiles } = await import("../tell/webhook-files.ts");
  const { exposureOf, webhookName } = await import("../tell/webhook.ts");
  const problems: string[] = [];
  const notes: string[] = [];
  for (const [at, webhook] of webhooks.entries()) {
    try {
      const { url, exposed } = await readWebhookFiles(webhook);
      notes.push(...exposed.map((path) => exposureOf(webhookName(at + 1, url), path)));
    } catch (error) {
      problems.push(`hub.webhooks.${at}: ${messageOf(error)}`);
    }
  }
  if (problems.length > 0) throw new FatalError(EXIT.config, problems.join("\n"));
  return notes;
}

/** What is worth knowing about the store. Rejects with a {@link FatalError} if a file is wrong. */
export async function replicateNotes({
  settings: { replicate },
  file,
  origins,
}: LoadedSettings): Promise<string[]> {
  if (replicate.endpoint === "") return [];
  const { targetNotes } = await import("../s3/settings.ts");
  const isInFile = origins.get("replicate.secret_key")?.source === "file";
  const exposed =
    file !== undefined && isInFile && replicate.secret_key !== "" && isExposed(statSync(file))
      ? [exposureNotice("secret key", file)]
      : [];
  try {
    return [...targetNotes(replicate), ...exposed];
  } catch (cause) {
    throw new FatalError(EXIT.config, `hub.replicate: ${messageOf(cause)}`, { cause });
  }
}

/** What is worth knowing about the hubs of a view. Rejects as {@link replicateNotes}. */
export async function viewNotes({ view }: Pick<Settings, "view">): Promise<string[]> {
  if (view.hubs.length === 0) return [];
  const { hubFileNotes } = await import("../fleet/hub-files.ts");
  try {
    return hubFileNotes(view);
  } catch (cause) {
    throw new FatalError(EXIT.config, messageOf(cause), { cause });
  }
}

/** Loads the settings that the command line asks for. @throws {FatalError} if they are wrong */
export function loadFor({ path, config, port, data }: SettingsOptions): LoadedSettings {
  return loadSettings({
    path,
    config,
    env: process.env,
    overrides: { port, data_directory: data },
  });
}
