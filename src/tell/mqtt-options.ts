/**
 * What the settings under `mqtt` say about the connection to the broker.
 *
 * @module
 */

import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import type { IClientOptions } from "mqtt";
import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import { readCertificate, readPublic } from "../http/certificate.ts";
import { exposureNotice, isExposed } from "../os/exposure.ts";

/** The settings under `mqtt`. */
export type MqttSettings = Settings["mqtt"];

/** How long the broker may take to accept a connection, in milliseconds. */
const CONNECT_MS_MAX = 10_000;

/** How often a silent connection is tried, in seconds. */
const KEEPALIVE_SECONDS = 30;

/** The broker's host and port. */
export function brokerOf({ url }: MqttSettings): { host: string; port: number; isTls: boolean } {
  const { hostname, port, protocol } = new URL(url);
  const isTls = protocol === "mqtts:";
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: port === "" ? (isTls ? 8883 : 1883) : Number(port), isTls };
}

/**
 * Reads the files, waiting for their disk.
 *
 * @throws {Error} with a message about what is wrong
 */
export function connectionOptions(mqtt: MqttSettings): IClientOptions {
  const { host, port, isTls } = brokerOf(mqtt);
  checkPairs(mqtt);
  const { user, password_file: file } = mqtt;
  return {
    host,
    port,
    protocol: isTls ? "mqtts" : "mqtt",
    connectTimeout: CONNECT_MS_MAX,
    keepalive: KEEPALIVE_SECONDS,
    // Connections are made anew by whoever has these options.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    ...(user !== "" && { username: user }),
    ...(file !== "" && { password: readPassword(file) }),
    ...(isTls && tlsOptions(mqtt, host)),
  };
}

function tlsOptions({ ca, certificate, key }: MqttSettings, host: string): IClientOptions {
  return {
    rejectUnauthorized: true,
    // An address is no name that a server can be asked by.
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca !== "" && { ca: readPublic(ca).cert }),
    ...(certificate !== "" && pairOf(readCertificate({ certificate, key }))),
  };
}

function pairOf({ cert, key }: { readonly cert: string; readonly key: string }) {
  return { cert, key };
}

/**
 * What is worth knowing about the settings, without a connection.
 *
 * @throws {Error} with a message about what is wrong
 */
export function connectionNotes(mqtt: MqttSettings): string[] {
  connectionOptions(mqtt);
  const { ca, certificate, key, password_file: password } = mqtt;
  const secrets = { password, key };
  const notes = Object.entries(secrets).flatMap(([what, file]) =>
    file === "" || !isExposed(statSync(file)) ? [] : exposureNotice(what, file),
  );
  const files = [ca, certificate].filter((file) => file !== "");
  if (!brokerOf(mqtt).isTls) {
    if (files.length > 0)
      notes.push(`hub.mqtt: ca, certificate and key are not used with mqtt://, only with mqtts://`);
    return notes;
  }
  for (const file of files) {
    const { endsMs } = readPublic(file);
    if (endsMs <= Date.now())
      notes.push(
        `hub.mqtt: the certificate in ${file} has expired on ${new Date(endsMs).toISOString().slice(0, 10)}: renew it`,
      );
  }
  return notes;
}

function checkPairs({ user, password_file: password, certificate, key }: MqttSettings): void {
  if (password !== "" && user === "") throw new Error("password_file needs user");
  if ((certificate === "") !== (key === ""))
    throw new Error("certificate and key belong together: one is missing");
}

function readPassword(file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (cause) {
    throw new Error(`Cannot read ${file}: ${messageOf(cause)}`, { cause });
  }
}
