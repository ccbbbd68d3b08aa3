/**
 * Two hubs behind one address, with the settings of docs/SEVERAL-HUBS.md for HAProxy: one of them
 * drains, and one of them dies, while cameras send.
 *
 * @module
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { lacks, PYTHON } from "../../scripts/lib/available.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { Context } from "../../src/zmq/socket.ts";
import { statusSchema } from "../../src/http/status.ts";
import { runCli } from "../support/hub/cli.ts";
import { answered, get, httpOf, WITH_HTTP } from "../support/hub/http.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import { Balancer } from "../support/peers/balancer.ts";
import { header } from "../support/peers/camera.ts";
import { Proxy } from "../support/peers/proxy.ts";
import { Peer, PeerType } from "../support/peers/zmq-peer.ts";

setDefaultTimeout(120_000);

const TOKEN = "0123456789abcdef0123456789abcdef";

const program = process.arch === "x64" ? "x64" : "arm64";

/** HAProxy before these hubs. */
function balancerOf(port: number, ...hubs: readonly Hub[]): Balancer {
  const addresses = hubs.map((hub) => {
    return { host: "127.0.0.1", port: hub.port, httpPort: Number(new URL(httpOf(hub)).port) };
  });
  return new Balancer({ listen: `127.0.0.1:${port}`, hubs: addresses, token: TOKEN });
}

/** Of each camera: what was answered OK, or otherwise, or not at all. */
interface Answers {
  readonly ok: number[];
  readonly refused: number[];
  readonly lost: number[];
}

/** Cameras that send until they are asked to end. */
class Cameras implements AsyncDisposable {
  private readonly process: Bun.Subprocess<"pipe", "pipe", "inherit">;

