/**
 * Messages to systemd, if it started the hub as a service of `Type=notify`: sd_notify(3) of the
 * system's libsystemd. Otherwise nothing is loaded and nothing is sent.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
 * @module
 */

import { dlopen, FFIType } from "bun:ffi";
import { monotonicMicros } from "./time.ts";

const LIBRARY = "libsystemd.so.0";

/** The connection to systemd. */
export class ServiceManager {
  private constructor(
    private readonly sdNotify: (unsetEnvironment: number, state: Uint8Array) => number,
    /**
     * How long systemd waits for `feed` before it kills the hub, in milliseconds; undefined if it
     * does not wait.
     */
    readonly watchdogMs: number | undefined,
  ) {}

  /**
   * @param env with `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, which systemd sets;
   * sd_notify itself reads the first one
   * @returns undefined if systemd expects no messages
   * @throws {Error} if it does, but libsystemd is missing
   */
  static connect(env: Readonly<Record<string, string | undefined>>): ServiceManager | undefined {
    if (!env["NOTIFY_SOCKET"]) return undefined;
    const { symbols } = dlopen(LIBRARY, {
      sd_notify: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
    });
    return new ServiceManager(symbols.sd_notify, readWatchdogMs(env));
  }

  /** The hub serves requests. */
  ready(): void {
    this.notify("READY=1");
  }

  /** The hub rereads its settings. Call `ready` when it is done. */
  reloading(): void {
    // The time tells systemd this reload from an earlier one (Type=notify-reload, since systemd
    // 253).
    this.notify(`RELOADING=1\nMONOTONIC_USEC=${monotonicMicros()}`);
  }

  /**
   * The hub is stopping. @param boundMs the longest time it may take; it overrides the unit's limit
   */
  stopping(boundMs: number): void {
    this.notify(`STOPPING=1\nEXTEND_TIMEOUT_USEC=${boundMs * 1000}`);
  }

  /** Sets the line that `systemctl status` shows. */
  status(text: string): void {
    this.notify(`STATUS=${text.replaceAll("\n", " ")}`);
  }

  /** The hub is alive. */
  feed(): void {
    this.notify("WATCHDOG=1");
  }

  /** A lost message is not sent again: the next one comes soon. */
  private notify(state: string): void {
    this.sdNotify(0, Buffer.from(`${state}\0`));
  }
}

/**
 * Reads the watchdog's variables as sd_watchdog_enabled(3) does. They may be meant for the process
 * that started this one.
 */
function readWatchdogMs(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const milliseconds = Number(env["WATCHDOG_USEC"]) / 1000;
  const isMine = env["WATCHDOG_PID"] === undefined || env["WATCHDOG_PID"] === String(process.pid);
  return isMine && milliseconds > 0 ? milliseconds : undefined;
}
