import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { freePort } from "../../scripts/lib/free-port.ts";
import { defaultSettings } from "../../src/config/schema.ts";
import { SubscriberPort } from "../../src/tell/subscriber-port.ts";
import { formatCertificate } from "../../src/zmq/certificate.ts";
import { newKeyPair } from "../../src/zmq/library.ts";
import { MessageArray } from "../../src/zmq/message.ts";
import {
  Context,
  type Socket,
  SocketOption,
  SocketType,
  TextOption,
} from "../../src/zmq/socket.ts";
import { tempDir } from "../support/machine/temp.ts";
import { COMES_MS } from "../support/peers/zmq-peer.ts";

setDefaultTimeout(120_000);

const temp = tempDir();
afterAll(() => temp[Symbol.dispose]());

const [hubKeys, knownKeys] = [newKeyPair(), newKeyPair()];
const clients = join(temp.path, "clients");
mkdirSync(clients);
writeFileSync(join(clients, "known.key"), formatCertificate({ publicKey: knownKeys.publicKey }));
const hubFile = join(temp.path, "hub.key_secret");
writeFileSync(hubFile, formatCertificate(hubKeys), { mode: 0o600 });

const CURVE = { ...defaultSettings(), curve: { server_key: hubFile, client_keys: clients } };

/** A subscriber in this process. @param keys its own; undefined: without CURVE */
function subscriber(context: Context, endpoint: string, keys?: typeof knownKeys): Socket {
  const socket = context.socket(SocketType.sub);
  socket.set(SocketOption.linger, 0);
  // What it wants goes the same way.
  socket.set(SocketOption.sendHwm, 0);
  if (keys !== undefined) {
    socket.setText(TextOption.curveServerKey, hubKeys.publicKey);
    socket.setText(TextOption.curvePublicKey, keys.publicKey);
    socket.setText(TextOption.curveSecretKey, keys.secretKey);
  }
  socket.setText(TextOption.subscribe, "");
  socket.connect(endpoint);
  return socket;
}

/** Publishes until it is so. */
async function publishUntil(port: SubscriberPort, isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + COMES_MS; !isSo(); await Bun.sleep(20)) {
    if (performance.now() > end) throw new Error("It did not come");
    port.update();
    port.send([Buffer.from("header"), Buffer.from("image")]);
  }
}

const frame = new MessageArray(1).at(0);

function hasReceived(socket: Socket): boolean {
  if (!socket.tryReceive(frame)) return false;
  while (frame.more) socket.receiveRest(frame);
  return true;
}

test("a port that was in use at first lets in known keys only, as any other", async () => {
  const number = freePort();
  const endpoint = `tcp://127.0.0.1:${number}`;
  using context = new Context();
  using peers = new Context();
  const make = (): SubscriberPort => new SubscriberPort(context, endpoint, CURVE, () => undefined);
  const other = createServer();
  const listening = Promise.withResolvers<void>();
  other.listen(number, "127.0.0.1", listening.resolve);
  await listening.promise;
  expect(make).toThrow("Address already in use");
  const closed = Promise.withResolvers<unknown>();
  other.close(closed.resolve);
  await closed.promise;
  // libzmq frees its own names a little later.
  await Bun.sleep(500);
  using port = make();
  using stranger = subscriber(peers, endpoint);
  using known = subscriber(peers, endpoint, knownKeys);
  await publishUntil(port, () => hasReceived(known));
  // The stranger has had as much time.
  const end = performance.now() + 1000;
  await publishUntil(port, () => performance.now() > end);
  expect(hasReceived(stranger)).toBe(false);
  expect(port.count).toBe(1);
});

test.each([
  ["many cameras", 2100, (wish: number) => `camera ${wish}`],
  ["long names", 1000, (wish: number) => `${wish}`.padEnd(200, "x")],
])("who wants %s is closed, and others stay", async (_, count, nameOf) => {
  const endpoint = `tcp://127.0.0.1:${freePort()}`;
  using context = new Context();
  using peers = new Context();
  const refused: string[] = [];
  using port = new SubscriberPort(context, endpoint, defaultSettings(), (reason) =>
    refused.push(reason),
  );
  using modest = subscriber(peers, endpoint);
  await publishUntil(port, () => hasReceived(modest));
  using greedy = subscriber(peers, endpoint);
  await publishUntil(port, () => hasReceived(greedy));
  expect(refused).toEqual([]);
  for (let wish = 0; wish < count; wish++) greedy.setText(TextOption.subscribe, nameOf(wish));
  await publishUntil(port, () => refused.length > 0);
  expect(refused).toEqual(["it wants too many cameras"]);
  // It comes again and wants as much, so it is closed again.
  greedy[Symbol.dispose]();
  while (hasReceived(modest));
  await publishUntil(port, () => hasReceived(modest));
  await publishUntil(port, () => port.count === 1);
});
