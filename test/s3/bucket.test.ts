/**
 * What a real store cannot be made to do: servers that answer something else. The rest is in
 * `test/e2e/s3.test.ts`.
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createServer, type RequestListener } from "node:http";
import { Bucket, type NewObject } from "../../src/s3/bucket.ts";
import { probe } from "../../src/s3/probe.ts";
import type { Target } from "../../src/s3/target.ts";

setDefaultTimeout(60_000);

const OBJECT: NewObject = { body: new Uint8Array([1, 2, 3]), contentType: "image/jpeg" };
const LIST = "<ListBucketResult><IsTruncated>true</IsTruncated>";

/** A bucket at a server that answers so. */
async function bucketAt(listener: RequestListener) {
  const server = createServer(listener);
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  const { port } = server.address() as { readonly port: number };
  const target: Target = {
    endpoint: new URL(`http://127.0.0.1:${port}`),
    bucket: "farm",
    region: "us-east-1",
    style: "path",
    accessKey: "AKID",
    secretKey: "SECRET",
    ca: undefined,
  };
  return {
    at: target.endpoint.origin,
    bucket: new Bucket(target),
    [Symbol.asyncDispose]: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

/** Everything of a list. */
async function listAll(bucket: Bucket): Promise<unknown[]> {
  return await Array.fromAsync(bucket.list({ prefix: "" }));
}

test("a call says who it is, signs the hash of the body, and wants nothing packed", async () => {
  const headers = Promise.withResolvers<Record<string, unknown>>();
  await using server = await bucketAt((request, response) => {
    headers.resolve(request.headers);
    response.writeHead(200, { ETag: '"x"' }).end();
  });
  expect(await server.bucket.put("a", OBJECT)).toBe("stored");
  const sha256 = "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81";
  expect(await headers.promise).toMatchObject({
    "accept-encoding": "identity",
    "content-length": "3",
    "content-type": "image/jpeg",
    "if-none-match": "*",
    "user-agent": expect.stringMatching(/^imagehub\//),
    "x-amz-content-sha256": sha256,
    "x-amz-meta-sha256": sha256,
    authorization: expect.stringContaining(
      "SignedHeaders=host;if-none-match;x-amz-content-sha256;x-amz-date;x-amz-meta-sha256,",
    ),
  });
});

const foreign = (what: string) => ({
  problem: "foreign",
  isRetryable: false,
  message: expect.stringContaining(`does not answer as an S3 store does (${what})`),
});

describe("a server that is no S3 store is named when", () => {
  test("it says 200 to everything", async () => {
    await using server = await bucketAt((_, response) => response.end("<html>Welcome</html>"));
    expect(server.bucket.put("a", OBJECT)).rejects.toMatchObject(foreign("200 without an ETag"));
    expect(listAll(server.bucket)).rejects.toMatchObject(foreign("a list that cannot be read"));
  });

  test("a page stands in the way, which answers to all with 200", async () => {
    const head = { "Content-Type": "text/html; charset=utf-8", ETag: 'W/"1a-b"' };
    await using server = await bucketAt((_, response) => response.writeHead(200, head).end("Hi"));
    expect(server.bucket.put("a", OBJECT)).rejects.toMatchObject(foreign("200 with a page"));
  });

  test("it says 404 to everything", async () => {
    await using server = await bucketAt((_, response) => response.writeHead(404).end("nothing"));
    expect(server.bucket.put("a", OBJECT)).rejects.toMatchObject(foreign("404"));
    expect(server.bucket.get("a")).rejects.toMatchObject(foreign("404"));
    expect(listAll(server.bucket)).rejects.toMatchObject(foreign("404"));
  });

  test("it ignores the range", async () => {
    await using server = await bucketAt((_, response) => response.end("all of it"));
    const range = { first: 4 };
    expect(server.bucket.get("a", { range })).rejects.toMatchObject(foreign("200"));
  });

  test("its list has no end", async () => {
    const text = `${LIST}<NextContinuationToken>a</NextContinuationToken></ListBucketResult>`;
    await using server = await bucketAt((_, response) => response.end(text));
    expect(listAll(server.bucket)).rejects.toMatchObject(foreign("a list without an end"));
  });

  test("its answer is larger than any page", async () => {
    await using server = await bucketAt((_, response) => {
      response.on("error", () => undefined);
      const more = (): void => {
        while (response.write(" ".repeat(1 << 20)));
      };
      response.on("drain", more);
      response.write(LIST);
      more();
    });
    expect(listAll(server.bucket)).rejects.toMatchObject(foreign("a list that cannot be read"));
  });
});

test("a redirect is not followed", async () => {
  let count = 0;
  await using server = await bucketAt((_, response) => {
    count++;
    response.writeHead(307, { Location: `${server.at}/other` }).end();
  });
  expect(server.bucket.put("a", OBJECT)).rejects.toMatchObject({
    problem: "bucket",
    status: 307,
  });
  expect(count).toBe(1);
});

/** What a careless store does with a put and with what it gives back. */
interface Carelessness {
  /** @param count of the puts before */
  readonly refuses: (count: number) => boolean;
  readonly change: (body: Buffer) => Buffer;
}

/** A store that keeps objects in its own way. */
async function carelessBucket({ refuses, change }: Carelessness) {
  const objects = new Map<string, { body: Buffer; sha256: string }>();
  let puts = 0;
  const put: RequestListener = (request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const isRefused = refuses(puts++);
      const sha256 = String(request.headers["x-amz-meta-sha256"]);
      if (!isRefused) objects.set(keyOf(request), { body: Buffer.concat(parts), sha256 });
      response.writeHead(isRefused ? 412 : 200, { ETag: '"x"' }).end();
    });
  };
  const list: RequestListener = (_, response) => {
    const all = Array.from(
      objects,
      ([key, { body }]) => `<Contents><Key>${key}</Key><Size>${body.length}</Size></Contents>`,
    );
    response.end(`<ListBucketResult>${all.join("")}</ListBucketResult>`);
  };
  const get: RequestListener = (request, response) => {
    const found = objects.get(keyOf(request));
    const body = change(found?.body ?? Buffer.of());
    response.setHeader("x-amz-meta-sha256", found?.sha256 ?? "");
    response.writeHead(200, { "Content-Length": body.length });
    response.end(request.method === "HEAD" ? undefined : body);
  };
  return await bucketAt((request, response) => {
    const answer = request.method === "PUT" ? put : keyOf(request) === "" ? list : get;
    answer(request, response);
  });
}

function keyOf({ url = "" }: { readonly url?: string | undefined }): string {
  return new URL(url, "http://x").pathname.slice("/farm/".length);
}

const DONE = [
  "Stored hub/test/1",
  "It refuses to overwrite it",
  "It lists it",
  "It gives it back as it was",
];

const isSecond = (count: number): boolean => count > 0;
const same = (body: Buffer): Buffer => body;

describe("probe says that a store", () => {
  test.each<[string, Carelessness, string, number]>([
    [
      "overwrites",
      { refuses: () => false, change: same },
      "But it overwrites: it does not know If-None-Match with a put, so what is there could be lost",
      1,
    ],
    [
      "has what nobody has put",
      { refuses: () => true, change: same },
      "It says that hub/test/1 is there already, but nobody has put it",
      0,
    ],
    [
      "loses a part",
      { refuses: isSecond, change: (body) => body.subarray(1) },
      "But it does not give back the size and the SHA-256 that were put with the object",
      2,
    ],
    [
      "changes bytes",
      { refuses: isSecond, change: (body) => Buffer.from(body.toString().toUpperCase()) },
      "But it gives back other bytes than were put",
      3,
    ],
    ["is well", { refuses: isSecond, change: same }, "", 4],
  ])("%s", async (_, carelessness, problem, steps) => {
    await using server = await carelessBucket(carelessness);
    const done: string[] = [];
    const result = await probe(server.bucket, "hub/test/1", (step) => void done.push(step));
    expect(result ?? "").toBe(problem);
    expect(done).toEqual(DONE.slice(0, steps));
  });
});
