/**
 * Certificates that openssl makes.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** The files of a certificate, named as the settings of `http.tls`. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/**
 * Makes a certificate for `NAME.example`.
 *
 * @param options days until it expires, if negative since it has; and who issues it, default itself
 */
export function makeCertificate(
  dir: string,
  name: string,
  { days = 90, issuer }: { readonly days?: number; readonly issuer?: CertificateFiles } = {},
): CertificateFiles {
  const place = (kind: string): string => join(dir, `${name}.${kind}`);
  const [certificate, key, request, names] = ["pem", "key", "csr", "ext"].map(place) as [
    string,
    string,
    string,
    string,
  ];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(["req", ...curve, "-keyout", key, "-out", request, "-subj", `/CN=${name}`]);
  writeFileSync(names, `subjectAltName=DNS:${name}.example`);
  const by =
    issuer === undefined
      ? ["-signkey", key]
      : ["-CA", issuer.certificate, "-CAkey", issuer.key, "-set_serial", "7"];
  openssl(
    ["x509", "-req", "-in", request, "-extfile", names, "-out", certificate].concat(
      ["-days", String(days)],
      by,
    ),
  );
  return { certificate, key };
}

function openssl(args: readonly string[]): void {
  const { success, stderr } = Bun.spawnSync(["openssl", ...args], { stderr: "pipe" });
  if (!success) throw new Error(`openssl ${args.join(" ")}: ${stderr.toString()}`);
}
