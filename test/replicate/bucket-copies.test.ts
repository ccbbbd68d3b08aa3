/** What deleting may take away while there is a bucket, with a real store. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { freePort } from "../../scripts/lib/free-port.ts";
import { lacks } from "../../scripts/lib/available.ts";
import { defaultSettings, type Settings } from "../../src/config/schema.ts";
import { Pruner } from "../../src/keep/prune.ts";
import { copiesInBucket } from "../../src/replicate/copies.ts";
import { Bucket } from "../../src/s3/bucket.ts";
import type { DataDirectory } from "../../src/store/data-directory.ts";
import { Folder } from "../../src/os/folder.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Ceph, makeBucket } from "../support/peers/ceph.ts";
import { StoreProxy } from "../support/peers/store-proxy.ts";
import { addImage, dataDirectory, namesOf } from "../support/store/days.ts";

setDefaultTimeout(60_000);

const DATE = "2021-09-23";

const temp = tempDir();
afterAll(() => temp[Symbol.dispose]());

describe.skipIf(lacks("ceph", "python"))("what is in the bucket", () => {
  let store: Ceph;
  let bucket: Bucket;
  let settings: Settings["replicate"];
  let directory: DataDirectory;

  beforeAll(async () => {
    store = await Ceph.start();
    const target = await makeBucket(store.address);
    bucket = new Bucket(target);
    settings = {
      ...defaultSettings().replicate,
      endpoint: target.endpoint.origin,
      bucket: target.bucket,
      name: "barn",
      access_key: target.accessKey,
      secret_key: target.secretKey,
    };
    directory = dataDirectory(temp.path);
  }, 120_000);
  afterAll(async () => await store[Symbol.asyncDispose]());

  const put = async (path: string, bytes: Uint8Array<ArrayBuffer>): Promise<unknown> =>
    await bucket.put(`barn/${path}`, { body: bytes, contentType: "image/jpeg" });

  /** Deletes what may go of the day. @returns why something stays */
  async function prune(): Promise<string[]> {
    const failures: string[] = [];
    const pruner = new Pruner({
      directory,
      check: () => undefined,
      protectedNames: () => new Set(),
      copies: await copiesInBucket(settings, directory),
      until: { date: "2021-09-25", micros: 0 },
      isUrgent: () => false,
      shouldStop: () => false,
      isRehearsal: false,
      onFailure: (message) => failures.push(message),
    });
    await pruner.run({
      reason: "days",
      candidates: [{ date: DATE }],
      bytes: Number.MAX_SAFE_INTEGER,
    });
    return failures;
  }

  test("may be deleted, and nothing else", async () => {
    const [same, differs, longer, missing] = ["10:00", "11:00", "12:00", "13:00"].map((time) =>
      addImage(directory, DATE, time),
    );
    const bytes = (name = ""): Uint8Array<ArrayBuffer> =>
      new Uint8Array(readFileSync(`${directory.dateFolder(DATE)}/${name}`));
    await put(`images/${DATE}/${same}`, bytes(same));
    const other = bytes(differs);
    other[0]! ^= 1;
    await put(`images/${DATE}/${differs}`, other);
    await put(`images/${DATE}/${longer}`, new Uint8Array([...bytes(longer), 0]));
    await put(`images/2021-09-24/${missing}`, bytes(missing));
    expect(await prune()).toEqual([
      `Cannot delete 3 images of ${DATE}: the bucket ${settings.bucket} has images of this day, but not all that are here`,
    ]);
    expect(namesOf(directory, DATE)).toEqual([differs!, longer!, missing!]);
  });

  test("is not asked again when it has not answered", async () => {
    await using proxy = await StoreProxy.start(settings.endpoint);
    const copies = await copiesInBucket({ ...settings, endpoint: proxy.endpoint }, directory);
    const has = await copies!.has(DATE);
    using folder = Folder.open(directory.dateFolder(DATE));
    const differs = namesOf(directory, DATE)[0]!;
    expect(await has(differs, folder)).toBe(false);
    const count = proxy.requests.length + 1;
    proxy.faults.push("busy");
    for (const ask of [() => has(differs, folder), () => copies!.has("2021-09-24")])
      expect((async () => await ask())()).rejects.toThrow("cannot do it now");
    expect((async () => await copies!.hasLog(DATE))()).rejects.toThrow("cannot do it now");
    expect(proxy.requests).toHaveLength(count);
  });

  test("is asked about the event log of a day, too", async () => {
    const copies = await copiesInBucket(settings, directory);
    expect(copies?.dates).toEqual(new Set([DATE, "2021-09-24"]));
    const log = `${directory.eventLog}.${DATE}`;
    writeFileSync(log, "a line\n");
    expect(await copies!.hasLog(DATE)).toBe(false);
    await put(`logs/imagehub.log.${DATE}`, new Uint8Array(readFileSync(log)));
    expect(await copies!.hasLog(DATE)).toBe(true);
    writeFileSync(log, "another\n");
    expect(await copies!.hasLog(DATE)).toBe(false);
  });

  test("is nothing if the store cannot be asked, and does not matter if it need not have it", async () => {
    const away = { ...settings, endpoint: `http://127.0.0.1:${freePort()}` };
    const copies = await copiesInBucket(away, directory);
    expect(copies?.dates.size).toBe(0);
    expect(copies?.problem).toContain("connection refused");
    expect(await copiesInBucket({ ...away, required: false }, directory)).toBeUndefined();
    expect(await copiesInBucket(defaultSettings().replicate, directory)).toBeUndefined();
  });
});
