/**
 * The bearer token that HTTP clients must show. It has its own file, so the settings can be shown
 * to anybody.
 *
 * @module
 */

import { readFileSync, statSync } from "node:fs";
import { isExposed } from "../os/exposure.ts";

/** Shortest token, in characters. Generated ones are longer; shorter ones can be guessed. */
const TOKEN_CHARS_MIN = 16;
const TOKEN_CHARS_MAX = 1024;

/** The content of a token file. */
export interface TokenFile {
  readonly token: string;
  /** Whether any user of the machine can read it. */
  readonly isExposed: boolean;
}

/**
 * Reads the token: the first line of its file, trimmed. @throws {Error} with a message about what
 * is wrong
 */
export function readToken(path: string): TokenFile {
  const token = readFileSync(path, "utf8").split("\n")[0]!.trim();
  if (
    !/^[\x21-\x7e]*$/.test(token) ||
    token.length < TOKEN_CHARS_MIN ||
    token.length > TOKEN_CHARS_MAX
  ) {
    throw new Error(
      `${path} holds no token: its first line must have ${TOKEN_CHARS_MIN} to ${TOKEN_CHARS_MAX} ` +
        "letters, digits and signs, without spaces, such as openssl rand -hex 32 prints",
    );
  }
  return { token, isExposed: isExposed(statSync(path)) };
}
