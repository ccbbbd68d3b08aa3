/**
 * Puts the same bytes into a bucket at a steady pace, as `bench-replicate.ts` runs it: what the
 * store itself takes for what cameras then wait for.
 *
 *     bun scripts/bench/puts.ts ENDPOINT BUCKET ACCESS_KEY SECRET_KEY FILE RATE SECONDS
 *
 * Prints one line of JSON, in microseconds.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { Bucket } from "../../src/s3/bucket.ts";
import { WARMUP_S } from "./awaited.ts";

const [endpoint = "", bucket = "", accessKey = "", secretKey = "", file = "", rate, seconds] =
  process.argv.slice(2);
const body = new Uint8Array(readFileSync(file));
const store = new Bucket({
  endpoint: new URL(endpoint),
  bucket,
  region: "us-east-1",
  style: "path",
  accessKey,
  secretKey,
  ca: undefined,
});
const tookUs: number[] = [];

async function put(number: number): Promise<void> {
  const startMs = performance.now();
  await store.put(`puts/${startMs}-${number}.jpg`, { body, contentType: "image/jpeg" });
  if (number >= WARMUP_S * Number(rate)) tookUs.push((performance.now() - startMs) * 1000);
}

const beginMs = performance.now();
const puts: Promise<void>[] = [];
for (let number = 0; number < (WARMUP_S + Number(seconds)) * Number(rate); number++) {
  const waitMs = beginMs + (number * 1000) / Number(rate) - performance.now();
  if (waitMs > 0) await Bun.sleep(waitMs);
  puts.push(put(number));
}
await Promise.all(puts);
tookUs.sort((a, b) => a - b);
const at = (share: number): number => Math.round(tookUs[Math.floor((tookUs.length - 1) * share)]!);
console.log(JSON.stringify({ p50Us: at(0.5), p99Us: at(0.99) }));
