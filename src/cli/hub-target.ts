/**
 * Which hub a command asks over HTTP, and how it is asked.
 *
 * @module
 */

import { errorCode, readingReason } from "../config/layer.ts";
import type { Settings } from "../config/schema.ts";
import { EXIT, FatalError, messageOf } from "../errors.ts";
import { type PublicCertificate, readPublic } from "../http/certificate.ts";
import { readToken } from "../http/token.ts";
import { OFF, parseListen, urlOf } from "../net/listen-address.ts";
import { findRunningService, type RunningService } from "../service/running.ts";
import { loadFor, type SettingsOptions } from "./check.ts";
import { machineNames, pageLines } from "./page-address.ts";

/** Advice if no hub answers. */
const ADVICE =
  "Check that it is running (systemctl status imagehub), uses these settings, and that http.listen is not off. To ask another address, give --url";

/** The options that choose a hub. */
export interface HubOptions extends SettingsOptions {
  readonly url?: string;
  readonly tokenFile?: string;
}

/** Where to ask, and the token to send. */
export interface Target {
  readonly url: string;
  readonly token: string | undefined;
  /** The only certificate that it may show; undefined: any that is valid for the address. */
  readonly certificate?: PublicCertificate | undefined;
  /** Where a person opens the page, in lines. */
  readonly page: readonly string[];
  /** Advice if nobody answers. */
  readonly advice?: string;
}

/**
 * The hub that the options mean. The token from the settings is sent only to the address from the
 * settings.
 *
 * @throws {FatalError}
 */
export function targetOf(options: HubOptions): Target {
  const { url, tokenFile, path, config } = options;
  if (url !== undefined) {
    const origin = originOf(url);
    return { url: origin, page: [origin], token: tokenIn(tokenFile ?? "") };
  }
  const service = path === undefined && config === undefined ? findRunningService() : undefined;
  if (service !== undefined) return serviceTarget(service, tokenFile);
  const { settings, file, place } = loadFor(options);
  return ownTarget(settings, file ?? place, tokenFile);
}

/** The caller may not be the service's user, and its files may not be readable for everyone. */
function serviceTarget({ config, settings, problem }: RunningService, tokenFile?: string): Target {
  const advice =
    problem === undefined
      ? undefined
      : `Cannot read the settings of the service: ${problem}\nAsk as root (sudo ${process.execPath} status), or give its address with --url`;
  return { ...ownTarget(settings, config, tokenFile), ...(advice !== undefined && { advice }) };
}

/**
 * The hub on this machine that has these settings.
 *
 * @param where they are from, for a person
 * @throws {FatalError}
 */
