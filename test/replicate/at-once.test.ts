import { expect, test } from "bun:test";
import { AtOnce } from "../../src/replicate/at-once.ts";
import { endedError } from "../../src/s3/errors.ts";
import type { BucketNews, BucketWait } from "../../src/shared/messages.ts";

const wait = (ticket: number, kind: BucketWait["kind"] = "image", leftMs = 60_000): BucketWait => ({
  ticket,
  kind,
  storedAt: kind === "image" ? `2021-09-23/${ticket}.jpg` : `${ticket}@1:2`,
  bytes: 10,
  leftMs,
});

const done = (ticket: number, refusal?: string): BucketNews => ({
  type: "done",
  ticket,
  refusal,
});

/** What is put, in the hands of the test. */
class Bench {
  readonly told: BucketNews[] = [];
  readonly puts = new Map<string, PromiseWithResolvers<string | undefined>>();
  readonly events: PromiseWithResolvers<void>[] = [];
  /** How far the event log is in the bucket. */
  at = 0;
  isStuck = false;
  readonly atOnce: AtOnce;

  constructor(imagesMax = 100, bytesMax = 1000) {
    this.atOnce = new AtOnce({
      imagesMax,
      bytesMax,
      putImage: async (path) => {
        const put = Promise.withResolvers<string | undefined>();
        this.puts.set(path, put);
        return await put.promise;
      },
      putEvents: async () => {
        const put = Promise.withResolvers<void>();
        this.events.push(put);
        await put.promise;
      },
      segments: {
        stateOf: ({ end }) => (this.isStuck ? "never" : end <= this.at ? "there" : "waiting"),
      },
      tell: (news) => this.told.push(news),
      onIdle: () => {},
    });
  }

  /** Ends the put of an image. */
  async end(ticket: number, how: (put: PromiseWithResolvers<string | undefined>) => void) {
    how(this.puts.get(`2021-09-23/${ticket}.jpg`)!);
    await Bun.sleep(0);
  }
}

test.each([
  ["images", 3, 1000],
  ["bytes", 100, 30],
])("so many %s are put beside each other, the others follow", async (_, imagesMax, bytesMax) => {
  const bench = new Bench(imagesMax, bytesMax);
  for (const ticket of [1, 2, 3, 4, 5]) bench.atOnce.ask(wait(ticket));
  bench.atOnce.ask(wait(6, "image", 0));
  expect(bench.puts.size).toBe(3);
  await bench.end(2, ({ resolve }) => resolve(undefined));
  await bench.end(1, ({ resolve }) => resolve("it differs"));
  await bench.end(3, ({ reject }) => reject(new Error("EIO")));
  expect(bench.told).toEqual([done(2), done(1, "it differs"), done(3, "EIO")]);
  expect(bench.puts.size).toBe(5);
  // Too late: the receiver has answered.
  await bench.end(4, ({ reject }) => reject(endedError()));
  await bench.end(5, ({ resolve }) => resolve(undefined));
  expect(bench.told.slice(3)).toEqual([done(5)]);
  expect([bench.puts.size, bench.atOnce.isBusy]).toEqual([5, false]);
});

test("lines that come while others are put go together in the next", async () => {
  const bench = new Bench();
  const { atOnce, events } = bench;
  for (const ticket of [1, 2, 3]) atOnce.ask(wait(ticket, "event"));
  expect(events).toHaveLength(1);
  bench.at = 1;
  events[0]!.resolve();
  await Bun.sleep(0);
  expect([bench.told, events.length]).toEqual([[done(1)], 2]);
  atOnce.ask(wait(4, "event"));
  bench.at = 3;
  events[1]!.reject(new Error("EIO"));
  await Bun.sleep(0);
  expect([bench.told.slice(1), events.length]).toEqual([[done(2), done(3)], 3]);
  bench.isStuck = true;
  events[2]!.resolve();
  await Bun.sleep(0);
  expect(bench.told.slice(3)).toEqual([done(4, "the bucket has other lines of this event log")]);
  expect(events).toHaveLength(3);
});

test("trouble is told when it changes", () => {
  const { atOnce, told } = new Bench();
  for (const reason of [undefined, "away", "away", undefined]) atOnce.tellTrouble(reason);
  expect(told.map((news) => news.type === "trouble" && news.reason)).toEqual(["away", undefined]);
});
