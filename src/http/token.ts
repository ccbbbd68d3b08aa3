/**
 * The bearer token that those must show who ask the hub over HTTP. It is in a file of its own, so
 * that the settings can be shown to anybody.
 *
 * @module
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync, statSync } from "node:fs";

/**
 * Shortest token, in characters: what a machine makes is longer, and what a person thinks up can be
 * guessed.
 */
const TOKEN_CHARS_MIN = 16;
const TOKEN_CHARS_MAX = 1024;

/** Permissions of others than the file's owner and group. */
const OTHERS = 0o007;

/** A token as the file has it. */
export interface TokenFile {
  readonly token: string;
  /** Whether any user of the machine may read it. */
  readonly isExposed: boolean;
}

/**
 * Reads a token: the first line of its file, without spaces around it. @throws {Error} that says
 * what is wrong with it
 */
export function readToken(path: string): TokenFile {
  const isExposed = (statSync(path).mode & OTHERS) !== 0;
  const token = readFileSync(path, "utf8").split("\n")[0]!.trim();
  if (
    !/^[\x21-\x7e]*$/.test(token) ||
    token.length < TOKEN_CHARS_MIN ||
    token.length > TOKEN_CHARS_MAX
  ) {
    throw new Error(
      `${path} holds no token: its first line must have ${TOKEN_CHARS_MIN} to ${TOKEN_CHARS_MAX} ` +
        "letters, digits and signs, no spaces, as openssl rand -hex 32 prints them",
    );
  }
  return { token, isExposed };
}

/**
 * Whether the header `Authorization` shows this token. How long that takes says nothing of how much
 * of it is right.
 */
export function showsToken(authorization: string | undefined, token: string): boolean {
  const shown = /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1] ?? "";
  return timingSafeEqual(digest(shown), digest(token));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
