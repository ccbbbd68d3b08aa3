/**
 * The files that a view needs to ask a hub: its token, and the certificate of its authority.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { readingReason } from "../config/layer.ts";
import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import { readToken } from "../http/token.ts";
import { exposureNotice } from "../os/exposure.ts";

/** Where the files of a hub are. */
export interface HubFilePaths {
  readonly token_file?: string | undefined;
  readonly ca?: string | undefined;
}

/** What is in them; undefined where there is none. */
export interface HubFiles {
  readonly token: string | undefined;
  /** Whether any user of the machine can read the token. */
  readonly isExposed: boolean;
  /** In PEM. */
  readonly ca: string | undefined;
}

/** @throws {Error} with a message that names the file, and without a code, as a network has */
export function readHubFiles({ token_file: tokenFile, ca }: HubFilePaths): HubFiles {
  const shown = tokenFile === undefined ? undefined : readIn(tokenFile, () => readToken(tokenFile));
  return {
    token: shown?.token,
    isExposed: shown?.isExposed === true,
    ca: ca === undefined ? undefined : readIn(ca, () => readFileSync(ca, "utf8")),
  };
}

/** What is worth knowing about them. @throws {Error} that tells all that are of no use */
export function hubFileNotes({ hubs }: Settings["view"]): string[] {
  const [notes, problems]: [string[], string[]] = [[], []];
  for (const [at, paths] of hubs.entries())
    try {
      if (readHubFiles(paths).isExposed) notes.push(exposureNotice("token", paths.token_file!));
    } catch (error) {
      problems.push(`hub.view.hubs.${at}: ${messageOf(error)}`);
    }
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return notes;
}

function readIn<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const [reason, message] = [readingReason(cause), messageOf(cause)];
    // What is in it may be wrong, too.
    throw new Error(reason === message ? message : `Cannot read ${path}: ${reason}`, { cause });
  }
}
