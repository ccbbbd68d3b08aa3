/**
 * The settings under `replicate` as the store needs them.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { errorReason } from "../config/layer.ts";
import { KEY } from "../config/replicate.ts";
import type { Settings } from "../config/schema.ts";
import { isLoopback } from "../net/listen-address.ts";
import { exposureNotice, isExposed } from "../os/exposure.ts";
import type { Target } from "./target.ts";

type Replicate = Settings["replicate"];

/**
 * Reads the files, so that renewed ones are used from then on.
 *
 * @throws {Error} with a message about what is wrong
 */
export function targetOf(replicate: Replicate): Target {
  const { endpoint, bucket, region, style, ca } = replicate;
  return {
    endpoint: new URL(endpoint),
    bucket,
    region,
    style,
    ...keysOf(replicate),
    ca: ca === "" ? undefined : readCertificate(ca).pem,
  };
}

/** The folder of this hub in the bucket. `<name>` is the machine's name. */
export function hubName({ name }: Pick<Replicate, "name">): string {
  const machine = hostname()
    .replaceAll(/[^\w.-]/g, "-")
    .replace(/^\./, "_");
  return name.replaceAll("<name>", machine);
}

/**
 * What is worth knowing about the settings, without a connection.
 *
 * @throws {Error} with a message about what is wrong
 */
export function targetNotes(replicate: Replicate): string[] {
  const { endpoint } = targetOf(replicate);
  const { key_file: keyFile, ca } = replicate;
  const notes: string[] = [];
  if (keyFile !== "" && isExposed(statSync(keyFile)))
    notes.push(exposureNotice("secret key", keyFile));
  if (endpoint.protocol === "http:") {
    if (ca !== "") notes.push("hub.replicate.ca is not used with http://, only with https://");
    if (!isOwn(endpoint.hostname))
      notes.push(
        "hub.replicate.endpoint begins with http://, so whoever is on the way can read all images. " +
          "The secret key is not sent. Use https:// if others are on the network",
      );
  } else if (ca !== "") {
    const { endsMs } = readCertificate(ca);
    if (endsMs <= Date.now())
      notes.push(
        `hub.replicate.ca: the certificate in ${ca} has expired on ${new Date(endsMs).toISOString().slice(0, 10)}: renew it`,
      );
  }
  return notes;
}

function keysOf(replicate: Replicate): Pick<Target, "accessKey" | "secretKey"> {
  const { access_key: accessKey, secret_key: secretKey, key_file: file } = replicate;
  if (file === "") return { accessKey, secretKey };
  const lines = read(file)
    .trimEnd()
    .split("\n")
    .map((line) => line.trim());
  const [first = "", second = ""] = lines;
  // None of it is shown: it may be the secret.
  // No access key has a slash, as it parts the fields of a signature; secret keys often have one.
  if (lines.length !== 2 || !KEY.test(first) || first.includes("/") || !KEY.test(second))
    throw new Error(
      `${file} is wrong: it must have two lines, the access key and then the secret key`,
    );
  return { accessKey: first, secretKey: second };
}

function readCertificate(file: string): { pem: string; endsMs: number } {
  const pem = read(file);
  try {
    return { pem, endsMs: new X509Certificate(pem).validToDate.getTime() };
  } catch (cause) {
    throw new Error(`${file} is wrong: it holds no certificate in PEM`, { cause });
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new Error(`Cannot read ${file}: ${errorReason(cause)}`, { cause });
  }
}

/** Whether only this machine is on the way to a host. */
function isOwn(host: string): boolean {
  const address = host.replaceAll(/[[\]]/g, "");
  return host === "localhost" || (isIP(address) !== 0 && isLoopback({ host: address }));
}
