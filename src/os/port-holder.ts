/**
 * Which process listens on a TCP port of this machine, as far as /proc tells.
 *
 * @module
 */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** State LISTEN in /proc/net/tcp. */
const LISTEN = "0A";

/** A process that listens. */
export interface PortHolder {
  readonly pid: number;
  /** Its name as in `ps`, e.g. `python3`. */
  readonly name: string;
}

/**
 * @returns undefined where nobody listens, or where it is another user's process, which /proc does
 * not show
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

/** What /proc shows may be gone, or not be ours to see, at any moment. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
