/** The calls to an S3 store, and `imagehub replicate test`, against a real one. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomFillSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../scripts/lib/free-port.ts";
import { executable, lacks } from "../../scripts/lib/available.ts";
import { EXIT } from "../../src/errors.ts";
import { Bucket, type NewObject, type ObjectContent, sha256Of } from "../../src/s3/bucket.ts";
import type { StoreError } from "../../src/s3/errors.ts";
import type { Listed } from "../../src/s3/listing.ts";
import { retrying } from "../../src/s3/retrying.ts";
import type { Target } from "../../src/s3/target.ts";
import { type CliResult, runCli } from "../support/hub/cli.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Ceph, makeBucket } from "../support/peers/ceph.ts";
import { makeCertificate } from "../support/peers/certificates.ts";
import { listenTcp } from "../support/peers/tcp-server.ts";
import { StoreProxy } from "../support/peers/store-proxy.ts";

setDefaultTimeout(60_000);

const NATIVE = process.arch === "arm64" ? "arm64" : "x64";

const HOUR_MS = 3_600_000;

/** How long a call may take that has to fail. */
const SHORT = { msMax: 500 };

const object = (text: string): NewObject => ({
  body: new TextEncoder().encode(text),
  contentType: "text/plain",
});

async function bytesOf(content: ObjectContent | undefined): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(content?.chunks ?? []));
}

async function listed(bucket: Bucket, prefix: string): Promise<readonly Listed[]> {
  const pages = await Array.fromAsync(bucket.list({ prefix }));
  return pages.flatMap(({ objects }) => objects);
}

/** What a call is refused for. */
async function failure(call: Promise<unknown>): Promise<Record<string, unknown>> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason as StoreError,
  );
  const { problem, status, code, isRetryable }: Partial<StoreError> = error ?? {};
  return { problem, status, code, isRetryable };
}

let store: Ceph;
let target: Target;
let bucket: Bucket;
const temp = tempDir();
afterAll(() => temp[Symbol.dispose]());

/** The same bucket behind a proxy. */
const behind = (proxy: StoreProxy, others: Partial<Target> = {}): Bucket =>
  new Bucket({ ...target, endpoint: new URL(proxy.endpoint), ...others });

/** What every call is refused for, with another target or clock. */
async function refusals(changed: Partial<Target>, now?: () => number): Promise<unknown[]> {
  const other = new Bucket({ ...target, ...changed }, now);
  const all = [
    other.put("other", object("x")),
    other.head("other"),
    other.get("other"),
    listed(other, ""),
  ];
  return (await Promise.all(all.map(failure))).map(({ problem, code }) => [problem, code]);
}

/** The same of every call. HEAD has no body that could say more. */
function always(problem: string, code: string, ofHead = problem): unknown[] {
  return [
    [problem, code],
    [ofHead, ""],
    [problem, code],
    [problem, code],
  ];
}

/** The settings for the bucket. */
const settings = (changed: object = {}) => ({
  endpoint: store.address.endpoint,
  bucket: target.bucket,
  name: "hub1",
  access_key: target.accessKey,
  secret_key: target.secretKey,
  ...changed,
});

let count = 0;

/** A settings file with these settings. */
function settingsFile(replicate: object): string {
  const config = join(temp.path, `${count++}.yaml`);
  writeFileSync(config, JSON.stringify({ hub: { replicate } }), { mode: 0o600 });
  return config;
}

/** Runs `imagehub replicate test`. */
const run = async (replicate: object): Promise<CliResult> =>
  await runCli(["replicate", "test", "--config", settingsFile(replicate)], { home: temp.path });

/** What it says if all is well. */
const well = (): string =>
  `Bucket ${target.bucket} at ${store.address.endpoint}\nStored KEY\n` +
  "It refuses to overwrite it\nIt lists it\nIt gives it back as it was\n";

const withoutKey = (text: string): string =>
  text.replace(/hub1\/test\/20\d\d-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z\.txt/, "KEY");

