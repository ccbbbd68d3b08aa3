/**
 * What a process and all its children use, from `/proc`. A peer may be a shell that runs a program.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks per second in `/proc`: the same on every Linux of recent decades (USER_HZ). */
const TICKS_PER_SECOND = 100;

/** Reads a file of `/proc`; empty if the process has ended. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function threads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** The ids of a process and all its descendants, itself first. */
function processTree(pid: number): number[] {
  const children = threads(pid).flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(processTree)];
}

/**
 * The fields after the state in `/proc/PID/stat`, from field 4 of proc_pid_stat(5). Empty if there
 * is no such process, or it is a zombie. The name before them, in brackets, may contain spaces.
 */
function statFields(pid: number): string[] {
  const [state = "Z", ...fields] = read(`/proc/${pid}/stat`).split(") ").at(-1)!.split(" ");
  return state === "Z" || state === "" ? [] : fields;
}

const SESSION_FIELD = 2;

/**
 * The ids of all processes of a session (setsid(2)) that run, even if their parents have ended.
 * @param leader the process that began it
 */
export function processesOfSession(leader: number): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && statFields(pid)[SESSION_FIELD] === String(leader));
}

/** Processor time of a process tree since its start, over all threads, in seconds, to 10 ms. */
export function cpuSeconds(pid: number): number {
  const ticks = processTree(pid).map((each) => {
    const fields = statFields(each);
    return Number(fields[10] ?? 0) + Number(fields[11] ?? 0);
  });
  return ticks.reduce((sum, each) => sum + each, 0) / TICKS_PER_SECOND;
}

/** Resident memory of a process tree, in MB (10^6 bytes). */
export function residentMb(pid: number): number {
  const kibibytes = processTree(pid).map((each) =>
    Number(/^VmRSS:\s*(\d+) kB$/m.exec(read(`/proc/${each}/status`))?.[1] ?? 0),
  );
  return (kibibytes.reduce((sum, each) => sum + each, 0) * 1024) / 1e6;
}

/**
 * Busy processor time of the whole machine since boot, in seconds, to 10 ms. Includes time taken by
 * other guests.
 */
export function machineBusySeconds(): number {
  // user nice system idle iowait irq softirq steal (proc_stat(5)); guests are part of user.
  const fields = read("/proc/stat").split("\n")[0]!.split(/ +/).slice(1, 9).map(Number);
  const idle = (fields[3] ?? 0) + (fields[4] ?? 0);
  return (fields.reduce((sum, each) => sum + each, 0) - idle) / TICKS_PER_SECOND;
}
