import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync } from "node:fs";
import { receiveMessageOnPort } from "node:worker_threads";
import { defaultSettings, type Settings } from "../../src/config/schema.ts";
import { EventFd } from "../../src/os/wait.ts";
import { Calendar } from "../../src/protocol/calendar.ts";
import { Complaints } from "../../src/receiver/complaints.ts";
import { Connections } from "../../src/receiver/connections.ts";
import { Lending } from "../../src/receiver/lending.ts";
import { ReplySocket, routerSocket } from "../../src/receiver/reply-socket.ts";
import { Requests } from "../../src/receiver/requests.ts";
import type { Publisher } from "../../src/receiver/subscriptions.ts";
import { Loan } from "../../src/shared/loan.ts";
import { Counter, createShared, firstFastSlot, slotsFor } from "../../src/shared/memory.ts";
import type { BucketNews, BucketWait } from "../../src/shared/messages.ts";
import { NoWork, RequestQueue } from "../../src/shared/queue.ts";
import { type FramedSlot, FramedSlots } from "../../src/receiver/framed-slot.ts";
import { Holder, Kind, Outcome } from "../../src/shared/request-slot.ts";
import { Monitor } from "../../src/zmq/monitor.ts";
import { Context, SocketType } from "../../src/zmq/socket.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { FakeClock, UTC, utcMicros } from "../support/machine/fake-clock.ts";
import { header, jpeg } from "../support/peers/camera.ts";
import { Peer, PeerType, sendFrames, waitFor } from "../support/peers/zmq-peer.ts";

// Above all bounds of waiting, so that what a test holds is let go of before its context is.
setDefaultTimeout(120_000);

const NOW = "2026-11-22T12:00:00.500000";

/** The requests of a hub, with its queue's other end in the hands of the test. */
class Bench implements Disposable {
  readonly settings: Settings;
  readonly shared;
  readonly queue: RequestQueue;
  readonly loan: Loan;
  readonly lending: Lending;
  readonly requests: Requests;
  readonly slots: FramedSlots;
  readonly said: string[] = [];
  private readonly stack = new DisposableStack();
  private readonly context: Context;
  private readonly socket: ReplySocket;
  private readonly endpoint = `tcp://127.0.0.1:${freePort()}`;

  constructor(settings: Partial<Settings> = {}) {
    this.settings = { ...defaultSettings(), queuemax: 4, max_connections: 4, ...settings };
    this.shared = createShared(slotsFor(this.settings));
    const wake = EventFd.create();
    this.stack.defer(() => closeSync(wake.fd));
    this.context = this.stack.use(new Context());
    this.queue = new RequestQueue(this.shared, wake);
    this.slots = new FramedSlots(this.shared.slots, true);
    this.loan = new Loan(this.shared, this.settings.writers, wake);
    this.lending = new Lending(this.loan, true);
    const report = (level: string, message: string): void =>
      void this.said.push(`${level} ${message}`);
    const complaints = new Complaints(report);
    this.socket = this.stack.use(new ReplySocket(routerSocket(this.context, this.settings)));
    this.socket.socket.bind(this.endpoint);
    const connections = this.stack.use(
      new Connections(new Monitor(this.socket.socket), {
        max: 100,
        unfinishedBytesMax: 1_000_000,
        debug: () => undefined,
        onFailed: () => undefined,
        onWrongType: () => undefined,
        onGivenUp: () => undefined,
      }),
    );
    this.requests = new Requests(this.socket, this.slots, connections, complaints, this.lending, {
      settings: this.settings,
      shared: this.shared,
      queue: this.queue,
      calendar: new Calendar(FakeClock.at(NOW, UTC)),
      report,
    });
  }

  peer(type: number = PeerType.req): Peer {
    return this.stack.use(new Peer(this.context, type, this.endpoint));
  }

  /** Sends a request and receives it. */
  take(from: Peer, ...frames: readonly (string | Uint8Array)[]): void {
    from.send(...frames);
    waitFor(this.socket.socket);
    this.requests.receiveBatch();
  }

  /** As the fast path: receives a request into one of its slots. @param slot from 0 */
  receiveFast(slot: number, from: Peer, ...frames: readonly (string | Uint8Array)[]): void {
    from.send(...frames);
    waitFor(this.socket.socket);
    const fast = this.slots.at(firstFastSlot(slotsFor(this.settings)) + slot);
    this.socket.receive(fast);
    fast.micros = utcMicros(NOW);
    fast.holder = Holder.received;
  }

