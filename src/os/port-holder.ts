/**
 * Finds which process listens on a TCP port of this machine, as far as /proc shows it.
 *
 * @module
 */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** State LISTEN in /proc/net/tcp. */
const LISTEN = "0A";

/** A listening process. */
export interface PortHolder {
  readonly pid: number;
  /** Its name as `ps` shows it, e.g. `python3`. */
  readonly name: string;
}

/**
 * @returns undefined if nobody listens, or if the process belongs to another user, so that /proc
 * does not show it
 */
export function findPortHolder(port: number): PortHolder | undefined {
  const sockets = new Set(listeningInodes(port).map((inode) => `socket:[${inode}]`));
  if (sockets.size === 0) return undefined;
  for (const pid of attempt(() => readdirSync("/proc")) ?? []) {
    if (!/^\d+$/.test(pid)) continue;
    const descriptors = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
    const holds = descriptors.some((fd) =>
      sockets.has(attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? ""),
    );
    if (holds)
      return {
        pid: Number(pid),
        name: attempt(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim()) ?? "",
      };
  }
  return undefined;
}

/** Inodes of the sockets that listen on a port (proc_pid_net(5)). */
function listeningInodes(port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) =>
    (attempt(() => readFileSync(table, "utf8")) ?? "")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => columns[1]?.endsWith(suffix) && columns[3] === LISTEN)
      .map((columns) => columns[9]!),
  );
}

/**
 * Returns undefined if the action fails: entries of /proc may vanish at any moment, or be hidden
 * from us.
 */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
