/**
 * HAProxy before some hubs, with the settings of docs/SEVERAL-HUBS.md.
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT, haproxy } from "../../../scripts/lib/available.ts";
import { tempDir } from "../machine/temp.ts";

/** Where a hub is. */
interface HubAddress {
  readonly host: string;
  readonly port: number;
  readonly httpPort: number;
}

/** What HAProxy needs. */
export interface BalancerOptions {
  /** Where it listens, such as `127.0.0.1:5555`. */
  readonly listen: string;
  readonly hubs: readonly HubAddress[];
  /** Of the hubs' HTTP listeners. */
  readonly token: string;
  /** Words before the command, that run it on another machine. */
  readonly on?: readonly string[];
}

/** HAProxy, until it is disposed of. */
export class Balancer implements AsyncDisposable {
  private readonly temp = tempDir();
  private readonly process: Bun.Subprocess<"ignore", "ignore", "pipe">;
  private said = "";

  constructor(options: BalancerOptions) {
    const file = join(this.temp.path, "haproxy.cfg");
    writeFileSync(file, settingsFor(options), { mode: 0o600 });
    this.process = Bun.spawn([...(options.on ?? []), haproxy()!, "-db", "-f", file], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    void this.read();
  }

  get pid(): number {
    return this.process.pid;
  }

  output(): string {
    return this.said;
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.process.stderr)
      this.said += decoder.decode(bytes, { stream: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill();
    await this.process.exited;
    this.temp[Symbol.dispose]();
  }
}

function settingsFor({ listen, hubs, token }: BalancerOptions): string {
  const text = readFileSync(join(CHECKOUT, "docs/SEVERAL-HUBS.md"), "utf8");
  const [, settings] = /```haproxy\n([^`]+)```/.exec(text) ?? [];
  if (settings === undefined) throw new Error("docs/SEVERAL-HUBS.md has no part for HAProxy");
  const [common, documented = ""] = settings.split(/(?=^ {2}server )/m, 2);
  const servers = hubs.map(
    ({ host, port, httpPort }, index) =>
      documented
        .trimEnd()
        .replace("server one data1:5555", `server hub${index + 1} ${host}:${port}`)
        .replace("port 8550", `port ${httpPort}`) + "\n",
  );
  return common!.replace(":5555\n", `${listen}\n`).replace("TOKEN", token) + servers.join("");
}
