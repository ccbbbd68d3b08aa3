/**
 * `imagehub keygen`: makes the keys of a hub or of a node, for the settings under `curve`.
 *
 * @module
 */

import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, type ExitStatus, FatalError } from "../errors.ts";
import { formatCertificate } from "../zmq/certificate.ts";

/** What `keygen` was asked for. */
export interface KeygenOptions {
  readonly out: string;
}

/**
 * Writes `NAME.key`, for the other side, and `NAME.key_secret`, which only its owner may read.
 *
 * @throws {FatalError} where the name is none of a file, the files are there already, or they
 * cannot be written
 */
export async function keygen(name: string, { out }: KeygenOptions): Promise<ExitStatus> {
  if (!/^[\w.-]+$/.test(name) || name.startsWith(".")) {
    throw new FatalError(
      EXIT.usage,
      `The name is "${name}", must be letters, digits, dots and dashes`,
    );
  }
  const { newKeyPair } = await import("../zmq/library.ts");
  const { publicKey, secretKey } = newKeyPair();
  const publicFile = join(out, `${name}.key`);
  const secretFile = join(out, `${name}.key_secret`);
  for (const file of [publicFile, secretFile]) {
    if (existsSync(file))
      throw new FatalError(EXIT.usage, `${file} is there already; keys are never written over`);
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
      // One without the other is of no use, and would stand in the way of the next attempt.
      rmSync(secretFile);
      throw error;
    }
  } catch (cause) {
    throw new FatalError(EXIT.failure, `Cannot write the keys: ${(cause as Error).message}`, {
      cause,
    });
  }
  process.stdout.write(
    `${secretFile}: keep it here, nobody else may read it\n${publicFile}: give it to the other side\n`,
  );
  return EXIT.ok;
}
