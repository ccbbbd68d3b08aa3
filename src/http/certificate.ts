/**
 * The certificate that the HTTP listener shows, and its key.
 *
 * @module
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { messageOf } from "../errors.ts";
import { isExposed } from "../os/exposure.ts";

/**
 * From so long before its end on, people are told, in milliseconds, and as a part of its whole
 * life: some live for a few days only.
 */
const NOTICE_MS_MAX = 14 * 86_400_000;
const NOTICE_PART = 1 / 3;

/** The setting `http.tls`: two paths. Both are empty if there is no TLS. */
export interface CertificatePaths {
  readonly certificate: string;
  readonly key: string;
}

/** What everybody may see of a certificate. */
export interface PublicCertificate {
  /** In PEM, with the certificates of those who have issued it. */
  readonly cert: string;
  /** SHA-256 of the certificate. */
  readonly fingerprint: string;
  /** The first name of a host in it. */
  readonly host: string | undefined;
  /** When it begins to be valid and when it expires, in milliseconds since 1970. */
  readonly beginsMs: number;
  readonly endsMs: number;
}

/** A certificate and the key that fits it. */
export interface Certificate extends PublicCertificate {
  readonly key: string;
  /** Whether any user of the machine can read the key. */
  readonly isExposed: boolean;
}

/** Reads both files. @throws {Error} with a message about what is wrong; age is not */
export function readCertificate(paths: CertificatePaths): Certificate {
  const known = readPublic(paths.certificate);
  const { cert } = known;
  const key = read(paths.key);
  const secret = parse(`${paths.key} holds no key in PEM, or one with a passphrase`, () =>
    createPrivateKey(key),
  );
  if (!new X509Certificate(cert).checkPrivateKey(secret))
    throw new Error(`The key in ${paths.key} does not fit the certificate in ${paths.certificate}`);
  // The listener would refuse what this refuses, such as half of an issuer's certificate.
  parse(`${paths.certificate} holds more than certificates in PEM`, () =>
    createSecureContext({ cert, key }),
  );
  return { ...known, key, isExposed: isExposed(statSync(paths.key)) };
}

/** Reads a certificate without its key. @throws {Error} with a message about what is wrong */
export function readPublic(path: string): PublicCertificate {
  const cert = read(path);
  return parse(`${path} holds no complete certificate in PEM`, () => {
    const shown = new X509Certificate(cert);
    return {
      cert,
      fingerprint: shown.fingerprint256,
      host: /(?:^|, )DNS:([\w.-]+)/.exec(shown.subjectAltName ?? "")?.[1],
      beginsMs: shown.validFromDate.getTime(),
      endsMs: shown.validToDate.getTime(),
    };
  });
}

/** What to say about its age; undefined if it is valid for a while. */
export function ageNotice(
  { beginsMs, endsMs }: Pick<Certificate, "beginsMs" | "endsMs">,
  nowMs: number,
): string | undefined {
  if (endsMs - nowMs > Math.min(NOTICE_MS_MAX, (endsMs - beginsMs) * NOTICE_PART)) return undefined;
  const verb = endsMs <= nowMs ? "has expired" : "expires";
  return `The certificate of http.tls ${verb} on ${new Date(endsMs).toISOString().slice(0, 10)}: renew it, then reload the hub`;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new Error(`Cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}

function parse<T>(problem: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new Error(problem, { cause });
  }
}