  /** A publisher that the hub has subscribed to. @returns it, and what sends a message of it */
  publisher(): [Publisher, send: (...frames: (string | Uint8Array)[]) => void] {
    const [from, to] = [this.context.socket(SocketType.pair), this.context.socket(SocketType.pair)];
    for (const each of [from, to]) this.stack.use(each);
    from.bind("inproc://publisher");
    to.connect("inproc://publisher");
    return [{ socket: to } as Publisher, (...frames) => sendFrames(from, frames)];
  }

  /** Receives what a publisher has sent. */
  takePublished(publisher: Publisher): void {
    waitFor(publisher.socket);
    this.requests.receivePublished([publisher]);
  }

  /** As a writer: the next slot that waits to be stored; undefined: none. */
  next(): FramedSlot | undefined {
    const index = this.queue.nextWork();
    return index === NoWork.nothing ? undefined : this.slots.at(index);
  }

  /** As a writer: stores what waits, or fails to, and has it answered. @returns how many */
  store(outcome: number = Outcome.stored, failure = ""): number {
    for (let slot = this.next(); slot !== undefined; slot = this.next()) {
      slot.outcome = outcome;
      slot.failure = failure;
      this.queue.giveBack(slot.index);
    }
    return this.requests.finishDone();
  }

  count(counter: number): number {
    return this.shared.counters[counter]!;
  }

  [Symbol.dispose](): void {
    this.stack[Symbol.dispose]();
  }
}

/** One that sends ahead of its replies. */
const ahead = (bench: Bench): Peer => bench.peer(PeerType.dealer);

describe("Requests answers at once", () => {
  test.each<[what: string, frames: (string | Uint8Array)[], reply: RegExp, counter: number]>([
    ["a heartbeat", [header("Barn|Heartbeat"), "x"], /^OK$/, Counter.heartbeats],
    ["what has no label", [header("Barn"), jpeg("x", 100)], /^OK$/, Counter.unlabelled],
    ["what is no JSON", ["hello", "x"], /^ERROR frame 1 is not JSON/, Counter.refused],
    ["one frame", [header("Barn|jpg|")], /^ERROR the request has 1 frame/, Counter.refused],
  ])("%s", (_, frames, reply, counter) => {
    using bench = new Bench();
    const camera = bench.peer();
    bench.take(camera, ...frames);
    expect(camera.receive()).toEqual([expect.stringMatching(reply)]);
    expect(bench.count(counter)).toBe(1);
    expect([bench.requests.inHand, bench.next()]).toEqual([0, undefined]);
  });
});

describe("Requests hands to the writers", () => {
  test("an image with its name, bytes and time, and answers when it is stored", () => {
    using bench = new Bench();
    const camera = bench.peer();
    const image = jpeg("the image", 5000);
    bench.take(camera, header("Barn Door|jpg|moving"), image);
    expect([bench.requests.inHand, bench.requests.waitingForReply]).toEqual([1, 1]);
    expect(camera.receive(0)).toBeUndefined();
    const slot = bench.next()!;
    expect(slot).toMatchObject({ kind: Kind.jpeg, name: "Barn-Door", micros: utcMicros(NOW) });
    expect([slot.payloadBytes, slot.payload.bytes().equals(image)]).toEqual([5000, true]);
    slot.outcome = Outcome.stored;
    bench.queue.giveBack(slot.index);
    expect(bench.requests.finishDone()).toBe(1);
    expect(camera.receive()).toEqual(["OK"]);
    expect(bench.count(Counter.images)).toBe(1);
    expect(bench.count(Counter.imageBytes)).toBe(5000);
    expect([bench.requests.inHand, bench.requests.unanswered]).toEqual([0, 0]);
  });

  test("an event with its text", () => {
    using bench = new Bench();
    const camera = bench.peer();
    bench.take(camera, header("Garage|Temp|76 F"), "x");
    expect(bench.next()).toMatchObject({ kind: Kind.event, eventText: "Garage|Temp|76 F" });
  });

  test("a line of its own, for which nobody waits", () => {
    using bench = new Bench();
    bench.requests.notice("Starting");
    expect([bench.requests.inHand, bench.requests.unanswered]).toEqual([1, 0]);
    expect(bench.next()).toMatchObject({ kind: Kind.notice, eventText: "Starting" });
  });
});

