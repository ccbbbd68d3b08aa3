/**
 * The user that the service runs as.
 *
 * @module
 */

import { statSync } from "node:fs";
import { EXIT, FatalError } from "../errors.ts";

/** A user of this machine, with the group that is the user's own. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly group: string;
  readonly gid: number;
  readonly home: string;
}

/**
 * Finds a user.
 *
 * @param name as it was asked for; else it is who has called sudo, or who owns the executable
 * @throws {FatalError} where there is no such user, or none but root
 */
export function findAccount(
  name: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  executable: string,
): Account {
  const wanted = name ?? env["SUDO_USER"] ?? String(statSync(executable).uid);
  const [user, , uid, gid, , home] = lookUp("passwd", wanted);
  if (user === undefined || home === undefined) {
    throw new FatalError(EXIT.usage, `This machine has no user ${wanted}; see --user`);
  }
  if (uid === "0" && name === undefined) {
    throw new FatalError(
      EXIT.usage,
      "Which user is the hub to run as? Give --user NAME; root should not be the one",
    );
  }
  const [group = String(gid)] = lookUp("group", String(gid));
  return { name: user, uid: Number(uid), group, gid: Number(gid), home };
}

/**
 * The fields of an entry, by name or number (getent(1), which asks whatever the machine gets its
 * users from).
 */
function lookUp(database: "passwd" | "group", key: string): string[] {
  const { success, stdout } = Bun.spawnSync(["getent", "--", database, key], { stderr: "ignore" });
  return success ? stdout.toString().trimEnd().split(":") : [];
}
