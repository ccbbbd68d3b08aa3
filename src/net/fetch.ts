/**
 * `fetch` without the lookup of names that it does itself, see `addresses.ts`, and its errors in
 * words.
 *
 * @module
 */

import { isIPv6 } from "node:net";
import { addressOf, takeAnother } from "./addresses.ts";

/** A request. */
export interface FetchRequest {
  readonly method: string;
  /** `Host` is added if it is missing. */
  readonly headers: Headers;
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined;
  /** Certificates to trust instead of those that the system knows, in PEM. */
  readonly ca: string | undefined;
  /** Ends it at any time, with the reading of the answer. */
  readonly signal: AbortSignal;
}

/** The code of the error if {@link FetchRequest.signal} came before an answer of DNS. */
export const DNS_SILENT = "DNS_SILENT";

/**
 * Sends a request. Follows no redirect: it would lead elsewhere what is meant for this host, with
 * its secrets.
 *
 * @throws {Error} if no answer comes. Its message may contain the whole URL; see
 * {@link fetchReason}
 */
export async function fetchAnswer(
  url: URL,
  { ca, signal, ...request }: FetchRequest,
): Promise<Response> {
  try {
    const address = await lookUp(url.hostname, signal);
    const to = new URL(url);
    const headers = new Headers(request.headers);
    if (address !== undefined) {
      to.hostname = isIPv6(address) ? `[${address}]` : address;
      if (!headers.has("Host")) headers.set("Host", url.host);
    }
    return await fetch(to, {
      ...request,
      headers,
      redirect: "manual",
      signal,
      tls: {
        ...(ca !== undefined && { ca }),
        ...(address !== undefined && { serverName: url.hostname }),
      },
    });
  } catch (error) {
    takeAnother(url.hostname);
    throw error;
  }
}

/** A lookup cannot be ended, but nobody need wait for it. */
async function lookUp(host: string, signal: AbortSignal): Promise<string | undefined> {
  const silent = Promise.withResolvers<never>();
  const end = (): void =>
    silent.reject(Object.assign(new Error("No answer of DNS"), { code: DNS_SILENT }));
  if (signal.aborted) end();
  signal.addEventListener("abort", end);
  try {
    return await Promise.race([addressOf(host), silent.promise]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

const UNKNOWN_AUTHORITY = "its certificate is of an authority that is not trusted; see ca";

/** What `fetch` throws because of a certificate, by its code. */
const CERTIFICATE_REASONS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by itself; see ca",
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

/** What else it throws. */
const REASONS: Readonly<Record<string, string>> = {
  ...CERTIFICATE_REASONS,
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was closed without an answer",
  ENOTFOUND: "there is no such host",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  EPROTO: "it does not speak TLS there",
};

/** The code of an error of {@link fetchAnswer}; empty if it has none. */
export function fetchCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Whether the certificate of the other side is the reason. */
export function isCertificateCode(code: string): boolean {
  return code in CERTIFICATE_REASONS;
}

/** Whether the host has no address, or none that anybody can tell now. */
export function isLookupCode(code: string): boolean {
  return code === "ENOTFOUND" || /^(?:DNS_|EAI_)/.test(code);
}

/** Why no answer came, in words for a person that contain nothing of the URL. */
export function fetchReason(code: string): string {
  const known = REASONS[code];
  if (known !== undefined) return known;
  if (isLookupCode(code)) return `the name of the host cannot be looked up (${code})`;
  return /^\w+$/.test(code) ? `cannot connect (${code})` : "cannot connect";
}
