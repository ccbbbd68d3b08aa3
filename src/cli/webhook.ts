/**
 * `imagehub webhook test`: sends a test message to the webhooks of the settings.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { WebhookSettings } from "../config/webhook.ts";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { Calendar, systemClock } from "../protocol/calendar.ts";
import { oneLine } from "../protocol/names.ts";
import { testFacts } from "../tell/facts.ts";
import { readWebhookFiles } from "../tell/webhook-files.ts";
import { sendRequest } from "../tell/webhook-request.ts";
import { webhookName } from "../tell/webhook.ts";
import { loadFor, type SettingsOptions } from "./check.ts";

/** How much of an answer is shown, in characters. */
const SHOWN_MAX = 300;

/** Parts of a path from this length on may be secrets, in characters. */
const SECRET_CHARS = 6;

/**
 * Sends a test message to each webhook, or to one, once. @param number from 1
 *
 * @returns 1 if one has not taken it
 */
export async function test(
  number: string | undefined,
  options: SettingsOptions,
): Promise<ExitStatus> {
  const { webhooks } = loadFor(options).settings;
  if (webhooks.length === 0) throw new FatalError(EXIT.config, "hub.webhooks has no entries");
  const chosen = webhooks
    .map((webhook, at) => [at + 1, webhook] as const)
    .filter(([each]) => number === undefined || String(each) === number);
  if (chosen.length === 0) {
    throw new FatalError(
      EXIT.usage,
      `There is no webhook ${number}: hub.webhooks has entries 1 to ${webhooks.length}`,
    );
  }
  let status: ExitStatus = EXIT.ok;
  for (const [each, webhook] of chosen) if (!(await testOne(each, webhook))) status = EXIT.failure;
  return status;
}

/** @returns whether it was taken */
async function testOne(number: number, settings: WebhookSettings): Promise<boolean> {
  let name = webhookName(number, undefined);
  try {
    const files = await readWebhookFiles(settings);
    name = webhookName(number, files.url);
    const calendar = new Calendar(systemClock);
    const facts = testFacts(hostname(), calendar.local(calendar.now()));
    const { signal } = new AbortController();
    const outcome = await sendRequest({ files, facts, id: randomUUID(), signal });
    const { message, answer } = outcome;
    const shown = withoutParts(oneLine(answer).trim(), files.url).slice(0, SHOWN_MAX);
    process.stdout.write(`${name}: ${message}${shown === "" ? "" : `: ${shown}`}\n`);
    return outcome.kind === "taken";
  } catch (error) {
    process.stdout.write(`${name}: ${messageOf(error)}\n`);
    return false;
  }
}

/** Some receivers repeat the path, which may be a secret. */
function withoutParts(text: string, { pathname, search }: URL): string {
  const parts = [search, pathname, ...pathname.split("/")].filter(
    ({ length }) => length >= SECRET_CHARS,
  );
  let shown = text;
  for (const part of parts) shown = shown.replaceAll(part, "…").replaceAll(decoded(part), "…");
  return shown;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
