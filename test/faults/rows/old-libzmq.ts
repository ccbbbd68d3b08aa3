/**
 * A camera with libzmq 4.2 loses its connection when a PING comes; as a REQ socket it then hangs
 * for good. It is imitated byte by byte, because Debian no longer has such a libzmq.
 *
 * With `heartbeat_interval` 1 in the settings below: "the hub has sent a PING" and "3 of 3 were not
 * answered".
 */

import { tempDir } from "../../support/machine/temp.ts";
import { RawPeer } from "../../support/peers/raw-peer.ts";
import { greeting, message, ready } from "../../support/peers/zmtp.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { FaultHub } from "../hub.ts";
import type { Row } from "../row.ts";

const CAMERAS = 3;

/** How long they are silent, in milliseconds. The hub's heartbeats used to come every 30 s. */
const IDLE_MS = 95_000;
const SHORT_IDLE_MS = 2500;

/** Sends an image. @returns whether it was answered OK */
async function served(camera: RawPeer, number: number): Promise<boolean> {
  const before = camera.received().toString("latin1").split("OK").length;
  camera.send(
    message([
      "",
      JSON.stringify({ msg: `Old|jpg|${number}` }),
      Buffer.from([0xff, 0xd8, 0xff, number]),
    ]),
  );
  for (
    const end = performance.now() + 5000;
    performance.now() < end && !camera.isClosed;
    await Bun.sleep(10)
  ) {
    if (camera.received().toString("latin1").split("OK").length > before) return true;
  }
  return false;
}

export const oldLibzmq: Row = {
  name: "old libzmq",
  cause:
    "cameras with libzmq 4.2, which a PING ends, that send, say nothing for 95 s, and send again",
  mustHold: "no PING; all answered",
  needs: [],
  run: async (run) => {
    using data = tempDir();
    const undo = atExit(() => data[Symbol.dispose]());
    await using hub = new FaultHub({ program: run.program, data: data.path });
    await hub.start();
    using stack = new DisposableStack();
    const cameras: RawPeer[] = [];
    // libzmq 4.1 and 4.2 greet with a minor version of 0.
    for (let count = 0; count < CAMERAS; count++) {
      const camera = stack.use(await RawPeer.connect(hub.port, greeting("NULL", 0), ready("REQ")));
      await camera.heard("READY");
      cameras.push(camera);
    }
    const first = await Promise.all(cameras.map(async (camera) => await served(camera, 1)));
    const idleMs = run.short ? SHORT_IDLE_MS : IDLE_MS;
    let pings = 0;
    for (const end = performance.now() + idleMs; performance.now() < end; await Bun.sleep(50)) {
      for (const camera of cameras) {
        if (camera.isClosed || !camera.received().includes("PING")) continue;
        pings += 1;
        camera[Symbol.dispose]();
        camera.isClosed = true;
      }
    }
    const second = await Promise.all(cameras.map(async (camera) => await served(camera, 2)));
    const unanswered = [...first, ...second].filter((isServed) => !isServed).length;
    undo();
    return {
      figure: `${CAMERAS} cameras silent for ${idleMs / 1000} s: ${pings} PINGs, ${unanswered} of ${2 * CAMERAS} not answered`,
      problems: [
        ...(pings > 0 ? [`the hub has sent ${pings} PINGs`] : []),
        ...(unanswered > 0 ? [`${unanswered} were not answered`] : []),
      ],
    };
  },
};
