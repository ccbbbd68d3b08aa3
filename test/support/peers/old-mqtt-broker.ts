/**
 * A broker that speaks MQTT 3.1.1 only: mosquitto behind a door that lets nothing newer in.
 *
 * @module
 */

import { connect } from "node:net";
import { listenTcp, type TcpServer } from "./tcp-server.ts";

/** In a packet that asks for a connection, behind the name of the protocol. */
const LEVEL_AFTER = Buffer.from("\u0000\u0004MQTT");
const LEVEL_NEW = 5;

/** What says that the version is not spoken. */
const REFUSAL = Buffer.from([0x20, 2, 0, 1]);

/**
 * Starts the door.
 *
 * @param port the broker's
 * @param how it answers a newer version
 */
export async function oldBroker(port: number, how: "refuse" | "close"): Promise<TcpServer> {
  return await listenTcp((socket) => {
    socket.once("data", (first: Buffer) => {
      if (first[first.indexOf(LEVEL_AFTER) + LEVEL_AFTER.length] === LEVEL_NEW) {
        if (how === "refuse") socket.write(REFUSAL);
        socket.end();
        return;
      }
      const inner = connect(port, "127.0.0.1");
      inner.on("error", () => socket.destroy());
      inner.write(first);
      socket.pipe(inner).pipe(socket);
      socket.on("close", () => inner.destroy());
    });
  });
}
