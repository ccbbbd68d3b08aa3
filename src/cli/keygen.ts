/**
 * `imagehub keygen`: makes a key pair for a hub or a node, for the `curve` settings.
 *
 * @module
 */

import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import { formatCertificate } from "../zmq/certificate.ts";

/** The options of `keygen`. */
export interface KeygenOptions {
  readonly out: string;
}

/**
 * Writes `NAME.key`, for the other side, and `NAME.key_secret`, which only its owner may read.
 *
 * @throws {FatalError} if the name is not a file name, a file exists already, or writing fails
 */
export async function keygen(name: string, { out }: KeygenOptions): Promise<ExitStatus> {
  if (!/^[\w.-]+$/.test(name) || name.startsWith(".")) {
    throw new FatalError(
      EXIT.usage,
      `The name is "${name}", must be letters, digits, dots, dashes and underscores`,
    );
  }
  const { newKeyPair } = await import("../zmq/library.ts");
  const { publicKey, secretKey } = newKeyPair();
  const publicFile = join(out, `${name}.key`);
  const secretFile = join(out, `${name}.key_secret`);
  for (const file of [publicFile, secretFile]) {
    if (existsSync(file))
      throw new FatalError(
        EXIT.usage,
        `${file} exists already; choose another name, or move the old keys away`,
      );
  }
  try {
    mkdirSync(out, { recursive: true });
    writeFileSync(secretFile, formatCertificate({ publicKey, secretKey }), {
      mode: 0o600,
      flag: "wx",
    });
    try {
      writeFileSync(publicFile, formatCertificate({ publicKey }), { mode: 0o644, flag: "wx" });
    } catch (error) {
      // One file without the other is useless, and would block the next attempt.
      rmSync(secretFile);
      throw error;
    }
  } catch (cause) {
    throw new FatalError(EXIT.failure, `Cannot write the keys: ${(cause as Error).message}`, {
      cause,
    });
  }
  process.stdout.write(
    `${secretFile}: keep it here and keep it secret\n${publicFile}: give it to the other side\n`,
  );
  return EXIT.ok;
}
