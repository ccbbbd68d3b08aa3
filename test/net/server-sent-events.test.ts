import { expect, test } from "bun:test";
import { messageOf } from "../../src/errors.ts";
import { serverSentEvents } from "../../src/net/server-sent-events.ts";

async function* inPieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
    await Promise.resolve();
  }
}

const STREAM =
  "retry: 2000\n\nid: a-1\nevent: start\ndata: {}\n\n: alive\n\nid: a-2\nevent: event\n" +
  'data: {"text":"Tür: 1|offen|\\n"}\n\ndata: last\n\nid: a-3\nevent: cut';

test.each([1, 2, 3, 7, 1000])("serverSentEvents reads messages in pieces of %i", async (size) => {
  const read = await Array.fromAsync(serverSentEvents(inPieces(STREAM, size)));
  expect(read).toEqual([
    { id: "a-1", event: "start", data: "{}" },
    { id: "a-2", event: "event", data: '{"text":"Tür: 1|offen|\\n"}' },
    { id: undefined, event: "message", data: "last" },
  ]);
});

test("serverSentEvents gives up on a message without an end", async () => {
  const endless = serverSentEvents(inPieces("x".repeat(5 * 2 ** 20), 2 ** 16));
  const reason = await Array.fromAsync(endless).catch((error: unknown) => messageOf(error));
  expect(reason).toStartWith("A message has more than");
});
