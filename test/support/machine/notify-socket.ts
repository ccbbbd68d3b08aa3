/**
 * The other end of sd_notify(3): a datagram socket with a name, which Bun has no API for.
 *
 * @module
 */

import { dlopen, FFIType } from "bun:ffi";
import { closeSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "./temp.ts";

const { symbols: c } = dlopen("libc.so.6", {
  socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  bind: { args: [FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
  recv: { args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i64_fast },
});

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;

/** How long a message may take. It only bounds a test that would else hang. */
const COMES_MS = 50_000;

/** Takes what a service tells systemd. */
export class NotifySocket implements Disposable {
  readonly path: string;
  readonly #dir = tempDir();
  readonly #fd = c.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  readonly #buffer = Buffer.alloc(4096);
  readonly #messages: string[] = [];
  /** sd_notify waits while ten messages are not taken yet. */
  readonly #timer = setInterval(() => this.messages(), 2);

  constructor() {
    this.path = join(this.#dir.path, "notify");
    // struct sockaddr_un: the family, then the path with its NUL.
    const address = Buffer.concat([Uint8Array.of(AF_UNIX, 0), Buffer.from(`${this.path}\0`)]);
    if (c.bind(this.#fd, address, address.length) !== 0)
      throw new Error(`Cannot bind ${this.path}`);
  }

  /** All messages that have come so far. */
  messages(): readonly string[] {
    for (;;) {
      const length = Number(c.recv(this.#fd, this.#buffer, this.#buffer.length, MSG_DONTWAIT));
      if (length < 0) return this.#messages;
      this.#messages.push(this.#buffer.toString("utf8", 0, length));
    }
  }

  /** How many messages of one kind have come so far, e.g. `WATCHDOG=1`. */
  count(start: string): number {
    return this.messages().filter((message) => message.startsWith(start)).length;
  }

  /**
   * Waits until so many messages of one kind have come. @returns the last of them @throws {Error}
   * when they do not come
   */
  async until(start: string | RegExp, count = 1): Promise<string> {
    const isMeant = (message: string): boolean =>
      typeof start === "string" ? message.startsWith(start) : start.test(message);
    for (const end = performance.now() + COMES_MS; ; await Bun.sleep(2)) {
      const found = this.messages().filter((message) => isMeant(message));
      if (found.length >= count) return found[count - 1]!;
      if (performance.now() > end)
        throw new Error(`No ${start}, but: ${this.messages().join("; ")}`);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    closeSync(this.#fd);
    this.#dir[Symbol.dispose]();
  }
}
