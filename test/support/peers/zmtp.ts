/**
 * The bytes that a peer without security sends (ZMTP 3.1, ZeroMQ RFC 37).
 *
 * libzmq accepts the first message only after its own READY. Before that, a message is a protocol
 * error.
 *
 * @module
 */

const MORE = 1;
const LONG = 2;
const COMMAND = 4;

/** A frame. @param says the length that it claims, if not the true one */
export function frame(flags: number, body: Uint8Array, says = BigInt(body.byteLength)): Buffer {
  const head = Buffer.alloc(9);
  head[0] = flags | LONG;
  head.writeBigUInt64BE(says, 1);
  return Buffer.concat([head, body]);
}

/** A command. */
export function command(name: string, data: Uint8Array = Buffer.alloc(0), says?: bigint): Buffer {
  return frame(COMMAND, Buffer.concat([Buffer.of(name.length), Buffer.from(name), data]), says);
}

/** The first 64 bytes. */
export function greeting(mechanism = "NULL", minor = 1): Buffer {
  const bytes = Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, minor, ...Buffer.alloc(52)]);
  bytes.write(mechanism, 12, 20, "latin1");
  return bytes;
}

/**
 * The command that ends a handshake of the mechanism NULL. @param routingId claimed by the peer;
 * otherwise it leaves that to libzmq
 */
export function ready(socketType = "DEALER", routingId?: Uint8Array): Buffer {
  return command(
    "READY",
    Buffer.concat([
      ...property("Socket-Type", Buffer.from(socketType)),
      ...(routingId === undefined ? [] : property("Identity", routingId)),
    ]),
  );
}

/** A property of a peer, as in READY. */
function property(name: string, value: Uint8Array): Uint8Array[] {
  return [Buffer.of(name.length), Buffer.from(name), Buffer.of(0, 0, 0, value.byteLength), value];
}

/** A message with these frames. */
export function message(frames: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    frames.map((each, at) =>
      frame(at < frames.length - 1 ? MORE : 0, Buffer.from(each as Uint8Array)),
    ),
  );
}
