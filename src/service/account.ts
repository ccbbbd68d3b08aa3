/**
 * The user that the service runs as.
 *
 * @module
 */

import { statSync } from "node:fs";
import { EXIT, FatalError } from "../errors.ts";

/** A user of this machine and the user's own group. */
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
 * @param name from the command line, if any; otherwise the caller of sudo, or the owner of the
 * executable
 * @throws {FatalError} if there is no such user, or it is only root by default
 */
export function findAccount(
  name: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  executable: string,
): Account {
  const wanted = name ?? env["SUDO_USER"] ?? String(statSync(executable).uid);
  const [user, , uid, gid, , home] = lookUp("passwd", wanted);
  if (user === undefined || home === undefined) {
    throw new FatalError(
      EXIT.usage,
      `This machine has no user ${wanted}; give another one with --user`,
    );
  }
  if (uid === "0" && name === undefined) {
    throw new FatalError(
      EXIT.usage,
      "The hub should not run as root: give another user with --user NAME",
    );
  }
  const [group = String(gid)] = lookUp("group", String(gid));
  return { name: user, uid: Number(uid), group, gid: Number(gid), home };
}

/** The fields of an entry, by name or number. Uses getent(1), which asks all sources of users. */
function lookUp(database: "passwd" | "group", key: string): string[] {
  const { success, stdout } = Bun.spawnSync(["getent", "--", database, key], { stderr: "ignore" });
  return success ? stdout.toString().trimEnd().split(":") : [];
}