test("Requests answers ERROR with the reason when a writer could not store, and says so", () => {
  using bench = new Bench();
  const camera = bench.peer();
  bench.take(camera, header("Barn|jpg|"), jpeg("x", 100));
  expect(bench.store(Outcome.failed, "no space left")).toBe(1);
  expect(camera.receive()).toEqual(["ERROR cannot store: no space left"]);
  expect(bench.count(Counter.failed)).toBe(1);
  expect(bench.said.join()).toContain("Could not store an image");
});

test("Requests answers OK over the cap, and has it noted once in the event log", () => {
  using bench = new Bench();
  const camera = bench.peer();
  for (const outcome of [Outcome.firstOverCap, Outcome.overCap]) {
    bench.take(camera, header("Barn|jpg|"), jpeg("x", 100));
    const slot = bench.next()!;
    slot.outcome = outcome;
    bench.queue.giveBack(slot.index);
    bench.requests.finishDone();
    expect(camera.receive()).toEqual(["OK"]);
    const notice = bench.next();
    expect(notice?.kind).toBe(outcome === Outcome.firstOverCap ? Kind.fullNotice : undefined);
  }
  expect(bench.count(Counter.imagesOverCap)).toBe(2);
});

test("Requests has each of two days noted that were full in one go", () => {
  using bench = new Bench();
  const cameras = [bench.peer(), bench.peer()];
  const days = cameras.map((camera, index) => {
    bench.take(camera, header("Barn|jpg|"), jpeg("x", 100));
    const slot = bench.next()!;
    slot.micros += index * 86_400_000_000;
    slot.outcome = Outcome.firstOverCap;
    bench.queue.giveBack(slot.index);
    return slot.micros;
  });
  bench.requests.finishDone();
  const notices = [bench.next(), bench.next()];
  expect(notices.map((slot) => [slot?.kind, slot?.micros])).toEqual(
    days.map((micros) => [Kind.fullNotice, micros]),
  );
});

test("Requests takes over one by one what the fast path has left, and one alone has any size", () => {
  using bench = new Bench({ max_queue_bytes: 65_536 });
  const [camera, other] = [bench.peer(), bench.peer()];
  bench.loan.isReady = true;
  bench.lending.offer(performance.now(), 0);
  expect(bench.lending.isLent).toBe(true);
  bench.receiveFast(0, camera, header("Barn|jpg|"), jpeg("x", 100_000));
  bench.receiveFast(1, other, header("Gate|Heartbeat"), "x");
  expect(bench.requests.reclaim()).toBe(2);
  expect(other.receive()).toEqual(["OK"]);
  expect(bench.store()).toBe(1);
  expect(camera.receive()).toEqual(["OK"]);
  expect(bench.requests.inHand).toBe(0);
});

describe("Requests with ack received", () => {
  test("answers an image before it is stored, and counts it when it is", () => {
    using bench = new Bench({ ack: "received" });
    const camera = bench.peer();
    bench.take(camera, header("Barn|jpg|"), jpeg("x", 100));
    expect(camera.receive()).toEqual(["OK"]);
    expect([bench.requests.unanswered, bench.count(Counter.images)]).toEqual([1, 0]);
    bench.store();
    expect([bench.requests.unanswered, bench.count(Counter.images)]).toEqual([0, 1]);
    // There was no second reply.
    bench.take(camera, header("Barn|Heartbeat"), "x");
    expect(camera.receive()).toEqual(["OK"]);
  });

  test("answers later where more wait than queuemax", () => {
    using bench = new Bench({ ack: "received", queuemax: 1 });
    const [first, second] = [bench.peer(), bench.peer()];
    for (const camera of [first, second]) bench.take(camera, header("Barn|jpg|"), jpeg("x", 100));
    expect(first.receive()).toEqual(["OK"]);
    expect(second.receive(0)).toBeUndefined();
    bench.store();
    expect(second.receive()).toEqual(["OK"]);
  });
});

