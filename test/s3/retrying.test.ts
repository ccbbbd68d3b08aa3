import { describe, expect, test } from "bun:test";
import { StoreError } from "../../src/s3/errors.ts";
import { pauseMs, retrying } from "../../src/s3/retrying.ts";

const failure = (isRetryable: boolean, waitMs?: number): StoreError =>
  new StoreError("no", { problem: "busy", code: "", isRetryable, waitMs });

/** Fails so often, then succeeds. */
function failing(times: number, error: Error) {
  let count = 0;
  return async () => {
    if (count++ < times) throw error;
    return await Promise.resolve(count);
  };
}

describe("pauseMs", () => {
  test("is at random between half and all of a bound that doubles up to 20 s", () => {
    const bounds = [1, 2, 3, 8, 100].map((failures) => [
      pauseMs(failures, 0, () => 0),
      pauseMs(failures, 0, () => 1),
    ]);
    expect(bounds).toEqual([
      [100, 200],
      [200, 400],
      [400, 800],
      [10_000, 20_000],
      [10_000, 20_000],
    ]);
  });

  test("is at least what the store asks for, up to two minutes", () => {
    expect(pauseMs(1, 5000)).toBe(5000);
    expect(pauseMs(1, 1e9)).toBe(120_000);
  });
});

/** So low that there is no wait. */
const random = (): number => -1;

describe("retrying", () => {
  test("tries again until it succeeds, and tells the waits", async () => {
    const waits: number[] = [];
    const onFailure = (_: StoreError, waitMs: number) => waits.push(waitMs);
    const options = { random, onFailure };
    expect(await retrying(failing(2, failure(true)), options)).toBe(3);
    expect(waits).toEqual([0, 0]);
  });

  test("gives up after so many tries", async () => {
    const call = failing(3, failure(true));
    expect(retrying(call, { random, triesMax: 3 })).rejects.toThrow("no");
    expect(await call()).toBe(4);
  });

  test.each([failure(false), new TypeError("a bug")])(
    "does not repeat a failure of another kind",
    async (error) => {
      const call = failing(1, error);
      expect(retrying(call, { random })).rejects.toBe(error);
      expect(await call()).toBe(2);
    },
  );

  test("stops waiting when it is ended", async () => {
    const ending = new AbortController();
    const options = { signal: ending.signal, onFailure: () => ending.abort() };
    expect(retrying(failing(1, failure(true, 1e9)), options)).rejects.toMatchObject({
      problem: "ended",
    });
  });
});
