import { expect, test } from "bun:test";
import { receiveMessageOnPort } from "node:worker_threads";
import { BucketWaits } from "../../src/receiver/bucket-waits.ts";
import type { PendingRequest } from "../../src/receiver/pending-requests.ts";
import type { BucketNews, BucketWait } from "../../src/shared/messages.ts";
import { Kind } from "../../src/shared/request-slot.ts";

/** What is read of a request, which was received at this moment. */
const request = (storedAt: string, receivedMs: number): PendingRequest =>
  ({ receivedMs, slot: { kind: Kind.jpeg, storedAt, payloadBytes: 10 } }) as PendingRequest;

/** A replicator's end of a port. */
class Far {
  private readonly channel = new MessageChannel();
  readonly near = this.channel.port2;

  /** What it was asked for since the last call. */
  asked(): BucketWait[] {
    const all: BucketWait[] = [];
    for (;;) {
      const next = receiveMessageOnPort(this.channel.port1)?.message as BucketWait | undefined;
      if (next === undefined) return all;
      all.push(next);
    }
  }

  tell(...all: readonly BucketNews[]): void {
    for (const news of all) this.channel.port1.postMessage(news);
  }
}

const queue = { clearBucketNews: () => true };

test("a request waits until the replicator or its time settles it, once", () => {
  const waits = new BucketWaits(queue, 1000);
  const far = new Far();
  const [one, two] = [request("a", 0), request("b", 500)];
  // Nobody can be asked yet.
  waits.add(one, 100);
  waits.connect(far.near, 200);
  waits.add(two, 600);
  const [first, second] = far.asked();
  expect([first?.storedAt, first?.leftMs, second?.storedAt, second?.leftMs]).toEqual([
    "a",
    800,
    "b",
    900,
  ]);
  expect(waits.late(999)).toEqual([]);
  far.tell({ type: "trouble", reason: "the store is away" });
  expect(waits.settled()).toEqual([]);
  expect(waits.late(1000)).toEqual([{ request: one, refusal: "the store is away" }]);
  // Its slot has another request by now.
  waits.add(one, 1100);
  const done = { type: "done", refusal: undefined } as const;
  far.tell({ ...done, ticket: first!.ticket }, { ...done, ticket: second!.ticket });
  expect(waits.settled()).toEqual([{ request: two, refusal: undefined }]);
  expect(waits.count).toBe(1);
});

test("a replicator that takes the place of another one is asked for all that waits", () => {
  const waits = new BucketWaits(queue, 1000);
  const [former, next] = [new Far(), new Far()];
  waits.connect(former.near, 0);
  const one = request("a", 0);
  waits.add(one, 0);
  former.tell({ type: "trouble", reason: "it fails" });
  expect(waits.settled()).toEqual([]);
  waits.connect(next.near, 300);
  const [asked] = next.asked();
  expect(asked).toEqual({ ...former.asked()[0]!, leftMs: 700 });
  next.tell({ type: "done", ticket: asked!.ticket, refusal: "it differs" });
  expect(waits.settled()).toEqual([{ request: one, refusal: "it differs" }]);
  waits.add(one, 400);
  expect(waits.late(Number.POSITIVE_INFINITY)[0]?.refusal).toContain("within 1 s (ack_timeout)");
  expect(waits.count).toBe(0);
});
