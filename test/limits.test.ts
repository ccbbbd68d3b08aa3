import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defaultSettings, SETTINGS } from "../src/config/schema.ts";
import * as limits from "../src/limits.ts";
import { imageFileName, imageName } from "../src/protocol/names.ts";
import { createShared, firstFastSlot } from "../src/shared/memory.ts";
import { SLOT_BYTES } from "../src/shared/request-slot.ts";

const defaults = defaultSettings();

/** A value of `deploy/imagehub.service` in milliseconds, such as that of `TimeoutStopSec`. */
function unitMs(key: string): number {
  const path = fileURLToPath(import.meta.resolve("../deploy/imagehub.service"));
  const [, seconds] = new RegExp(`^${key}=(\\d+)$`, "m").exec(readFileSync(path, "utf8")) ?? [];
  return Number(seconds) * 1000;
}

const isAllowed = (name: string, value: unknown): boolean =>
  SETTINGS.find((setting) => setting.name === name)!.type.safeParse(value).success;

describe("Threads", () => {
  test("each flusher has a bit of its own in an integer", () => {
    expect(limits.FLUSHERS_MAX).toBeLessThan(31);
  });

  test("one thread more than the writers stores", () => {
    expect(isAllowed("writers", limits.WRITERS_MAX)).toBe(true);
    expect(isAllowed("writers", limits.WRITERS_MAX + 1)).toBe(false);
    expect(limits.STORING_THREADS_MAX).toBe(limits.WRITERS_MAX + 1);
  });
});

describe("Requests in hand", () => {
  test("the fast path has slots for a batch while another is not counted yet", () => {
    expect(2 * limits.FAST_BATCH).toBeLessThanOrEqual(limits.FAST_SLOTS);
  });

  test.each([
    ["few", 1],
    ["the default", defaults.queuemax + defaults.max_connections],
    ["the most that may be set", limits.QUEUE_IMAGES_MAX + limits.CONNECTIONS_MAX],
  ])("the rings hold every slot and the end for each writer where there are %s", (_, slots) => {
    const { work, done } = createShared(slots);
    for (const { length } of [work, done]) {
      const numbers = firstFastSlot(slots) + limits.FAST_SLOTS + limits.WRITERS_MAX;
      expect(length).toBeGreaterThanOrEqual(numbers);
      // A ticket counts through all 32 bits and finds its place by the lowest of them.
      expect(Number.isInteger(Math.log2(length))).toBe(true);
      expect(length).toBeLessThan(2 ** 31);
    }
  });
});

describe("Texts and names", () => {
  test("a slot holds the longest text and the longest name", () => {
    expect(limits.TEXT_BYTES_MAX).toBeGreaterThanOrEqual(limits.FILE_NAME_BYTES_MAX);
    expect(SLOT_BYTES).toBeGreaterThanOrEqual(limits.TEXT_BYTES_MAX + limits.IMAGE_NAME_BYTES_MAX);
  });

  test("the numbers of each slot are aligned", () => {
    expect(SLOT_BYTES % Float64Array.BYTES_PER_ELEMENT).toBe(0);
  });

  test("the longest name makes the longest file name", () => {
    const time = { date: "2018-12-30", day: 20_181_230, hour: "23", minute: "13", second: "31" };
    const name = imageName("x".repeat(1000));
    expect(name).toHaveLength(limits.IMAGE_NAME_BYTES_MAX);
    expect(imageFileName(name, time, 620_992, ".jpg")).toHaveLength(limits.FILE_NAME_BYTES_MAX);
  });
});

describe("Disks that stall", () => {
  test("the receiver looks after the fast path less often than a write may take unseen", () => {
    expect(limits.SLOW_MS).toBeLessThan(limits.CHORES_MS);
  });

  test("the log tells of a stall before the hub is unhealthy", () => {
    expect(limits.STALL_LOGGED_SECONDS).toBeLessThan(limits.STALL_UNHEALTHY_SECONDS);
  });
});

describe("Threads that hang", () => {
  test("a thread turns in time for its next chores", () => {
    expect(limits.CHORES_MS).toBeLessThan(limits.TURN_MS_MAX);
  });

  test("the hub is unhealthy before the watchdog may bite", () => {
    expect(unitMs("WatchdogSec") / limits.WATCHDOG_FEEDS).toBeGreaterThan(limits.TURN_MS_MAX);
  });
});

describe("A stop", () => {
  test("is quiet for a while before it has received for too long", () => {
    expect(limits.STOP_QUIET_MS).toBeLessThan(limits.STOP_RECEIVE_MS_MAX);
    expect(limits.STOP_RECEIVE_MS_MAX).toBeLessThan(limits.STOP_STORE_MS_MAX);
  });

  test("ends by itself before it is ended, with publishers and the default of linger", () => {
    expect(defaults.linger).toBe(limits.LINGER_SECONDS);
    const sumMs =
      limits.STOP_QUIET_MS +
      limits.STOP_STORE_MS_MAX +
      limits.FAREWELL_MS_MAX +
      limits.LINGER_SECONDS * 1000;
    expect(sumMs).toBeLessThan(limits.STOP_MS_MAX);
  });

  test("has time to tell others what was stored last, and ends by itself after that", () => {
    expect(limits.TELL_MS_MAX).toBeLessThan(limits.TELL_END_MS);
    expect(limits.TELL_END_MS).toBeLessThan(limits.STOP_MS_MAX);
    expect(limits.REPLICATE_END_MS).toBeLessThan(limits.REPLICATE_MS_MAX);
    expect(limits.REPLICATE_MS_MAX).toBeLessThan(limits.TELL_END_MS);
  });

  test("is ended before service managers end it", () => {
    expect(limits.STOP_MS_MAX).toBeLessThan(limits.SERVICE_STOP_MS);
    expect(limits.SERVICE_STOP_MS).toBeLessThanOrEqual(unitMs("TimeoutStopSec"));
  });

  test("sends its replies in time, and no more at once than senders can take", () => {
    // A step takes a millisecond or more.
    expect(limits.FAREWELL_STEPS).toBeLessThan(limits.FAREWELL_MS_MAX);
    expect(limits.FAREWELL_STEP_MS_MAX).toBeLessThan(limits.CORK_MS);
    expect(limits.HELD_REPLIES_MAX / limits.FAREWELL_STEPS).toBeLessThan(32);
  });

  test("holds a reply for each connection that stands by default", () => {
    expect(limits.HELD_REPLIES_MAX).toBeGreaterThanOrEqual(defaults.max_connections);
  });
});
