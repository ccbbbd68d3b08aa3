/**
 * A subscriber of a hub, in a process of its own: `subscriber.ts ENDPOINT BEHIND_S`, where the
 * hub's zone is so many seconds behind UTC. When standard input ends, it writes how long each image
 * took, in milliseconds, as JSON.
 *
 * @module
 */

import { MessageArray } from "../../src/zmq/message.ts";
import { Poller } from "../../src/zmq/poller.ts";
import { Context, SocketOption, SocketType, TextOption } from "../../src/zmq/socket.ts";

const [endpoint, behindS] = [process.argv[2]!, Number(process.argv[3])];

/** How long to wait for a message before the event loop has its turn, in milliseconds. */
const WAIT_MS = 20;

/** From the time in the text of an image until now; undefined if it is no image. */
function delayMs(text: string): number | undefined {
  const [, time] = /\|jpg\|(.*\.\d{6})$/u.exec(text) ?? [];
  return time === undefined ? undefined : Date.now() - behindS * 1000 - Date.parse(`${time}Z`);
}

const delays: number[] = [];
const frame = new MessageArray(1).at(0);
const socket = new Context().socket(SocketType.sub);
socket.set(SocketOption.linger, 0);
socket.setText(TextOption.subscribe, "");
socket.connect(endpoint);
const poller = new Poller([socket]);
const over = new AbortController();
process.stdin.on("end", () => over.abort()).resume();
while (!over.signal.aborted) {
  poller.wait(WAIT_MS);
  while (socket.tryReceive(frame)) {
    const { msg } = JSON.parse(frame.bytes().toString()) as { readonly msg: string };
    const delay = delayMs(msg);
    if (delay !== undefined) delays.push(delay);
    socket.receiveRest(frame);
  }
  await Bun.sleep(0);
}
await Bun.write(Bun.stdout, JSON.stringify(delays));
process.exit(0);
