/**
 * Debian's MQTT broker, mosquitto, in a folder and on a port of its own, and its own client that
 * listens.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { mosquitto } from "../../../scripts/lib/available.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";
import { tempDir } from "../machine/temp.ts";
import type { CertificateFiles } from "./certificates.ts";
import { COMES_MS } from "./zmq-peer.ts";

/** What a broker demands. */
export interface BrokerOptions {
  /** Default: none, and everybody may do everything. */
  readonly user?: string;
  readonly password?: string;
  /** With TLS, by this certificate. */
  readonly tls?: CertificateFiles;
  /** Who must have signed the client's certificate. */
  readonly clientCa?: string;
  /** Further lines of its settings. */
  readonly lines?: readonly string[];
}

/** Every process that runs. What a failed test leaves behind is ended with the tests. */
const running = new Set<Bun.Subprocess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

function spawn(command: readonly string[]): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const child = Bun.spawn([...command], { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  void child.exited.then(() => running.delete(child));
  return child;
}

/** A broker that keeps what is retained over its restarts. */
export class Broker implements AsyncDisposable {
  readonly port = freePort();
  private readonly folder = tempDir();
  private readonly config: string;
  private child: Bun.Subprocess | undefined;

  constructor(private readonly options: BrokerOptions = {}) {
    const { path } = this.folder;
    const { user, password, tls, clientCa, lines = [] } = options;
    this.config = join(path, "mosquitto.conf");
    const settings = [
      // It drops root's rights otherwise, and cannot read the folder.
      ...(process.getuid?.() === 0 ? ["user root"] : []),
      "per_listener_settings false",
      `persistence true`,
      `persistence_location ${path}/`,
      "max_queued_messages 0",
      `listener ${this.port} 127.0.0.1`,
      ...(tls ? [`certfile ${tls.certificate}`, `keyfile ${tls.key}`] : []),
      ...(clientCa === undefined ? [] : [`cafile ${clientCa}`, "require_certificate true"]),
      ...(user === undefined
        ? ["allow_anonymous true"]
        : ["allow_anonymous false", `password_file ${join(path, "passwords")}`]),
      ...lines,
    ];
    if (user !== undefined) {
      const args = ["-b", "-c", join(path, "passwords"), user, password ?? ""];
      const { success, stderr } = Bun.spawnSync(["mosquitto_passwd", ...args]);
      if (!success) throw new Error(`mosquitto_passwd: ${stderr.toString()}`);
    }
    writeFileSync(this.config, settings.map((line) => `${line}\n`).join(""));
  }

  /** Starts it, and waits until it listens. */
  async start(): Promise<this> {
    const child = spawn([mosquitto() ?? "mosquitto", "-c", this.config]);
    this.child = child;
    const errors = child.stderr.text();
    for (const end = performance.now() + COMES_MS; !(await this.listens()); await Bun.sleep(10)) {
      if (child.exitCode !== null || performance.now() > end)
        throw new Error(`mosquitto does not listen: ${await errors}`);
    }
    return this;
  }

  /** Ends it in order, as its service manager does. */
  async stop(): Promise<void> {
    this.child?.kill("SIGTERM");
    await this.child?.exited;
    this.child = undefined;
  }

  /** It takes nothing more, and its connections stay. */
  pause(): void {
    this.child?.kill("SIGSTOP");
  }

  resume(): void {
    this.child?.kill("SIGCONT");
  }

  /** Listens to topics from now on. @param args of mosquitto_sub besides, such as `-i name` */
  async listen(topics: readonly string[], ...args: string[]): Promise<Listener> {
    const probe = `${PROBES}${crypto.randomUUID()}`;
    const listener = new Listener(this.port, this.login(), [...topics, probe], args);
    // It does not say when it has subscribed.
    for (const end = performance.now() + COMES_MS; !listener.probes.has(probe);) {
      if (performance.now() > end) throw new Error("mosquitto_sub does not listen");
      this.publish(probe, "are you there?");
      await Bun.sleep(10);
    }
    return listener;
  }

  /** Publishes a text as another client does. */
  publish(topic: string, text: string): void {
    this.publishBy(topic, "-m", text);
  }

  /** The same of a file's content. */
  publishFile(topic: string, path: string): void {
    this.publishBy(topic, "-f", path);
  }

  private publishBy(topic: string, ...args: string[]): void {
    const where = ["-h", "127.0.0.1", "-p", String(this.port), ...this.login()];
    const command = ["mosquitto_pub", ...where, "-q", "1", "-t", topic, ...args];
    const { success, stderr } = Bun.spawnSync(command);
    if (!success) throw new Error(`mosquitto_pub: ${stderr.toString()}`);
  }

  private login(): string[] {
    const { user, password } = this.options;
    return user === undefined ? [] : ["-u", user, "-P", password ?? ""];
  }

  private async listens(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const socket = connect(this.port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    const isThere = await promise;
    socket.destroy();
    return isThere;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    await this.stop();
    this.folder[Symbol.dispose]();
  }
}

/** A message that was heard. */
export interface Heard {
  readonly topic: string;
  readonly isRetained: boolean;
  readonly qos: number;
  readonly payload: Buffer;
}

/** What shows that a listener hears. */
const PROBES = "probes/";

/** `mosquitto_sub`. */
export class Listener implements AsyncDisposable {
  /** All messages since the beginning. */
  readonly heard: Heard[] = [];
  /** The latest payload of each topic, as text. */
  readonly latest = new Map<string, string>();
  readonly probes = new Set<string>();
  private readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;

  constructor(port: number, login: readonly string[], topics: readonly string[], args: string[]) {
    const names = topics.flatMap((topic) => ["-t", topic]);
    const where = ["-h", "127.0.0.1", "-p", String(port), ...login];
    const format = ["-q", "1", "-F", "> %r %q %x %t"];
    this.child = spawn(["stdbuf", "-oL", "mosquitto_sub", ...where, ...names, ...format, ...args]);
    void this.read();
  }

  /** The latest payload of a topic, parsed. */
  json(topic: string): Record<string, unknown> | undefined {
    const text = this.latest.get(topic);
    return text === undefined || text === ""
      ? undefined
      : (JSON.parse(text) as Record<string, unknown>);
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.take(line);
    }
  }

  private take(line: string): void {
    const [, retained, qos, hex = "", topic = ""] =
      /^> ([01]) ([012]) ([0-9a-f]*) (.*)$/.exec(line) ?? [];
    if (retained === undefined) return;
    if (topic.startsWith(PROBES)) {
      this.probes.add(topic);
      return;
    }
    const payload = Buffer.from(hex, "hex");
    this.heard.push({ topic, isRetained: retained === "1", qos: Number(qos), payload });
    this.latest.set(topic, payload.toString());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
  }
}
