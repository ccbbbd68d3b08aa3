/**
 * Why there is no connection to an MQTT broker, in words that say what to do.
 *
 * @module
 */

import { ReasonCodes } from "mqtt";
import { messageOf } from "../errors.ts";

/** Codes of the system: nobody is there who could answer. */
const UNREACHABLE = new Set(["EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "EHOSTDOWN"]);
const UNKNOWN_NAME = new Set(["ENOTFOUND", "EAI_AGAIN"]);

/** Codes of OpenSSL for a certificate that no known authority has signed. */
const UNKNOWN_AUTHORITY = new Set([
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
]);

/** The library's word for a broker that accepts a connection and says nothing. */
const SILENT = "connack timeout";

/** What the other side says of this side's certificate, in OpenSSL's words. */
const ALERT = /_ALERT_((?:BAD_|UNSUPPORTED_)?CERTIFICATE\w*|UNKNOWN_CA)/;

/** Codes for a wrong user or password, and for a user who may not connect: MQTT 3.1.1's and 5's. */
const LOGIN_CODES = new Set<unknown>([4, 5, 134, 135]);

/** The same for a version of MQTT that the broker does not speak. */
const VERSION_CODES = new Set<unknown>([1, 132]);

/** MQTT 5's code for a client that another one of the same name replaces. */
const TAKEN_OVER = 142;

/**
 * MQTT 5's codes for an end that no message is the reason for: the broker is busy or shuts down,
 * the client was silent or is replaced, a person wants it, another broker is to be used, there were
 * too many connections, or one was too long.
 */
const NOT_OF_MESSAGE = new Set<unknown>([137, 139, 141, TAKEN_OVER, 152, 156, 157, 159, 160]);

/** @param error undefined if the connection was closed without one */
export function brokerReason(
  error: Error | undefined,
  { host, port }: { readonly host: string; readonly port: number },
): string {
  const place = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const code = codeOf(error);
  if (LOGIN_CODES.has(code))
    return `The broker at ${place} refuses the user or the password, or this user may not connect`;
  if (typeof code === "number")
    return `The broker at ${place} refuses the connection: ${messageOf(error)}`;
  if (code === "ECONNREFUSED") return `No broker listens at ${place} (connection refused)`;
  if (UNKNOWN_NAME.has(code)) return `The name ${host} is not known`;
  if (code.startsWith("DNS_")) return `The name ${host} cannot be looked up (${code})`;
  if (UNREACHABLE.has(code)) return `${place} cannot be reached (${code})`;
  if (UNKNOWN_AUTHORITY.has(code))
    return `The certificate of the broker at ${place} is signed by an authority that is not known here: set hub.mqtt.ca`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return `The certificate of the broker at ${place} is for another name than ${host}`;
  if (code === "CERT_HAS_EXPIRED") return `The certificate of the broker at ${place} has expired`;
  const alert = ALERT.exec(error?.message ?? "")?.[1];
  if (alert === "CERTIFICATE_REQUIRED")
    return `The broker at ${place} wants a certificate: set hub.mqtt.certificate and hub.mqtt.key`;
  if (alert !== undefined)
    return `The broker at ${place} does not accept the certificate in hub.mqtt.certificate (${alert})`;
  if (error?.message === SILENT) return `The broker at ${place} does not answer`;
  if (isClosed(error))
    return (
      `The broker at ${place} has closed the connection at once. So it is if only one side ` +
      "speaks TLS (mqtts://)"
    );
  return `No connection to the broker at ${place}: ${messageOf(error)}`;
}

/** Why the broker has ended a connection. @param code of MQTT 5; undefined if it has said none */
export function closedReason(code: number | undefined): string {
  if (code === TAKEN_OVER)
    return "Another client has taken the hub's place at the broker: has another hub the same mqtt.topic?";
  const name = (ReasonCodes as Readonly<Record<number, string>>)[code ?? 0] ?? "";
  return `The broker has closed the connection${name === "" ? "" : ` (${name})`}`;
}

/** Whether a message may be the reason for this end. */
export function mayBeMessage(code: number | undefined): boolean {
  return !NOT_OF_MESSAGE.has(code);
}

/** Whether a broker has refused a version of MQTT, and may speak another. Some say no word. */
export function isOfVersion(error: Error | undefined): boolean {
  return VERSION_CODES.has(codeOf(error)) || isClosed(error);
}

/** Whether the other side has closed the connection. @param error undefined if there was none */
export function isClosed(error: Error | undefined): boolean {
  const code = codeOf(error);
  return error === undefined || code === "ECONNRESET" || code === "EPIPE";
}

/** Whether nobody is there who could answer. */
export function isUnanswered(error: Error): boolean {
  const code = codeOf(error);
  return (
    code === "ECONNREFUSED" ||
    error.message === SILENT ||
    (typeof code === "string" && (UNREACHABLE.has(code) || UNKNOWN_NAME.has(code)))
  );
}

function codeOf(error: Error | undefined): string | number {
  const { code } = (error ?? {}) as { readonly code?: string | number };
  return code ?? "";
}