export function ownTarget(settings: Settings, where: string, tokenFile?: string): Target {
  const { http } = settings;
  const address = http.listen === OFF ? undefined : parseListen(http.listen);
  if (address === undefined) {
    throw new FatalError(
      EXIT.config,
      `hub.http.listen is off (${where}), so the hub cannot be asked: set it to an address, or give --url`,
    );
  }
  // This machine needs no proxy. The runtime would use one even for 127.0.0.1.
  for (const name of ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"])
    delete process.env[name];
  const certificate = certificateIn(http.tls.certificate);
  const url = urlOf(address, certificate !== undefined);
  return {
    url,
    page: pageLines(settings, machineNames()),
    token: tokenIn(tokenFile ?? http.token_file),
    certificate,
  };
}

function certificateIn(path: string): PublicCertificate | undefined {
  if (path === "") return undefined;
  try {
    return readPublic(path);
  } catch (cause) {
    const reason = messageOf(cause);
    const advice = reason.includes("EACCES") ? "; ask as root" : "";
    throw new FatalError(EXIT.config, `hub.http.tls.certificate: ${reason}${advice}`, { cause });
  }
}

function originOf(text: string): string {
  const url = URL.parse(/^https?:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || url.pathname !== "/" || url.search !== "") {
    throw new FatalError(
      EXIT.usage,
      `--url is "${text}", must be the hub's address, such as http://data1:8550`,
    );
  }
  return url.origin;
}

function tokenIn(path: string): string | undefined {
  if (path === "") return undefined;
  try {
    return readToken(path).token;
  } catch (cause) {
    const advice = errorCode(cause) === "EACCES" ? "; ask as root, or give --token-file" : "";
    const reason = `Cannot read the token (${path}): ${readingReason(cause)}${advice}`;
    throw new FatalError(EXIT.config, reason, { cause });
  }
}

/**
 * Asks a hub.
 *
 * @param path such as `/api/status`
 * @param signal ends it
 * @param body makes it a POST, with JSON
 * @returns its answer, which is a good one
 * @throws {FatalError} if no hub answers, or it refuses
 */
export async function request(
  { url, token, certificate, advice = ADVICE }: Target,
  path: string,
  signal: AbortSignal,
  body?: unknown,
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${url}${path}`, {
      headers: {
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(body !== undefined && { "Content-Type": "application/json" }),
      },
      ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
      redirect: "error",
      ...(certificate !== undefined && { tls: only(certificate) }),
      signal,
    });
  } catch (cause) {
    const distrust = distrustIn(cause, certificate !== undefined);
    if (distrust !== undefined)
      throw new FatalError(EXIT.refused, `What answers at ${url} ${distrust}`, { cause });
    throw unanswered({ url, advice }, cause);
  }
  if (response.status === 401) {
    const need = token === undefined ? "needs a token" : "has another token than this one";
    throw new FatalError(
      EXIT.refused,
      `The hub at ${url} ${need}; see http.token_file there, or give --token-file`,
    );
  }
  if (response.status === 429) {
    const seconds = response.headers.get("retry-after") ?? "60";
    throw new FatalError(
      EXIT.refused,
      `The hub at ${url} has had too many wrong tokens from this address; try again in ${seconds} s`,
    );
  }
  if (response.status === 421) {
    throw new FatalError(
      EXIT.refused,
      `The hub at ${url} answers under this name only with a token; give --url with 127.0.0.1, [::1] or localhost, or set http.token_file there`,
    );
  }
  if (response.status === 503) {
    const reason = (await response.text()).trim();
    throw new FatalError(EXIT.unanswered, `The hub at ${url} cannot answer now: ${reason}`);
  }
  if (response.status === 400 && (await response.text()).includes("HTTPS")) {
    throw new FatalError(
      EXIT.refused,
      `What answers at ${url} speaks HTTPS: begin the address with https://`,
    );
  }
  if (!response.ok) {
    throw new FatalError(
      EXIT.refused,
      `What answers at ${url} is not an imagehub, or is too old: status ${response.status}`,
    );
  }
  return response;
}

/** The error if no hub answers, or its answer breaks off. */
export function unanswered(
  { url, advice = ADVICE }: Pick<Target, "url" | "advice">,
  cause: unknown,
): FatalError {
  const reason = networkMessageOf(cause);
  return new FatalError(EXIT.unanswered, `No hub answers at ${url}: ${reason}\n${advice}`, {
    cause,
  });
}

const ANOTHER_CERTIFICATE = "another certificate";

/**
 * Trusts one certificate, whatever its name is and whoever has issued it: on this machine, the hub
 * is asked at an address that is not in its certificate.
 */
function only({ cert, fingerprint }: PublicCertificate): BunFetchRequestInitTLS {
  const trust = {
    ca: cert,
    // Its issuer need not be known.
    allowPartialTrustChain: true,
    checkServerIdentity: (_: string, shown: { readonly fingerprint256: string }) =>
      shown.fingerprint256 === fingerprint ? undefined : new Error(ANOTHER_CERTIFICATE),
  };
  return trust;
}

/** What is wrong with the certificate that was shown; undefined if that is not the reason. */
function distrustIn(error: unknown, isOwn: boolean): string | undefined {
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (code === "CERT_HAS_EXPIRED") return "shows a certificate that has expired: renew it";
  if (message !== ANOTHER_CERTIFICATE && !/CERT|SIGNATURE|ISSUER/.test(code)) return undefined;
  return isOwn
    ? "shows another certificate than the one in hub.http.tls.certificate: if that was renewed, reload the hub (sudo systemctl reload imagehub)"
    : `shows a certificate that this machine does not trust (${message}): name a file with it, or with that of its issuer, in the variable NODE_EXTRA_CA_CERTS`;
}

/** Why a request over the network failed. */
function networkMessageOf(error: unknown): string {
  const text = messageOf(error);
  // The runtime's own words are for programmers, so replace them.
  if (/ECONNREFUSED|ConnectionRefused/.test(text)) return "nothing listens there (ECONNREFUSED)";
  if (/ECONNRESET|socket connection was closed/.test(text))
    return "what listens there does not speak HTTP (ECONNRESET)";
  return text;
}