describe("Requests refuses", () => {
  test("who sends ahead when more wait than queuemax, and has a place for who waits", () => {
    using bench = new Bench({ queuemax: 2, max_connections: 3 });
    const dealer = ahead(bench);
    for (let count = 0; count < 3; count++)
      bench.take(dealer, "", header("Ahead|jpg|"), "\xff\xd8");
    expect(dealer.receive()).toEqual([
      "",
      expect.stringMatching(/^ERROR the queue is full: 2 requests with \d+ bytes wait/),
    ]);
    const camera = bench.peer();
    bench.take(camera, header("Barn|jpg|"), jpeg("x", 100));
    expect(bench.store()).toBe(3);
    expect(camera.receive()).toEqual(["OK"]);
    expect(bench.count(Counter.failed)).toBe(1);
  });

  test("more of one connection than max_unanswered", () => {
    using bench = new Bench({ max_unanswered: 1 });
    const dealer = ahead(bench);
    for (let count = 0; count < 2; count++) bench.take(dealer, "", header("Ahead|Temp|1"), "x");
    expect(dealer.receive()).toEqual([
      "",
      expect.stringContaining("1 request of this connection waits for its reply (max_unanswered)"),
    ]);
    expect(bench.count(Counter.eventsFailed)).toBe(1);
  });

  test("more bytes than max_queue_bytes, but for one alone", () => {
    using bench = new Bench({ max_queue_bytes: 1000 });
    const [first, second] = [bench.peer(), bench.peer()];
    // Such as of a hub that has just begun.
    bench.requests.notice("Starting");
    bench.take(first, header("Barn|jpg|"), jpeg("alone", 5000));
    bench.take(second, header("Barn|jpg|"), jpeg("too much", 500));
    expect(second.receive()).toEqual([
      "ERROR the queue is full: 2 requests with 5000 bytes wait to be written (queuemax, max_queue_bytes)",
    ]);
    bench.store();
    expect(first.receive()).toEqual(["OK"]);
    bench.take(second, header("Barn|jpg|"), jpeg("now", 500));
    bench.store();
    expect(second.receive()).toEqual(["OK"]);
  });
});

test("Requests stores what publishers send in a quarter of the room, and drops the rest", () => {
  using bench = new Bench({ queuemax: 8 });
  const [publisher, send] = bench.publisher();
  for (let count = 0; count < 5; count++) send(header("Pub|jpg|"), jpeg(`${count}`, 100));
  bench.takePublished(publisher);
  expect(bench.count(Counter.dropped)).toBe(3);
  expect([bench.requests.inHand, bench.requests.waitingForReply]).toEqual([2, 0]);
  expect(bench.store()).toBe(2);
  expect(bench.count(Counter.images)).toBe(2);
  send("no JSON", "x");
  bench.takePublished(publisher);
  expect([bench.requests.inHand, bench.count(Counter.refused)]).toEqual([0, 1]);
});

describe("Requests that stops", () => {
  test("holds replies back until they are released, each with its envelope", () => {
    using bench = new Bench();
    const camera = bench.peer();
    bench.requests.holdReplies();
    bench.take(camera, header("Barn|jpg|"), jpeg("x", 100));
    bench.store();
    expect([bench.requests.inHand, camera.receive(0)]).toEqual([0, undefined]);
    const held = bench.requests.releaseHeld();
    expect(held.map(({ reply, isStale }) => [reply.toString(), isStale()])).toEqual([
      ["OK", false],
    ]);
    expect(held[0]!.envelope).toHaveLength(2);
    expect(bench.requests.releaseHeld()).toEqual([]);
  });

  test("refuses what the disk has not taken, but no line of its own", () => {
    using bench = new Bench();
    const camera = bench.peer();
    bench.requests.holdReplies();
    bench.requests.notice("Exiting");
    bench.take(camera, header("Barn|jpg|"), jpeg("x", 100));
    bench.requests.refuseRest();
    expect(bench.requests.releaseHeld().map(({ reply }) => reply.toString())).toEqual([
      "ERROR the hub stops, and the disk has not taken this in time",
    ]);
    expect(bench.requests.unanswered).toBe(1);
  });
});

/** A replicator, as far as the receiver sees it. */
function replicatorFor(bench: Bench): {
  asked: () => BucketWait[];
  tell: (...news: BucketNews[]) => void;
} {
  const { port1, port2 } = new MessageChannel();
  bench.requests.connectBucket(port1);
  const next = (): BucketWait | undefined =>
    receiveMessageOnPort(port2)?.message as BucketWait | undefined;
  return {
    asked: () => {
      const all: BucketWait[] = [];
      for (let wait = next(); wait !== undefined; wait = next()) all.push(wait);
      return all;
    },
    tell: (...news) => {
      for (const each of news) port2.postMessage(each);
      bench.queue.tellOfBucket();
      bench.requests.finishDone();
    },
  };
}

