/**
 * Cameras as REQ sockets of this process, and what whole hubs make of them.
 *
 * @module
 */

import { expect } from "bun:test";
import type { Context } from "../../src/zmq/socket.ts";
import { type Hub } from "../support/hub/hub.ts";
import { header } from "../support/peers/camera.ts";
import { Peer, PeerType } from "../support/peers/zmq-peer.ts";

/** Settings under `hub:`, in files where the cap is not reached. */
export function settings(hub: Record<string, unknown>): { settings: Record<string, unknown> } {
  return { settings: { hub: { max_images_write: 1_000_000, ...hub } } };
}

/** REQ sockets that are connected: each has been answered once. */
export function connectedPeers(
  stack: DisposableStack,
  context: Context,
  hub: Hub,
  count: number,
): Peer[] {
  const peers = Array.from({ length: count }, () =>
    stack.use(new Peer(context, PeerType.req, `tcp://127.0.0.1:${hub.port}`)),
  );
  for (const peer of peers) peer.send(header("Barn|Heartbeat"), "x");
  for (const peer of peers) expect(peer.receive()).toEqual(["OK"]);
  return peers;
}

/** The texts in the event log. */
export const texts = (hub: Hub): string[] =>
  hub.log().map((line) => line.slice(line.indexOf(" ~ ") + 3));

/** Stops a hub, while the test goes on. */
export function startStop(hub: Hub): { isOver: boolean; readonly status: Promise<number> } {
  const stop = { isOver: false, status: hub.stop() };
  stop.status = stop.status.finally(() => (stop.isOver = true));
  return stop;
}
