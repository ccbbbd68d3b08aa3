/**
 * A hub whose disk was thrown away, and what the bucket gives back of it.
 *
 * @module
 */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { lacks, PARTS, type Program } from "../../scripts/lib/available.ts";
import { Ceph } from "../support/peers/ceph.ts";

setDefaultTimeout(120_000);

const NATIVE: Program = process.arch === "arm64" ? "arm64" : "x64";

describe.skipIf(lacks("ceph", "python", ...PARTS[NATIVE]))("a new disk", () => {
  let store: Ceph;
  beforeAll(async () => {
    store = await Ceph.start();
  });
  afterAll(async () => {
    await store?.[Symbol.asyncDispose]();
  });

  test("starts", () => expect(store).toBeDefined());
});
