/**
 * Certificates that openssl makes.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The files of a certificate, named as the settings of `http.tls`. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/**
 * Makes a certificate.
 *
 * @param options days until it expires, if negative since it has; days since it began; who issues
 * it, default itself, which is all that there is for one that began before; whom it is for, default
 * `NAME.example`; and whether it may issue others
 */
export function makeCertificate(
  dir: string,
  name: string,
  {
    days = 90,
    age = 0,
    issuer,
    owner = `DNS:${name}.example`,
    isAuthority = false,
  }: {
    readonly days?: number;
    readonly age?: number;
    readonly issuer?: CertificateFiles;
    readonly owner?: string;
    readonly isAuthority?: boolean;
  } = {},
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
  const authority = isAuthority ? "\nbasicConstraints=critical,CA:TRUE" : "";
  writeFileSync(names, `subjectAltName=${owner}${authority}`);
  if (age > 0) {
    issueEarlier({ certificate, key }, request, names, [-age, days]);
    return { certificate, key };
  }
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

/** The only command of openssl 3.0 that can choose when a certificate begins is that of issuers. */
function issueEarlier(
  { certificate, key }: CertificateFiles,
  request: string,
  names: string,
  ends: readonly number[],
): void {
  const [config, database, serial] = ["ca", "index", "serial"].map((kind) => `${key}.${kind}`);
  writeFileSync(database!, "");
  writeFileSync(serial!, "01");
  writeFileSync(
    config!,
    `[ca]\ndefault_ca=it\n[it]\nnew_certs_dir=${dirname(key)}\ndatabase=${database}\n` +
      `serial=${serial}\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n`,
  );
  const [start = "", end = ""] = ends.map((days) => {
    const time = new Date(Date.now() + days * 86_400_000).toISOString();
    return `${time.slice(0, 19).replaceAll(/[-:T]/g, "")}Z`;
  });
  openssl(
    ["ca", "-config", config!, "-batch", "-selfsign", "-keyfile", key, "-in", request].concat(
      ["-extfile", names, "-out", certificate, "-notext"],
      ["-startdate", start, "-enddate", end],
    ),
  );
}

function openssl(args: readonly string[]): void {
  const { success, stderr } = Bun.spawnSync(["openssl", ...args], { stderr: "pipe" });
  if (!success) throw new Error(`openssl ${args.join(" ")}: ${stderr.toString()}`);
}