  constructor(port: number, prefix: string, count: number) {
    const script = join(import.meta.dir, "../support/peers/cameras.py");
    this.process = Bun.spawn([PYTHON, script, `tcp://127.0.0.1:${port}`, prefix, String(count)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
  }

  async answers(): Promise<Answers> {
    void this.process.stdin.write("\n");
    await this.process.stdin.flush();
    return await this.line();
  }

  /** What it has come to, when each camera has had its last answer. */
  async end(): Promise<Answers> {
    await this.process.stdin.end();
    return await this.line();
  }

  private async line(): Promise<Answers> {
    using reader = new DisposableStack();
    const stdout = reader.adopt(this.process.stdout.getReader(), (each) => each.releaseLock());
    let text = "";
    while (!text.endsWith("\n")) {
      const { done, value } = await stdout.read();
      if (done) throw new Error(`The cameras have ended by themselves: ${text}`);
      text += Buffer.from(value).toString();
    }
    return JSON.parse(text) as Answers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited;
  }
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

/** Waits until a hub has so many connections. */
async function connected(hub: Hub, isSo: (connections: number) => boolean): Promise<void> {
  await answered(async () => {
    const [, text] = await ask(hub, "/api/status");
    return statusSchema.parse(JSON.parse(text)).connections;
  }, isSo);
}

async function ask(hub: Hub, path: string, body?: string): Promise<[status: number, text: string]> {
  return await get(`${httpOf(hub)}${path}`, {
    headers: { Authorization: `Bearer ${TOKEN}` },
    ...(body !== undefined && { method: "POST", body }),
  });
}

function request(peer: Peer): void {
  peer.send(header("Barn|Heartbeat"), "x");
  expect(peer.receive()).toEqual(["OK"]);
}

/** Starts a hub with a token. */
async function start(temp: TempDir, hub: Record<string, unknown> = {}): Promise<Hub> {
  const file = tokenFile(temp);
  writeFileSync(file, TOKEN, { mode: 0o600 });
  return await startHub({
    program,
    settings: { hub: { max_images_write: 1_000_000, ...hub } },
    env: { ...WITH_HTTP, IMAGEHUB_HTTP_TOKEN_FILE: file },
  });
}

const tokenFile = ({ path }: TempDir): string => join(path, "token");

/** Waits until each camera has been answered again. */
async function allAnswered(cameras: Cameras): Promise<void> {
  const { ok: before } = await cameras.answers();
  await answered(
    async () => (await cameras.answers()).ok,
    (ok) => ok.every((count, index) => count > before[index]! + 1),
  );
}

test.skipIf(lacks("python", "balancer", program))(
  "a hub that drains costs its cameras no request, one that is killed at most one each, and the others none",
  async () => {
    using temp = tempDir();
    await using one = await start(temp);
    await using two = await start(temp);
    const port = freePort();
    await using balancer = balancerOf(port, one, two);
    await using cameras = new Cameras(port, "Barn", 12);
    for (const hub of [one, two]) await connected(hub, (count) => count >= 5);

    const run = async (...command: string[]): Promise<string> => {
      const args = [...command, "--url", httpOf(one), "--token-file", tokenFile(temp)];
      const result = await runCli(args, { home: one.dir });
      expect(result).toMatchObject({ status: 0, stderr: "" });
      return result.stdout;
    };
    expect(await run("drain", "--wait")).toEndWith("drains: nobody is connected any more\n");
    expect(await ask(one, "/healthz")).toEqual([503, "draining\n"]);
    expect((await ask(one, "/metrics"))[1]).toContain("\nimagehub_draining 1\n");
    expect(await run("status")).toContain("healthy, DRAINING");
    await connected(two, (count) => count === 12);
    await allAnswered(cameras);
    const drained = await cameras.answers();
    expect({ lost: total(drained.lost), refused: total(drained.refused) }).toEqual({
      lost: 0,
      refused: 0,
    });

    expect(balancer.output()).toContain("hubs/hub1 is DOWN");
    expect(await run("drain", "--off")).toBe("The hub is in service\n");
    expect((await ask(one, "/healthz"))[0]).toBe(200);
    await until(balancer, () => balancer.output().includes("hubs/hub1 is UP"));
    // The balancer sends them where the fewest are.
    await using others = new Cameras(port, "Gate", 6);
    await connected(one, (count) => count === 6);
    await allAnswered(others);

    await two.kill();
    await connected(one, (count) => count === 18);
    await Promise.all([allAnswered(cameras), allAnswered(others)]);
    const [ofDead, ofOther] = await Promise.all([cameras.end(), others.end()]);
    expect(Math.max(...ofDead.lost)).toBeLessThanOrEqual(1);
    expect(total(ofOther.lost)).toBe(0);
    expect(total([...ofDead.refused, ...ofOther.refused])).toBe(0);

    const stored = one.images().length + two.images().length;
    const acknowledged = total([...ofDead.ok, ...ofOther.ok]);
    expect(stored).toBeGreaterThanOrEqual(acknowledged);
    expect(stored).toBeLessThanOrEqual(acknowledged + total(ofDead.lost));
    expect(await one.stop()).toBe(0);
  },
);

test.skipIf(lacks("python", program))(
  "a hub that drains ends only connections of cameras that it answers, until it is back in service",
  async () => {
    using temp = tempDir();
    await using hub = await start(temp, { log_level: "debug" });
    await using proxy = await Proxy.start(hub.port);
    using context = new Context();
    using stack = new DisposableStack();
    const connect = (port: number): Peer => {
      const peer = stack.use(new Peer(context, PeerType.req, `tcp://127.0.0.1:${port}`));
      request(peer);
      return peer;
    };
    const quiet = connect(hub.port);
    const proxied = connect(proxy.port);
    const busy = connect(hub.port);
    const peers = (what: string): string[] =>
      linesWith(hub, `debug ${what}: `).map((line) => line.slice(line.indexOf(`${what}: `)));
    await until(hub, () => peers("Connected").length === 3);
    expect(await ask(hub, "/api/v1/drain", "yes")).toEqual([
      400,
      'The body must be JSON such as {"draining": true}\n',
    ]);
    expect((await ask(hub, "/api/v1/drain"))[0]).toBe(405);
    expect((await ask(hub, "/api/v1/drain", '{"draining": true}'))[0]).toBe(200);

    // It is let go with each reply, and comes back, as there is no other hub.
    await until(hub, () => {
      request(busy);
      return peers("Disconnected").length >= 3;
    });
    for (let times = 0; times < 5; times++) request(proxied);
    expect((await ask(hub, "/api/v1/drain", '{"draining": false}'))[0]).toBe(200);
    for (const peer of [quiet, proxied, busy]) request(peer);
    const { length } = peers("Connected");
    for (let times = 0; times < 5; times++) request(busy);
    expect(peers("Connected")).toHaveLength(length);
    const [ofQuiet, ofProxied] = peers("Connected").map((text) => text.replace("C", "Disc"));
    expect(peers("Disconnected")).not.toContain(ofQuiet!);
    expect(peers("Disconnected")).not.toContain(ofProxied!);
    expect(await hub.stop()).toBe(0);
  },
);
