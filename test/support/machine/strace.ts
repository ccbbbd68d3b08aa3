/**
 * Traces the system calls of a process, and makes some of them fail.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";

/**
 * Whether processes cannot be traced here, for `describe.skipIf(lacksStrace())`. @throws {Error} if
 * so and `CI=true`
 */
export function lacksStrace(): boolean {
  if (
    Bun.spawnSync(["strace", "-o", "/dev/null", "true"], { stdout: "ignore", stderr: "ignore" })
      .success
  )
    return false;
  const what = "strace, and the right to use it (Debian: strace)";
  if (process.env["CI"] === "true")
    throw new Error(`Cannot run the tests of this file, missing: ${what}`);
  console.warn(`Skipping tests, missing: ${what}`);
  return true;
}

/** A thread of a process, by its name in `top -H`. @throws {Error} unless there is exactly one */
export function threadOf(pid: number, name: string): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const [found, ...others] = threads.filter(
    (thread) => readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8").trim() === name,
  );
  if (found === undefined || others.length > 0) throw new Error(`There is not one thread ${name}`);
  return Number(found);
}

/** The system calls of a process from now on, in all its threads. */
export class Strace implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly #attached = Promise.withResolvers<void>();
  readonly #read: Promise<void>;
  #output = "";

  private constructor(
    pid: number,
    call: string,
    inject: string | undefined,
    follow: readonly string[],
  ) {
    const injected = inject === undefined ? [] : ["-e", `inject=${call}:${inject}`];
    const command = ["strace", ...follow, "-e", `trace=${call}`, "-e", "signal=none", ...injected];
    this.#process = Bun.spawn([...command, "-p", String(pid)], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#read = this.#collect();
  }

  /**
   * Starts to trace.
   *
   * @param call the name of a system call
   * @param inject a fault for it, as in `strace -e inject`, e.g. `error=EIO:when=1`
   */
  static async attach(pid: number, call: string, inject?: string): Promise<Strace> {
    const strace = new Strace(pid, call, inject, ["-f"]);
    await strace.#attached.promise;
    return strace;
  }

  /** The same for a single thread. @param calls names of system calls, separated by commas */
  static async attachThread(thread: number, calls: string, inject: string): Promise<Strace> {
    const strace = new Strace(thread, calls, inject, []);
    await strace.#attached.promise;
    return strace;
  }

  async #collect(): Promise<void> {
    for await (const chunk of this.#process.stderr) {
      this.#output += Buffer.from(chunk).toString();
      if (/ attached(?: with \d+ threads)?\n/.test(this.#output)) this.#attached.resolve();
    }
    this.#attached.reject(new Error(`strace ended: ${this.#output}`));
  }

  /**
   * The results of the calls, in order, e.g. `= 0` or `= -1 EIO (Input/output error) (INJECTED)`.
   */
  results(): string[] {
    return this.#output.split("\n").flatMap((line) => /\)\s+(= -?\d+.*)$/.exec(line)?.[1] ?? []);
  }

  /** Waits until the traced process has ended. */
  async ended(): Promise<void> {
    await this.#process.exited;
    await this.#read;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.ended();
  }
}
