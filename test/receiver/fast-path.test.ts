import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync } from "node:fs";
import { defaultSettings } from "../../src/config/schema.ts";
import { SLOW_MS } from "../../src/limits.ts";
import { EventFd } from "../../src/os/wait.ts";
import { Calendar } from "../../src/protocol/calendar.ts";
import { RequestReader } from "../../src/protocol/request.ts";
import { FastPath } from "../../src/receiver/fast-path.ts";
import { ReplySocket, routerSocket } from "../../src/receiver/reply-socket.ts";
import { Loan } from "../../src/shared/loan.ts";
import { createShared, firstFastSlot, Integer, type Shared } from "../../src/shared/memory.ts";
import { RequestQueue } from "../../src/shared/queue.ts";
import { type FramedSlot, FramedSlots } from "../../src/receiver/framed-slot.ts";
import { Holder, Kind, Outcome } from "../../src/shared/request-slot.ts";
import { StoringThread } from "../../src/shared/storing-threads.ts";
import type { Store } from "../../src/store/store.ts";
import { Context } from "../../src/zmq/socket.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { FakeClock, UTC, utcMicros } from "../support/machine/fake-clock.ts";
import { header, jpeg } from "../support/peers/camera.ts";
import { Peer, PeerType } from "../support/peers/zmq-peer.ts";

setDefaultTimeout(120_000);

const NOW = "2026-11-22T12:00:00.500000";
const SLOTS = 4;
const WRITERS = 1;
const FIRST = firstFastSlot(SLOTS);

let stack: DisposableStack;
let context: Context;
let endpoint: string;
let shared: Shared;
let slots: FramedSlots;
let queue: RequestQueue;
let loan: Loan;
/** What is done in place of storing. */
let handle: (slot: FramedSlot) => void;
let fastPath: FastPath;

beforeEach(() => {
  stack = new DisposableStack();
  context = stack.use(new Context());
  shared = createShared(SLOTS);
  const [wake, wakeReceiver] = [EventFd.create(), EventFd.create()];
  for (const { fd } of [wake, wakeReceiver]) stack.defer(() => closeSync(fd));
  slots = new FramedSlots(shared.slots, true);
  queue = new RequestQueue(shared, wakeReceiver);
  loan = new Loan(shared, WRITERS, wake);
  const settings = defaultSettings();
  const socket = stack.use(new ReplySocket(routerSocket(context, settings)));
  endpoint = `tcp://127.0.0.1:${freePort()}`;
  socket.socket.bind(endpoint);
  fastPath = new FastPath({
    thread: new StoringThread(shared, WRITERS),
    firstSlot: FIRST,
    loan,
    queue,
    wake,
    descriptor: socket.socket.descriptor,
    socket,
    reader: new RequestReader({
      textBytesMax: settings.max_text_bytes,
      nameBytesMax: settings.max_name_bytes,
      unlabelled: "ignore",
      payloadBytesMax: settings.max_message_bytes,
    }),
    slots,
    store: { handle: (slot: FramedSlot) => handle(slot) } as unknown as Store,
    calendar: new Calendar(FakeClock.at(NOW, UTC)),
  });
  loan.isReady = true;
});

afterEach(() => stack.dispose());

const peer = (type: number = PeerType.req, routingId?: number): Peer =>
  stack.use(new Peer(context, type, endpoint, routingId));

/**
 * Lends the socket, and runs until a request was stored or the socket is given back.
 *
 * @param store what is done in place of storing; it gives the outcome
 * @returns what was to be stored
 */
function serve(store: (slot: FramedSlot) => number = () => Outcome.stored): FramedSlot[] {
  const stored: FramedSlot[] = [];
  handle = (slot) => {
    stored.push(slot);
    slot.outcome = store(slot);
    loan.close();
  };
  queue.callReceiver = () => loan.close();
  shared.integers[Integer.loanEnd] = 0;
  loan.lend();
  fastPath.run();
  return stored;
}

