/**
 * Starts `imagehub view`, from source or as an executable, and ends it.
 *
 * @module
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { CHECKOUT, executable, type Program } from "../../../scripts/lib/available.ts";
import type { Target } from "../../../src/s3/target.ts";
import { tempDir } from "../machine/temp.ts";
import { COMES_MS } from "../peers/zmq-peer.ts";
import { replicateTo } from "./replica.ts";

/** How a view is started. */
export interface ViewOptions {
  readonly program?: Exclude<Program, "arm64"> | "arm64";
  /** What stands under `hub` in its settings besides the bucket. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly timezone?: string;
}

/** A view that runs. */
export class View implements AsyncDisposable {
  private text = "";
  private readonly reading: Promise<unknown>;
  private readonly home = tempDir();
  private readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;

  private constructor(target: Target, { program = "source", settings, timezone }: ViewOptions) {
    mkdirSync(this.home.path, { recursive: true });
    const hub = {
      http: { listen: "127.0.0.1:0" },
      replicate: replicateTo(target),
      ...settings,
    };
    writeFileSync(join(this.home.path, "imagehub.yaml"), stringify({ hub }));
    const command =
      program === "source"
        ? [process.execPath, join(CHECKOUT, "src/main.ts")]
        : [executable(program)];
    this.child = Bun.spawn([...command, "view", "--path", this.home.path], {
      cwd: this.home.path,
      env: { PATH: process.env["PATH"] ?? "", HOME: this.home.path, TZ: timezone ?? "UTC" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { stdout, stderr } = this.child;
    this.reading = Promise.all([this.read(stdout), this.read(stderr)]);
  }

  /** Starts one. */
  static begin(target: Target, options: ViewOptions = {}): View {
    return new View(target, options);
  }

  /** Starts one, and waits until it listens or has ended. */
  static async start(target: Target, options: ViewOptions = {}): Promise<View> {
    const view = View.begin(target, options);
    const end = performance.now() + COMES_MS;
    while (view.url === "" && view.child.exitCode === null && performance.now() < end)
      await Bun.sleep(20);
    return view;
  }

  /** Of the page; empty if it does not listen. */
  get url(): string {
    return /Open (http\S+) in a browser/.exec(this.text)?.[1]?.replace(/\/$/, "") ?? "";
  }

  output(): string {
    return this.text;
  }

  /** The JSON of an address. */
  async json<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  /** Asks it to end. @returns its exit status */
  async stop(): Promise<number> {
    this.child.kill("SIGTERM");
    await this.reading;
    return await this.child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
    this.home[Symbol.dispose]();
  }

  private async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.text += decoder.decode(bytes, { stream: true });
  }
}
