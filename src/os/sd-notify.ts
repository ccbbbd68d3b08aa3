/**
 * What the hub tells systemd, which started it as a service of `Type=notify`: sd_notify(3) of the
 * system's own libsystemd.
 *
 * Where systemd did not start it nothing is loaded, and nothing said.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
 * @module
 */

import { dlopen, FFIType } from "bun:ffi";
import { monotonicMicros } from "./time.ts";

const LIBRARY = "libsystemd.so.0";

/** Speaks to systemd. */
export class ServiceManager {
  private constructor(
    private readonly sdNotify: (unsetEnvironment: number, state: Uint8Array) => number,
    /**
     * How long systemd waits for `feed` until it kills the hub, in milliseconds; undefined where it
     * does not wait for it.
     */
    readonly watchdogMs: number | undefined,
  ) {}

  /**
   * @param env for `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, which systemd sets;
   * sd_notify reads the first itself
   * @returns undefined where systemd waits for nothing
   * @throws {Error} where it does, and libsystemd is not there to tell it
   */
  static connect(env: Readonly<Record<string, string | undefined>>): ServiceManager | undefined {
    if (!env["NOTIFY_SOCKET"]) return undefined;
    const { symbols } = dlopen(LIBRARY, {
      sd_notify: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
    });
    return new ServiceManager(symbols.sd_notify, readWatchdogMs(env));
  }

  /** The hub serves. */
  ready(): void {
    this.notify("READY=1");
  }

  /** The hub reads its settings again; `ready` tells when it has. */
  reloading(): void {
    // With the time systemd can tell this reload from one before it (Type=notify-reload, from
    // systemd 253 on).
    this.notify(`RELOADING=1\nMONOTONIC_USEC=${monotonicMicros()}`);
  }

  /** The hub stops. @param boundMs how long that takes at most, even where the unit grants less */
  stopping(boundMs: number): void {
    this.notify(`STOPPING=1\nEXTEND_TIMEOUT_USEC=${boundMs * 1000}`);
  }

  /** One line that `systemctl status` shows. */
  status(text: string): void {
    this.notify(`STATUS=${text.replaceAll("\n", " ")}`);
  }

  /** The hub lives. */
  feed(): void {
    this.notify("WATCHDOG=1");
  }

  /**
   * A message that does not get through is not sent again: the next one comes soon, and the hub has
   * other work.
   */
  private notify(state: string): void {
    this.sdNotify(0, Buffer.from(`${state}\0`));
  }
}

/**
 * As sd_watchdog_enabled(3) reads it. The variables may be meant for a process that started this
 * one.
 */
function readWatchdogMs(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const milliseconds = Number(env["WATCHDOG_USEC"]) / 1000;
  const isMine = env["WATCHDOG_PID"] === undefined || env["WATCHDOG_PID"] === String(process.pid);
  return isMine && milliseconds > 0 ? milliseconds : undefined;
}
