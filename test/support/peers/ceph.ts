/**
 * A real S3 store: the gateway of Ceph, with one monitor and one OSD that keeps everything in
 * memory, in a folder and on ports of its own. Imitations overwrite, and accept any secret.
 *
 * @module
 */

import { AwsV4Signer } from "aws4fetch";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CEPH, PYTHON } from "../../../scripts/lib/available.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";
import type { Target } from "../../../src/s3/target.ts";
import { tempDir } from "../machine/temp.ts";

/** What the store keeps at most, in bytes; it takes memory only for what is there. */
const STORE_BYTES = 4 * 1024 * 1024 * 1024;

/** Every step ends within this time; it only ends one that would hang. */
const STEP_MS_MAX = 60_000;

const LIBRARIES = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";

const USER = { accessKey: "AKIDTEST", secretKey: "SECRET/TEST+KEY" };

/** Where a store is, and how to use it. */
export interface StoreAddress {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

/** Makes an empty bucket. */
export async function makeBucket(address: StoreAddress, bucket = randomUUID()): Promise<Target> {
  const { accessKey, secretKey } = address;
  const endpoint = new URL(address.endpoint);
  const { url, headers } = await new AwsV4Signer({
    method: "PUT",
    url: `${endpoint.origin}/${bucket}`,
    headers: { "X-Amz-Content-Sha256": new Bun.CryptoHasher("sha256").digest("hex") },
    accessKeyId: accessKey,
    secretAccessKey: secretKey,
    service: "s3",
    region: "us-east-1",
  }).sign();
  const response = await fetch(url, { method: "PUT", headers });
  if (!response.ok) throw new Error(`No bucket: ${response.status} ${await response.text()}`);
  return {
    endpoint,
    bucket,
    region: "us-east-1",
    style: "path",
    accessKey,
    secretKey,
    ca: undefined,
  };
}

/** A store that nobody else uses. */
export class Ceph implements AsyncDisposable {
  readonly port = freePort();
  private readonly folder = tempDir();
  private readonly children: Bun.Subprocess[] = [];
  private gateway: Bun.Subprocess | undefined;

  private constructor(private readonly host: string) {}

