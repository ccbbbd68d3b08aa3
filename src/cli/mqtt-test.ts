/**
 * `imagehub mqtt test`: sends one message to the broker of the settings, and says what worked or
 * why it did not.
 *
 * @module
 */

import type { IClientOptions, MqttClient } from "mqtt";
import { EXIT, type ExitStatus, FatalError, messageOf } from "../errors.ts";
import { escape } from "../log/fields.ts";
import { openClient } from "../tell/mqtt-link.ts";
import { connectionNotes, connectionOptions } from "../tell/mqtt-options.ts";
import { brokerReason, isOfVersion, isUnanswered } from "../tell/mqtt-reason.ts";
import { Topics } from "../tell/mqtt-topics.ts";
import { loadFor, type SettingsOptions } from "./check.ts";

/** How long the broker may take to confirm the message, in milliseconds. */
const CONFIRM_MS_MAX = 10_000;

/** How long the message may take to come back, in milliseconds. */
const BACK_MS_MAX = 3000;

/**
 * Sends the message.
 *
 * @returns `EXIT.failure` if the broker has taken it, but does not give it back
 * @throws {FatalError} if the settings are of no use, or the broker does not take it
 */
export async function mqttTest(options: SettingsOptions): Promise<ExitStatus> {
  const { settings } = loadFor(options);
  const { url, user } = settings.mqtt;
  if (url === "") throw new FatalError(EXIT.config, "hub.mqtt.url is not set");
  const connection = optionsOf(settings.mqtt);
  const topic = Topics.of(settings.mqtt).test;
  const client = await connected(connection);
  try {
    say(`Connected to ${url}${user === "" ? "" : ` as ${user}`}`);
    const back = Promise.withResolvers<true>();
    client.on("message", () => back.resolve(true));
    client.subscribe(topic, { qos: 1 }, () => undefined);
    const text = `A test of imagehub, ${new Date().toISOString()}`;
    const taken = client.publishAsync(topic, text, { qos: 1 });
    if ((await within(CONFIRM_MS_MAX, taken.catch(refused))) === undefined)
      throw new FatalError(EXIT.unanswered, "The broker does not confirm the message");
    say(`The broker has confirmed a message on ${topic}`);
    if ((await within(BACK_MS_MAX, back.promise)) === undefined) {
      say(
        "But it has not come back: the broker does not let this user write or read there. " +
          "It must be allowed both for this topic and all beside it",
      );
      return EXIT.failure;
    }
    say("It has come back");
    return EXIT.ok;
  } finally {
    client.end(true);
  }
}

/** MQTT 5 says that it does not take a message. */
function refused(cause: Error): never {
  const text = "The broker refuses the message. Does it let this user write and read there?";
  throw new FatalError(EXIT.refused, `${text} (${cause.message})`, { cause });
}

function optionsOf(settings: Parameters<typeof connectionOptions>[0]): IClientOptions {
  try {
    for (const note of connectionNotes(settings)) process.stderr.write(escape(note) + "\n");
    return connectionOptions(settings);
  } catch (cause) {
    throw new FatalError(EXIT.config, `hub.mqtt: ${messageOf(cause)}`, { cause });
  }
}

/** @throws {FatalError} if the broker does not accept the connection */
async function connected(options: IClientOptions, isOld = false): Promise<MqttClient> {
  // With an id of its own: the running hub keeps its connection.
  const client = openClient(options, isOld);
  const outcome = Promise.withResolvers<MqttClient | Error | undefined>();
  client.on("error", (error) => outcome.resolve(error));
  client.on("close", () => outcome.resolve(undefined));
  client.on("connect", () => outcome.resolve(client));
  const result = await outcome.promise;
  if (result === client) return client;
  client.end(true);
  const problem = result instanceof Error ? result : undefined;
  if (!isOld && isOfVersion(problem)) return await connected(options, true);
  const { host = "", port = 0 } = options;
  const reason = brokerReason(problem, { host, port });
  const isSilent = problem !== undefined && isUnanswered(problem);
  throw new FatalError(isSilent ? EXIT.unanswered : EXIT.refused, reason);
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T | true | undefined> {
  return await Promise.race([
    promise.then((value) => value ?? true),
    Bun.sleep(ms).then(() => undefined),
  ]);
}

function say(text: string): void {
  process.stdout.write(escape(text) + "\n");
}