describe("Requests with ack: replicated", () => {
  const REPLICATED = { ack: "replicated", ack_timeout: 100 } as const;
  const LATE_MS = 200_000;

  test("answers when the bucket has it, and keeps no bytes meanwhile", () => {
    using bench = new Bench({ ...REPLICATED, max_queue_bytes: 6000 });
    const { asked, tell } = replicatorFor(bench);
    const cameras = [1, 2, 3].map(() => bench.peer());
    for (const [index, camera] of cameras.entries()) {
      if (index === 2) bench.take(camera, header("Gate|n|1"), "x");
      else bench.take(camera, header("Barn|jpg|"), jpeg(`${index}`, 5000));
      bench.store(Outcome.stored, `2026-11-22/${index}.jpg`);
    }
    expect(asked()).toMatchObject([
      { ticket: 1, kind: "image", storedAt: "2026-11-22/0.jpg", bytes: 5000 },
      { ticket: 2, kind: "image", storedAt: "2026-11-22/1.jpg" },
      { ticket: 3, kind: "event" },
    ]);
    expect(cameras.map((camera) => camera.receive(0))).toEqual([undefined, undefined, undefined]);
    expect([bench.requests.inHand, bench.requests.awaitingBucket]).toEqual([3, 3]);
    tell({ type: "done", ticket: 3, refusal: undefined });
    expect(cameras[2]!.receive()).toEqual(["OK"]);
    tell(
      { type: "done", ticket: 1, refusal: "it is\nanother" },
      { type: "done", ticket: 2, refusal: undefined },
    );
    expect(cameras[0]!.receive()).toEqual(["ERROR not in the bucket yet: it is another"]);
    expect(cameras[1]!.receive()).toEqual(["OK"]);
    expect([bench.requests.inHand, bench.requests.awaitingBucket]).toEqual([0, 0]);
    expect([bench.count(Counter.images), bench.count(Counter.unconfirmed)]).toEqual([2, 1]);
  });

  test("answers ERROR when it is late, and never to the next request of the slot", () => {
    using bench = new Bench(REPLICATED);
    const { tell } = replicatorFor(bench);
    const camera = bench.peer();
    bench.take(camera, header("Barn|jpg|"), jpeg("x", 100));
    bench.store();
    expect(bench.requests.refuseLate(performance.now())).toBe(0);
    expect(bench.requests.refuseLate(performance.now() + LATE_MS)).toBe(1);
    expect(camera.receive()).toEqual([
      "ERROR not in the bucket yet: the store has not confirmed it within 100 s (ack_timeout)",
    ]);
    bench.take(camera, header("Barn|jpg|"), jpeg("y", 100));
    bench.store();
    tell(
      { type: "done", ticket: 1, refusal: undefined },
      { type: "trouble", reason: "it is away" },
    );
    expect([camera.receive(0), bench.requests.awaitingBucket]).toEqual([undefined, 1]);
    bench.requests.refuseLate(performance.now() + LATE_MS);
    expect(camera.receive()).toEqual(["ERROR not in the bucket yet: it is away"]);
  });

  test("asks the next replicator for what still waits", () => {
    using bench = new Bench(REPLICATED);
    const camera = bench.peer();
    bench.take(camera, header("Barn|jpg|"), jpeg("x", 100));
    bench.store(Outcome.stored, "2026-11-22/x.jpg");
    expect(replicatorFor(bench).asked()).toHaveLength(1);
    const { asked, tell } = replicatorFor(bench);
    expect(asked()).toMatchObject([{ ticket: 1, storedAt: "2026-11-22/x.jpg" }]);
    tell({ type: "done", ticket: 1, refusal: undefined });
    expect(camera.receive()).toEqual(["OK"]);
  });

  test("answers at once what is not stored, and at a stop what waits", () => {
    using bench = new Bench(REPLICATED);
    const { asked } = replicatorFor(bench);
    const camera = bench.peer();
    for (const [outcome, reply] of [
      [Outcome.overCap, "OK"],
      [Outcome.failed, "ERROR cannot store: it is full"],
    ] as const) {
      bench.take(camera, header("Barn|jpg|"), jpeg("x", 100));
      bench.store(outcome, "it is full");
      expect(camera.receive()).toEqual([reply]);
    }
    expect(asked()).toEqual([]);
    bench.take(camera, header("Barn|jpg|"), jpeg("x", 100));
    bench.store();
    bench.requests.holdReplies();
    bench.requests.refuseRest();
    expect(bench.requests.releaseHeld().map(({ reply }) => reply.toString())).toEqual([
      "ERROR not in the bucket yet: the hub stops",
    ]);
    expect([bench.requests.inHand, bench.requests.unanswered]).toEqual([0, 0]);
  });
});
