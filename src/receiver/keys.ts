/**
 * Checks the keys of the setting `curve` before anything is made: the receiver reads them again,
 * when it is too late to blame the settings.
 *
 * @module
 */

import { statSync } from "node:fs";
import type { Settings } from "../config/schema.ts";
import { EXIT, FatalError, messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { readKeyPair, readPublicKeys } from "../zmq/certificate.ts";

/** The bits of a file's mode that let its group and all others in. */
const OTHERS_MODE = 0o077;

/** Reads them once. @throws {FatalError} where one of them cannot be read */
export function checkKeys({ curve }: Pick<Settings, "curve">, log: Pick<Log, "warn">): void {
  const { server_key: serverKey, client_keys: clientKeys } = curve;
  try {
    if (serverKey !== "") readKeyPair(serverKey);
    if (clientKeys !== "") readPublicKeys(clientKeys);
    if (serverKey !== "" && (statSync(serverKey).mode & OTHERS_MODE) !== 0)
      log.warn(`Others than its owner can read ${serverKey}; to mend that: chmod 600 ${serverKey}`);
  } catch (cause) {
    const reason = messageOf(cause);
    throw new FatalError(EXIT.config, `Cannot read the keys of hub.curve: ${reason}`, { cause });
  }
}
