import { afterEach, beforeEach, expect, test } from "bun:test";
import { defaultSettings } from "../../src/config/schema.ts";
import { Connections } from "../../src/receiver/connections.ts";
import { FramedSlots } from "../../src/receiver/framed-slot.ts";
import { PendingRequests } from "../../src/receiver/pending-requests.ts";
import { routerSocket } from "../../src/receiver/reply-socket.ts";
import { createShared } from "../../src/shared/memory.ts";
import { Holder, Kind } from "../../src/shared/request-slot.ts";
import { Monitor } from "../../src/zmq/monitor.ts";
import { Context } from "../../src/zmq/socket.ts";

const SLOTS = 2;

let stack: DisposableStack;
let pending: PendingRequests;

beforeEach(() => {
  stack = new DisposableStack();
  const context = stack.use(new Context());
  const socket = stack.use(routerSocket(context, defaultSettings()));
  const connections = stack.use(
    new Connections(new Monitor(socket), {
      max: 1,
      unfinishedBytesMax: 1,
      debug: () => undefined,
      onFailed: () => undefined,
      onWrongType: () => undefined,
      onGivenUp: () => undefined,
    }),
  );
  const slots = new FramedSlots(createShared(SLOTS).slots, true);
  pending = new PendingRequests(slots, connections, SLOTS);
});

afterEach(() => stack[Symbol.dispose]());

test("PendingRequests gives each slot once, then a spare one, and takes them back", () => {
  const requests = [0, 1].map(() => {
    const { next } = pending;
    pending.begin(next);
    return next;
  });
  expect(requests.map((request) => pending.isSpare(request))).toEqual([false, false]);
  expect(new Set(requests).size).toBe(SLOTS);
  expect([pending.hasFree, pending.count, pending.isSpare(pending.next)]).toEqual([false, 2, true]);

  const spare = pending.next;
  pending.begin(spare);
  pending.release(spare);
  expect([pending.count, pending.isSpare(pending.next)]).toEqual([2, true]);

  pending.release(requests[0]!);
  expect([pending.hasFree, pending.count, pending.next]).toEqual([true, 1, requests[0]!]);
});

test("PendingRequests keeps nothing of an earlier request in a record", () => {
  const { next: request } = pending;
  pending.begin(request);
  pending.publish(request);
  request.bytes = 7;
  pending.bytes = 7;
  pending.release(request);
  expect([pending.bytes, pending.published, pending.count]).toEqual([0, 0, 0]);
  pending.begin(request);
  expect(request).toMatchObject({
    isInHand: true,
    isAwaited: true,
    isPublished: false,
    isAdopted: false,
    bytes: 0,
    connection: undefined,
  });
});

test("PendingRequests counts for a connection until the request is released", () => {
  const requests = [0, 1].map(() => {
    const { next } = pending;
    pending.begin(next);
    // Not a connection that is known, so each gets one of its own.
    next.connection = { unanswered: 1 } as NonNullable<typeof next.connection>;
    return next;
  });
  const connections = requests.map(({ connection }) => connection);
  pending.uncount(requests[0]!);
  for (const request of requests) pending.release(request);
  expect(connections.map((connection) => connection?.unanswered)).toEqual([0, 0]);
});

test("PendingRequests tells who waits: no publisher and none of the hub's own lines", () => {
  const [camera, publisher, notice] = [pending.next, pending.fast(0), pending.fast(1)];
  pending.begin(camera);
  camera.slot.kind = Kind.jpeg;
  for (const request of [publisher, notice]) {
    pending.adopt(request);
    expect(pending.isFast(request)).toBe(true);
  }
  pending.publish(publisher);
  publisher.slot.kind = Kind.jpeg;
  notice.isAwaited = false;
  notice.slot.kind = Kind.notice;
  expect(pending.awaited()).toEqual([camera]);
  expect([pending.count, pending.waitingForReply, pending.unanswered]).toEqual([3, 2, 2]);
});

test("PendingRequests frees a slot of the fast path for that alone", () => {
  const request = pending.fast(3);
  request.slot.holder = Holder.receiver;
  pending.adopt(request);
  expect(pending.count).toBe(1);
  pending.release(request);
  expect([pending.count, request.slot.holder, request.isAdopted]).toEqual([
    0,
    Holder.nobody,
    false,
  ]);
  expect(pending.next).not.toBe(request);
});