  /**
   * Starts it, which takes some ten seconds.
   *
   * @param host the address that the gateway listens on
   */
  static async start(host = "127.0.0.1"): Promise<Ceph> {
    const store = new Ceph(host);
    try {
      await store.begin();
      return store;
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
  }

  get address(): StoreAddress {
    return { endpoint: `http://${this.host}:${this.port}`, ...USER };
  }

  /** The ids of its processes. */
  get pids(): readonly number[] {
    return this.children.filter(({ exitCode }) => exitCode === null).map(({ pid }) => pid);
  }

  /** Keys that may not use the buckets of others. */
  makeStranger(): Pick<StoreAddress, "accessKey" | "secretKey"> {
    const keys = { accessKey: "AKIDSTRANGER", secretKey: "SECRETSTRANGER" };
    this.makeUser("stranger", keys);
    return keys;
  }

  /** Ends the gateway, in the middle of whatever it does. What is stored stays. */
  async killGateway(): Promise<void> {
    this.gateway?.kill("SIGKILL");
    await this.gateway?.exited;
    this.gateway = undefined;
  }

  /** Starts the gateway, and waits until it answers. */
  async startGateway(): Promise<void> {
    const gateway = this.spawn("radosgw", "-f", "-n", "client.admin");
    this.gateway = gateway;
    const end = performance.now() + STEP_MS_MAX;
    while (!(await answers(this.address.endpoint))) {
      if (gateway.exitCode !== null || performance.now() > end)
        throw new Error(`Ceph's gateway does not answer:\n${this.logs()}`);
      await Bun.sleep(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.children.toReversed()) child.kill("SIGKILL");
    await Promise.all(this.children.map(async ({ exited }) => await exited));
    this.folder[Symbol.dispose]();
  }

  private async begin(): Promise<void> {
    const at = (name: string): string => join(this.folder.path, name);
    for (const name of ["mon", "osd", "run", "log"]) mkdirSync(at(name));
    const [cluster, osd, mon] = [randomUUID(), randomUUID(), `127.0.0.1:${freePort()}`];
    writeFileSync(
      this.config,
      settings({ folder: this.folder.path, cluster, mon, endpoint: `${this.host}:${this.port}` }),
    );
    const all = ["--cap", "mon", "allow *", "--cap", "osd", "allow *"];
    this.run("ceph-authtool", at("keyring"), "--create-keyring", "--gen-key", "-n", "mon.", ...all);
    this.run("ceph-authtool", at("keyring"), "--gen-key", "-n", "client.admin", ...all);
    this.run(
      "monmaptool",
      "--create",
      "--fsid",
      cluster,
      "--addv",
      "a",
      `[v2:${mon}]`,
      at("monmap"),
    );
    const keys = ["--monmap", at("monmap"), "--keyring", at("keyring")];
    this.run("ceph-mon", "-i", "a", "--mkfs", ...keys);
    this.spawn("ceph-mon", "-f", "-i", "a");
    const secret = this.run("ceph-authtool", "--gen-print-key").trim();
    writeFileSync(at("secret"), JSON.stringify({ cephx_secret: secret }));
    this.run(PYTHON, join(CEPH, "usr/bin/ceph"), "osd", "new", osd, "-i", at("secret"));
    this.run(
      "ceph-authtool",
      "--create-keyring",
      at("osd/keyring"),
      "-n",
      "osd.0",
      "--add-key",
      secret,
    );
    this.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd);
    this.spawn("ceph-osd", "-f", "-i", "0");
    this.makeUser("owner", USER);
    await this.startGateway();
  }

  private makeUser(
    name: string,
    { accessKey, secretKey }: Pick<StoreAddress, "accessKey" | "secretKey">,
  ): void {
    const user = ["--uid", name, "--display-name", name];
    const keys = ["--access-key", accessKey, "--secret-key", secretKey];
    this.run("radosgw-admin", "user", "create", ...user, ...keys);
  }

  private get config(): string {
    return join(this.folder.path, "ceph.conf");
  }

  private get env(): Record<string, string> {
    const folders = [
      "usr/lib",
      `usr/lib/${LIBRARIES}`,
      `usr/lib/${LIBRARIES}/ceph`,
      `lib/${LIBRARIES}`,
    ];
    return {
      PATH:
        ["usr/bin", "usr/sbin"].map((folder) => join(CEPH, folder)).join(":") + ":/usr/bin:/bin",
      LD_LIBRARY_PATH: folders.map((folder) => join(CEPH, folder)).join(":"),
      PYTHONPATH: join(CEPH, "usr/lib/python3/dist-packages"),
      CEPH_CONF: this.config,
    };
  }

  /** Runs a program to its end. @returns what it prints */
  private run(...command: readonly string[]): string {
    const options = { env: this.env, timeout: STEP_MS_MAX, stdin: "ignore" } as const;
    const { success, stdout, stderr } = Bun.spawnSync([...command], options);
    if (success) return stdout.toString();
    throw new Error(`${command.join(" ")}: ${stderr.toString()}\n${this.logs()}`);
  }

  /** Starts a program that stays. It ends with this process, however that ends. */
  private spawn(...command: readonly string[]): Bun.Subprocess {
    const child = Bun.spawn(["setpriv", "--pdeathsig", "KILL", ...command], {
      env: this.env,
      stdio: ["ignore", "ignore", "ignore"],
    });
    this.children.push(child);
    return child;
  }

  private logs(): string {
    const folder = join(this.folder.path, "log");
    if (!existsSync(folder)) return "";
    return readdirSync(folder)
      .map((name) => `${name}:\n${readFileSync(join(folder, name), "utf8").slice(-2000)}`)
      .join("\n");
  }
}

async function answers(endpoint: string): Promise<boolean> {
  try {
    return (await fetch(endpoint, { signal: AbortSignal.timeout(1000) })).ok;
  } catch {
    return false;
  }
}

interface ClusterFacts {
  readonly folder: string;
  readonly cluster: string;
  readonly mon: string;
  readonly endpoint: string;
}

function settings({ folder, cluster, mon, endpoint }: ClusterFacts): string {
  return `
[global]
keyring = ${folder}/keyring
fsid = ${cluster}
mon host = v2:${mon}
run dir = ${folder}/run
admin socket = ${folder}/run/$name.asok
pid file = ${folder}/run/$name.pid
log file = ${folder}/log/$name.log
plugin dir = ${CEPH}/usr/lib/${LIBRARIES}/ceph
erasure code dir = ${CEPH}/usr/lib/${LIBRARIES}/ceph/erasure-code
osd class dir = ${CEPH}/usr/lib/${LIBRARIES}/rados-classes
osd class load list = *
osd class default list = *
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd crush chooseleaf type = 0
osd op num shards = 1
mon allow pool size one = true
paxos propose interval = 0.01
paxos min wait = 0.01
osd pool default pg autoscale mode = off
mon max pg per osd = 2000
mon data avail warn = 1
mon data avail crit = 0
public addr = 127.0.0.1
cluster addr = 127.0.0.1
[mon.a]
mon data = ${folder}/mon
[osd.0]
keyring = ${folder}/osd/keyring
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = ${STORE_BYTES}
[client]
rgw data = ${folder}
rgw frontends = beast endpoint=${endpoint} tcp_nodelay=1
rgw thread pool size = 16
rgw enable gc threads = false
rgw enable lc threads = false
rgw enable quota threads = false
rgw dns name = localhost
`;
}
