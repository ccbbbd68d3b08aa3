/**
 * The library libzmq: its functions through `bun:ffi`, its errors, its version and its keys.
 *
 * The library comes from the `zeromq` package, whose prebuilt addon exports it whole. That
 * package's own JavaScript does not run in Bun, because it needs `uv_poll_init_socket`. Only this
 * folder knows libzmq's pointers, structs and errno. It contains only what the hub uses.
 *
 * @module
 */

import { CString, dlopen, FFIType, type Pointer, ptr } from "bun:ffi";
import { libzmqPath } from "#libzmq";
import { lastErrno } from "../os/ffi.ts";

/** The functions. @internal to this folder */
export const { symbols: zmq } = dlopen(libzmqPath(), {
  zmq_bind: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  zmq_close: { args: [FFIType.ptr], returns: FFIType.i32 },
  zmq_connect: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  zmq_ctx_new: { args: [], returns: FFIType.ptr },
  zmq_ctx_set: { args: [FFIType.ptr, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  zmq_ctx_term: { args: [FFIType.ptr], returns: FFIType.i32 },
  zmq_disconnect: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  zmq_curve_keypair: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  zmq_getsockopt: {
    args: [FFIType.ptr, FFIType.i32, FFIType.ptr, FFIType.ptr],
    returns: FFIType.i32,
  },
  zmq_msg_close: { args: [FFIType.ptr], returns: FFIType.i32 },
  zmq_msg_data: { args: [FFIType.ptr], returns: FFIType.ptr },
  zmq_msg_get: { args: [FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  zmq_msg_gets: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.ptr },
  zmq_msg_init: { args: [FFIType.ptr], returns: FFIType.i32 },
  zmq_msg_move: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
  zmq_msg_more: { args: [FFIType.ptr], returns: FFIType.i32 },
  zmq_msg_recv: { args: [FFIType.ptr, FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  zmq_msg_send: { args: [FFIType.ptr, FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  zmq_msg_size: { args: [FFIType.ptr], returns: FFIType.u64_fast },
  zmq_poll: { args: [FFIType.ptr, FFIType.i32, FFIType.i64], returns: FFIType.i32 },
  zmq_send: { args: [FFIType.ptr, FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
  zmq_setsockopt: {
    args: [FFIType.ptr, FFIType.i32, FFIType.ptr, FFIType.u64],
    returns: FFIType.i32,
  },
  zmq_socket: { args: [FFIType.ptr, FFIType.i32], returns: FFIType.ptr },
  zmq_socket_monitor_versioned: {
    args: [FFIType.ptr, FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.i32],
    returns: FFIType.i32,
  },
  zmq_strerror: { args: [FFIType.i32], returns: FFIType.ptr },
  zmq_version: { args: [FFIType.ptr, FFIType.ptr, FFIType.ptr], returns: FFIType.void },
  zmq_z85_encode: { args: [FFIType.ptr, FFIType.ptr, FFIType.u64], returns: FFIType.ptr },
});

/** The oldest usable libzmq. Earlier ones lose replies and have known security holes. */
const VERSION_MIN = [4, 3, 4] as const;

/** A failed call of libzmq. */
export class ZmqError extends Error {
  override readonly name = "ZmqError";
  /** The C function, e.g. `zmq_bind`. */
  readonly function: string;
  /** The value of errno. */
  readonly errno: number;

  constructor(name: string, errno: number) {
    super(`${new CString(zmq.zmq_strerror(errno))} (${name}, errno ${errno})`);
    this.function = name;
    this.errno = errno;
  }
}

/** @internal */
export function fail(name: string): never {
  throw new ZmqError(name, lastErrno());
}

/** @internal A string that C reads only during one call. */
export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** `zmq_version(3)`, e.g. "4.3.5". */
export function zmqVersion(): string {
  const version = new Int32Array(3);
  const at = ptr(version);
  zmq.zmq_version(at, (at + 4) as Pointer, (at + 8) as Pointer);
  return version.join(".");
}

/** @throws {Error} when the loaded libzmq is older than 4.3.4 */
export function checkZmqVersion(): void {
  const version = zmqVersion();
  const parts = version.split(".").map(Number);
  const different = VERSION_MIN.findIndex((part, at) => parts[at] !== part);
  if (different >= 0 && (parts[different] ?? 0) < VERSION_MIN[different]!) {
    throw new Error(
      `libzmq ${version} is too old: version ${VERSION_MIN.join(".")} or later is needed`,
    );
  }
}

/** Characters of a CURVE key in Z85. */
const KEY_CHARS = 40;

/**
 * `zmq_curve_keypair(3)`: new keys, in Z85. @throws {ZmqError} ENOTSUP if libzmq was built without
 * CURVE
 */
export function newKeyPair(): { publicKey: string; secretKey: string } {
  const [publicKey, secretKey] = [Buffer.alloc(KEY_CHARS + 1), Buffer.alloc(KEY_CHARS + 1)];
  if (zmq.zmq_curve_keypair(publicKey, secretKey) < 0) fail("zmq_curve_keypair");
  return {
    publicKey: publicKey.toString("latin1", 0, KEY_CHARS),
    secretKey: secretKey.toString("latin1", 0, KEY_CHARS),
  };
}

/** `zmq_z85_encode(3)`. @param bytes a multiple of 4 */
export function z85Encode(bytes: Uint8Array): string {
  const text = Buffer.alloc((bytes.byteLength / 4) * 5 + 1);
  if (zmq.zmq_z85_encode(text, bytes, bytes.byteLength) === null) fail("zmq_z85_encode");
  return text.toString("latin1", 0, text.byteLength - 1);
}