describe.skipIf(lacks("ceph", "tls"))("an S3 store", () => {
  beforeAll(async () => {
    store = await Ceph.start();
    target = await makeBucket(store.address);
    bucket = new Bucket(target);
  });
  afterAll(async () => {
    await store?.[Symbol.asyncDispose]();
  });

  test("gives back every byte, whole and in part", async () => {
    const body = randomFillSync(new Uint8Array(3_000_000));
    const sha256 = sha256Of(body);
    expect(await bucket.put("big.jpg", { body, contentType: "image/jpeg" })).toBe("stored");
    const facts = { size: body.length, sha256, etag: expect.stringMatching(/^[\da-f]{32}$/) };
    expect(await bucket.head("big.jpg")).toEqual(facts);
    const whole = await bucket.get("big.jpg");
    expect(whole).toMatchObject(facts);
    expect(sha256Of(await bytesOf(whole))).toBe(sha256);
    const middle = await bucket.get("big.jpg", { range: { first: 1000, last: 1_001_000 } });
    expect(middle!.size).toBe(1_000_001);
    expect(Buffer.compare(await bytesOf(middle), body.subarray(1000, 1_001_001))).toBe(0);
    const end = await bucket.get("big.jpg", { range: { first: 2_999_999 } });
    expect(await bytesOf(end)).toEqual(Buffer.from(body.subarray(-1)));
    const range = { first: 3_000_000 };
    expect(await failure(bucket.get("big.jpg", { range }))).toMatchObject({ code: "InvalidRange" });
    expect(await bucket.put("empty", object(""))).toBe("stored");
    expect(await bytesOf(await bucket.get("empty"))).toHaveLength(0);
    // Who wants no more ends it.
    for await (const part of (await bucket.get("big.jpg"))!.chunks) {
      expect(part.length).toBeGreaterThan(0);
      break;
    }
  });

  test("knows nothing of what is not there", async () => {
    expect(await bucket.head("nothing")).toBeUndefined();
    expect(await bucket.get("nothing")).toBeUndefined();
    expect(await listed(bucket, "nothing")).toEqual([]);
  });

  test("never overwrites", async () => {
    expect(await bucket.put("once", object("first"))).toBe("stored");
    expect(await bucket.put("once", object("second"))).toBe("exists");
    expect(String(await bytesOf(await bucket.get("once")))).toBe("first");
    const both = await Promise.all(
      Array.from({ length: 8 }, (_, each) => bucket.put("race", object(String(each)))),
    );
    expect(both.filter((result) => result === "stored")).toHaveLength(1);
    const winner = both.indexOf("stored");
    expect(String(await bytesOf(await bucket.get("race")))).toBe(String(winner));
  });

  test("refuses what has changed on the way", async () => {
    const changed = { ...object("changed"), sha256: sha256Of(Buffer.from("original")) };
    expect(await failure(bucket.put("changed", changed))).toEqual({
      problem: "busy",
      status: 400,
      code: "XAmzContentSHA256Mismatch",
      isRetryable: true,
    });
    expect(await bucket.head("changed")).toBeUndefined();
  });

  test("lists all pages in order, after a key, and folders", async () => {
    const odd = ["a b+c%2F&<é>\"'.jpg", "(x)!*~=?#.jpg", "\u{1F600}.jpg", "100%.jpg"];
    const keys = Array.from({ length: 12 }, (_, each) => `list/${String(each).padStart(4, "0")}`);
    const all = [...keys, ...odd.map((name) => `list/odd/${name}`)];
    await Promise.all(all.map(async (key) => await bucket.put(key, object("x"))));
    const five = await Array.fromAsync(bucket.list({ prefix: "list/", pageMax: 5 }));
    expect(five.map(({ objects }) => objects.length)).toEqual([5, 5, 5, 1]);
    const found = await listed(bucket, "list/");
    expect(five.flatMap(({ objects }) => objects)).toEqual([...found]);
    const sorted = all.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(found.map(({ key }) => key)).toEqual(sorted);
    expect(found[0]).toEqual({
      key: "list/0000",
      size: 1,
      etag: "9dd4e461268c8034f5c8564e155c67a6",
    });
    const request = { prefix: "list/", startAfter: "list/0009", delimiter: "/" };
    const pages = await Array.fromAsync(bucket.list(request));
    expect(pages).toMatchObject([
      { objects: [{ key: "list/0010" }, { key: "list/0011" }], prefixes: ["list/odd/"] },
    ]);
    for (const name of odd) {
      const content = await bucket.get(`list/odd/${name}`);
      expect(await bytesOf(content)).toHaveLength(1);
    }
  });

  test("is found by the name of the bucket in front of its host", async () => {
    const endpoint = new URL(target.endpoint);
    endpoint.hostname = "localhost";
    const other = new Bucket({ ...target, endpoint, style: "host" });
    expect(await other.put("by name é", object("x"))).toBe("stored");
    expect(await bucket.head("by name é")).toMatchObject({ size: 1 });
    expect((await listed(other, "by name")).map(({ key }) => key)).toEqual(["by name é"]);
  });

  test("names what is wrong with keys, bucket and clock in every call", async () => {
    const stranger = store.makeStranger();
    expect(await refusals({ accessKey: "NOBODY" })).toEqual(
      always("keys", "InvalidAccessKeyId", "denied"),
    );
    expect(await refusals({ secretKey: "WRONG" })).toEqual(
      always("keys", "SignatureDoesNotMatch", "denied"),
    );
    expect(await refusals(stranger)).toEqual(always("denied", "AccessDenied"));
    const skewed = always("clock", "RequestTimeTooSkewed");
    expect(await refusals({}, () => Date.now() - HOUR_MS)).toEqual(skewed);
    expect(await refusals({}, () => Date.now() + HOUR_MS)).toEqual(skewed);
    const [put, head, get, list] = await refusals({ bucket: "nowhere" });
    const missing = ["bucket", "NoSuchBucket"];
    expect([put, get, list]).toEqual([missing, missing, missing]);
    expect(head).toEqual([undefined, undefined]);
    expect(await bucket.head("other")).toBeUndefined();
  });

  test("that does not answer, or not all, ends each call in time", async () => {
    await using proxy = await StoreProxy.start(store.address.endpoint);
    const slow = behind(proxy);
    const late = { problem: "unreachable", isRetryable: true, code: "", status: undefined };
    await bucket.put("slow", object("x".repeat(100_000)));
    proxy.faults.push("silent", "silent", "silent", "silent", "stalled", "stalled");
    expect(await failure(slow.put("silent", object("x"), SHORT))).toEqual(late);
    expect(await failure(slow.head("slow", SHORT))).toEqual(late);
    expect(await failure(slow.get("slow", SHORT))).toEqual(late);
    const list = async () => await Array.fromAsync(slow.list({ prefix: "" }, SHORT));
    expect(await failure(list())).toEqual(late);
    expect(await failure(list())).toEqual(late);
    // Its head comes in time, also on a busy machine.
    const content = await slow.get("slow", { msMax: 3000 });
    expect(await failure(bytesOf(content))).toEqual(late);
    proxy.faults.push("cut", "cut");
    const cut = { ...late, code: "ECONNRESET" };
    const half = await slow.get("slow");
    expect(await failure(bytesOf(half))).toEqual(cut);
    expect(await failure(listed(slow, ""))).toEqual(cut);
    // A store that takes no bytes.
    await using deaf = await listenTcp((socket) => socket.pause());
    const body = new Uint8Array(30_000_000);
    const endpoint = new URL(`http://127.0.0.1:${deaf.port}`);
    const put = new Bucket({ ...target, endpoint }).put(
      "deaf",
      { body, contentType: "x/y" },
      SHORT,
    );
    expect(await failure(put)).toEqual(late);
  });

  test("is left alone when a call is ended", async () => {
    await using proxy = await StoreProxy.start(store.address.endpoint);
    const ending = new AbortController();
    const { signal } = ending;
    proxy.faults.push("stalled", "silent");
    const content = await behind(proxy).get("slow", { signal });
    const silent = failure(behind(proxy).put("ended", object("x"), { signal }));
    const stalled = failure(bytesOf(content));
    ending.abort();
    const ended = { problem: "ended", isRetryable: false };
    expect(await silent).toMatchObject(ended);
    expect(await stalled).toMatchObject(ended);
    expect(await failure(bucket.head("slow", { signal }))).toMatchObject(ended);
  });

  test("gets everything once, whatever happens to the tries", async () => {
    await using proxy = await StoreProxy.start(store.address.endpoint);
    const shaky = behind(proxy);
    proxy.faults.push("busy", "silent", "lost");
    const problems: unknown[] = [];
    const limits = [undefined, SHORT.msMax];
    const tryIt = async () => await shaky.put("shaky", object("shaky"), { msMax: limits.shift() });
    const put = retrying(tryIt, {
      onFailure: ({ problem, code }) => problems.push([problem, code]),
      random: () => 0,
    });
    // The third try has stored it.
    expect(await put).toBe("exists");
    expect(problems).toEqual([
      ["busy", "SlowDown"],
      ["unreachable", ""],
      ["unreachable", "ECONNRESET"],
    ]);
    expect(proxy.requests).toEqual(Array.from({ length: 4 }, () => `PUT /${target.bucket}/shaky`));
    const sha256 = sha256Of(Buffer.from("shaky"));
    expect(await bucket.head("shaky")).toMatchObject({ size: 5, sha256 });
  });

  test("that is killed gets it when it is back", async () => {
    await store.killGateway();
    expect(await failure(bucket.put("back", object("x")))).toMatchObject({
      problem: "unreachable",
      isRetryable: true,
    });
    const back = Promise.withResolvers<void>();
    const put = retrying(async () => await bucket.put("back", object("x")), {
      triesMax: 20,
      onFailure: () => back.resolve(),
    });
    await back.promise;
    await store.startGateway();
    expect(await put).toBe("stored");
    expect(String(await bytesOf(await bucket.get("once")))).toBe("first");
  });

  test("is trusted only by its certificate", async () => {
    const files = makeCertificate(temp.path, "store", { owner: "IP:127.0.0.1" });
    const [cert, key] = [files.certificate, files.key].map((file) => readFileSync(file, "utf8"));
    await using proxy = await StoreProxy.start(store.address.endpoint, { cert: cert!, key: key! });
    expect(await behind(proxy, { ca: cert }).put("tls", object("x"))).toBe("stored");
    expect(await failure(behind(proxy).put("tls2", object("x")))).toEqual({
      problem: "certificate",
      code: "DEPTH_ZERO_SELF_SIGNED_CERT",
      status: undefined,
      isRetryable: false,
    });
  });

  describe("imagehub replicate test", () => {
    test("says what works, also with the keys in a file", async () => {
      const keys = join(temp.path, "keys");
      writeFileSync(keys, `${target.accessKey}\n${target.secretKey}\n`, { mode: 0o600 });
      const ways = [{}, { access_key: "", secret_key: "", key_file: keys }];
      for (const changed of ways) {
        const { stdout, ...rest } = await run(settings(changed));
        expect({ stdout: withoutKey(stdout), ...rest }).toEqual({
          status: EXIT.ok,
          stdout: well(),
          stderr: "",
        });
      }
      expect(await listed(bucket, "hub1/test/")).toHaveLength(2);
    });

    test.skipIf(lacks(NATIVE))("works in the executable", async () => {
      const config = settingsFile(settings());
      await using child = Bun.spawn([executable(NATIVE), "replicate", "test", "--config", config], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      expect(withoutKey(await child.stdout.text())).toBe(well());
      expect(await child.exited).toBe(EXIT.ok);
    });

    test("says where it ends", async () => {
      const { endpoint } = store.address;
      const free = freePort();
      const table: [object, number, string][] = [
        [
          { access_key: "NOBODY" },
          EXIT.refused,
          `${endpoint} does not know the access key: set hub.replicate.access_key or key_file`,
        ],
        [
          { secret_key: "WRONG" },
          EXIT.refused,
          `${endpoint} does not accept the secret key: set the one that belongs to the access key`,
        ],
        [
          { bucket: "nowhere" },
          EXIT.refused,
          `There is no bucket nowhere at ${endpoint}: create it, or set hub.replicate.bucket`,
        ],
        [
          { endpoint: `http://127.0.0.1:${free}` },
          EXIT.unanswered,
          `http://127.0.0.1:${free} cannot be reached: connection refused`,
        ],
        [{ endpoint: "" }, EXIT.config, "hub.replicate.endpoint is not set"],
        [
          { access_key: "", secret_key: "", key_file: "/nowhere" },
          EXIT.config,
          "hub.replicate: Cannot read /nowhere: no such file or directory",
        ],
      ];
      const results = await Promise.all(
        table.map(async ([changed]) => await run(settings(changed))),
      );
      expect(results.map(({ status, stderr }) => [status, stderr])).toEqual(
        table.map(([, status, message]) => [status, `${message}\n`]),
      );
    });
  });
});
