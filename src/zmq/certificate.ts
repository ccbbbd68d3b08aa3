/**
 * Files with CURVE keys, in the format of CZMQ and pyzmq (`zmq.auth.create_certificates`):
 * `NAME.key` holds the public key, `NAME.key_secret` holds both.
 *
 * @module
 */

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The keys of one end, in Z85: 40 characters each (ZeroMQ RFC 32). */
export interface KeyPair {
  readonly publicKey: string;
  readonly secretKey: string;
}

const PUBLIC_SUFFIX = ".key";
const Z85 = "[0-9a-zA-Z.\\-:+=^!/*?&<>()[\\]{}@%$#]{40}";
/** The digits of Z85, in order (ZeroMQ RFC 32). */
const Z85_DIGITS =
  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/** The text of a certificate, with the secret key if given. */
export function formatCertificate({
  publicKey,
  secretKey,
}: {
  publicKey: string;
  secretKey?: string;
}): string {
  const secret = secretKey === undefined ? "" : `    secret-key = "${secretKey}"\n`;
  return [
    secret === ""
      ? "# ZeroMQ CURVE public certificate. Give it to the other side."
      : "# ZeroMQ CURVE secret certificate. Keep it secret, readable only by its owner.",
    "",
    "metadata",
    "curve",
    `    public-key = "${publicKey}"`,
    secret,
  ].join("\n");
}

/**
 * Reads a certificate with both keys.
 *
 * @throws {Error} if the file cannot be read or holds no secret key
 */
export function readKeyPair(file: string): KeyPair {
  const text = readFileSync(file, "utf8");
  const publicKey = keyIn(text, "public-key");
  const secretKey = keyIn(text, "secret-key");
  if (publicKey === undefined || secretKey === undefined) {
    throw new Error(
      `${file} holds no key pair (public-key and secret-key in Z85); make one with imagehub keygen`,
    );
  }
  return { publicKey, secretKey };
}

/**
 * Reads the public key of a certificate. @throws {Error} if the file cannot be read or holds none
 */
export function readPublicKey(file: string): string {
  const key = keyIn(readFileSync(file, "utf8"), "public-key");
  if (key === undefined)
    throw new Error(
      `${file} holds no public key (public-key in Z85); make one with imagehub keygen`,
    );
  return key;
}

/**
 * Reads the public keys of all certificates (`*.key`) in a directory.
 *
 * @throws {Error} if the directory or a file cannot be read, or a file holds no key
 */
export function readPublicKeys(directory: string): Set<string> {
  const keys = new Set<string>();
  for (const name of readdirSync(directory).filter((file) => file.endsWith(PUBLIC_SUFFIX))) {
    keys.add(readPublicKey(join(directory, name)));
  }
  return keys;
}

function keyIn(text: string, name: string): string | undefined {
  const key = new RegExp(`^\\s*${name}\\s*=\\s*"(${Z85})"`, "m").exec(text)?.[1];
  return key !== undefined && hasValue(key) ? key : undefined;
}

/**
 * Whether each group of five digits is a value of four bytes: 85^5 is a little more than 2^32.
 * libzmq accepts no other keys.
 */
function hasValue(key: string): boolean {
  return Array.from(key.match(/.{5}/g) ?? [])
    .map((group) =>
      Array.from(group).reduce((sum, digit) => sum * 85 + Z85_DIGITS.indexOf(digit), 0),
    )
    .every((value) => value < 2 ** 32);
}
