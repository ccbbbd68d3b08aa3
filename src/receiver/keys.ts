/**
 * Checks the keys of the setting `curve` at the start. The receiver reads them again later, when it
 * can no longer report wrong settings.
 *
 * @module
 */

import { statSync } from "node:fs";
import type { Settings } from "../config/schema.ts";
import { EXIT, FatalError, messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { readKeyPair, readPublicKeys } from "../zmq/certificate.ts";

/** The mode bits that give a file's group and others access. */
const OTHERS_MODE = 0o077;

/** Reads the keys once. @throws {FatalError} if one cannot be read */
export function checkKeys({ curve }: Pick<Settings, "curve">, log: Pick<Log, "warn">): void {
  const { server_key: serverKey, client_keys: clientKeys } = curve;
  try {
    if (serverKey !== "") readKeyPair(serverKey);
    if (clientKeys !== "") readPublicKeys(clientKeys);
    if (serverKey !== "" && (statSync(serverKey).mode & OTHERS_MODE) !== 0)
      log.warn(
        `Other users can read the secret key in ${serverKey}. To prevent this: chmod 600 ${serverKey}`,
      );
  } catch (cause) {
    const reason = messageOf(cause);
    throw new FatalError(EXIT.config, `Cannot read the keys of hub.curve: ${reason}`, { cause });
  }
}