test("FastPath stores and answers what cameras send, and notes who is new where", () => {
  const cameras = [peer(), peer()];
  const image = jpeg("an image", 5000);
  for (const [round, isNewcomer] of [true, false].entries()) {
    for (const [index, camera] of cameras.entries()) {
      camera.send(header("Barn|jpg|"), image);
      const [slot, ...others] = serve(({ payload }) => {
        expect(payload.bytes().equals(image)).toBe(true);
        return Outcome.stored;
      });
      expect(camera.receive()).toEqual(["OK"]);
      expect(others).toEqual([]);
      expect(slot).toMatchObject({
        index: FIRST + 2 * round + index,
        kind: Kind.jpeg,
        name: "Barn",
        payloadBytes: 5000,
        micros: utcMicros(NOW),
        holder: Holder.answered,
        isNewcomer,
      });
      if (isNewcomer) expect(slot!.address).toBe("127.0.0.1");
    }
  }
  expect([loan.inHand, queue.nextDone()]).toEqual([-1, -1]);
});

const RAW = JSON.stringify({ msg: "Barn|image|", dtype: "uint8", shape: [4, 4, 3] });

test.each<[what: string, type: number, routingId: number | undefined, frames: unknown[]]>([
  ["a heartbeat", PeerType.req, undefined, [header("Barn|Heartbeat"), "x"]],
  ["what has no label", PeerType.req, undefined, [header("Barn"), "x"]],
  ["an array", PeerType.req, undefined, [RAW, Buffer.alloc(48)]],
  ["a large image", PeerType.req, undefined, [header("Barn|jpg|"), jpeg("x", 300_000)]],
  ["no JSON", PeerType.req, undefined, ["no JSON", "x"]],
  ["one frame", PeerType.req, undefined, [header("Barn|jpg|")]],
  ["what came through a proxy", PeerType.dealer, undefined, ["hop", "", header("B|Temp|1"), "x"]],
  ["a routing id that was set", PeerType.req, 0x61_62_63_64, [header("B|Temp|1"), "x"]],
])("FastPath gives the socket back with %s, and leaves it as it came", (_, type, id, frames) => {
  peer(type, id).send(...(frames as (string | Uint8Array)[]));
  expect(serve()).toEqual([]);
  expect(loan.isOut).toBe(false);
  expect(slots.at(FIRST).holder).toBe(Holder.received);
});

test("FastPath gives the socket back with what was sent ahead of a reply", () => {
  const dealer = peer(PeerType.dealer);
  for (const text of ["Ahead|Temp|1", "Ahead|Temp|2"]) dealer.send("", header(text), "x");
  // libzmq hands both over in one go.
  expect(serve()).toEqual([]);
  expect(loan.isOut).toBe(false);
  expect([0, 1].map((index) => slots.at(FIRST + index).holder)).toEqual([
    Holder.received,
    Holder.received,
  ]);
});

test("FastPath gives back to the receiver what could not be stored, and the socket", () => {
  const camera = peer();
  camera.send(header("Barn|Temp|1"), "x");
  expect(serve(() => Outcome.failed)).toHaveLength(1);
  expect([queue.nextDone(), loan.inHand, loan.isOut]).toEqual([FIRST, -1, false]);
  expect(slots.at(FIRST).holder).toBe(Holder.fastPath);
});

test("FastPath does not answer when the receiver has the socket again", () => {
  const camera = peer();
  camera.send(header("Barn|Temp|1"), "x");
  serve(() => {
    loan.reclaim();
    return Outcome.stored;
  });
  expect(queue.nextDone()).toBe(FIRST);
  expect(slots.at(FIRST).holder).toBe(Holder.fastPath);
});

test("FastPath answers what took long, and gives the socket back", () => {
  const camera = peer();
  camera.send(header("Barn|Temp|1"), "x");
  serve(() => {
    Bun.sleepSync(SLOW_MS + 1);
    return Outcome.stored;
  });
  expect(camera.receive()).toEqual(["OK"]);
  expect(loan.isOut).toBe(false);
});
