/**
 * Connections that avoid security: older versions of ZMTP, and mechanisms without keys. Each sends
 * one event.
 *
 * @module
 */

import { RawPeer } from "./raw-peer.ts";
import { greeting, message, ready } from "./zmtp.ts";

/** Who sends the event. */
export const STRANGER = "Stranger";

const EVENT = ["", JSON.stringify({ msg: `${STRANGER}|Temp|1` }), "x"];

/** How such a connection is opened. */
export interface Downgrade {
  readonly what: string;
  readonly opening: Buffer;
  /** Whether its messages must follow the hub's READY; otherwise they are part of the opening. */
  readonly waits: boolean;
}

/** All kinds. An open hub accepts the events of those with NULL. */
export const DOWNGRADES: readonly Downgrade[] = [
  { what: "NULL of ZMTP 3.1", opening: Buffer.concat([greeting("NULL"), ready()]), waits: true },
  { what: "NULL of ZMTP 3.0", opening: Buffer.concat([greeting("NULL", 0), ready()]), waits: true },
  { what: "PLAIN", opening: Buffer.concat([greeting("PLAIN"), ready()]), waits: true },
  {
    what: "ZMTP 2.0",
    opening: Buffer.concat([
      Buffer.of(0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 5),
      Buffer.of(0, 0),
      message(EVENT),
    ]),
    waits: false,
  },
  {
    what: "ZMTP 1.0",
    opening: Buffer.concat([Buffer.of(1, 0), ...EVENT.map(frameOfVersionOne)]),
    waits: false,
  },
  {
    what: "ZMTP 1.0 with a long length",
    opening: Buffer.concat([
      Buffer.of(0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0),
      ...EVENT.map(frameOfVersionOne),
    ]),
    waits: false,
  },
];

function frameOfVersionOne(body: string, at: number): Buffer {
  return Buffer.concat([Buffer.of(body.length + 1, at < 2 ? 1 : 0), Buffer.from(body)]);
}

/** Opens such a connection to a port of 127.0.0.1, and sends the event as soon as allowed. */
export async function downgrade(port: number, { opening, waits }: Downgrade): Promise<RawPeer> {
  const peer = await RawPeer.connect(port, opening);
  if (!waits) return peer;
  await peer.heard("READY");
  peer.send(message(EVENT));
  return peer;
}
