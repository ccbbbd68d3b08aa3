/**
 * How cameras are let go: at the end of a stop all at once, and while the hub drains each with its
 * next reply.
 *
 * A REQ socket sends its next request as soon as it has its reply, and waits for ever if that goes
 * to a connection that nobody reads. So its reply and the end of its connection are sent in one
 * packet. Its libzmq sees both before the sender can send again, connects anew, and keeps the next
 * request for the next hub.
 *
 * @module
 */

import { FAREWELL_MS_MAX, FAREWELL_STEP_MS_MAX, FAREWELL_STEPS } from "../limits.ts";
import type { HeldConnection } from "../os/sockets.ts";
import { type Connection, type Connections, hold } from "./connections.ts";
import type { Envelope, ReplySocket } from "./reply-socket.ts";

/** A finished reply and its destination. */
export interface HeldReply {
  readonly envelope: Envelope;
  readonly reply: Uint8Array;
  /** The connection of the request; undefined if it had ended. */
  readonly connection: Connection | undefined;
  /** Whether another peer has its routing id by now. */
  readonly isStale: () => boolean;
}

/**
 * Frames before the reply to a camera that is not behind a proxy of ZeroMQ: its routing id and the
 * delimiter.
 */
const DIRECT_FRAMES = 2;

/**
 * Maximum connections that end at once while the hub runs. With one at a time, each would wait
 * until libzmq has had a processor.
 */
const LET_GO_AT_ONCE = 16;

/**
 * At the end of a stop: sends all replies and ends all connections. Nobody is accepted any more.
 */
export function sayFarewell(
  replies: readonly HeldReply[],
  connections: Connections,
  socket: ReplySocket,
): void {
  connections.update();
  const counts = new Map<Connection, number>();
  for (const { connection } of replies)
    if (connection !== undefined) counts.set(connection, (counts.get(connection) ?? 0) + 1);
  // Before the others get their replies, which takes some time. Nobody would read what these send
  // meanwhile.
  for (const connection of connections.all()) {
    if (counts.has(connection)) continue;
    using held = hold(connection);
    held?.shutdown();
  }
  const untilMs = performance.now() + FAREWELL_MS_MAX;
  const atOnce = Math.ceil(replies.length / FAREWELL_STEPS);
  for (let at = 0; at < replies.length; at += atOnce) {
    using step = new Step(connections);
    for (const each of replies.slice(at, at + atOnce)) {
      if (each.isStale()) continue;
      if (each.connection !== undefined)
        step.cork(each.connection, counts.get(each.connection) === 1);
      socket.replyTo(each.envelope, each.reply);
    }
    step.end(untilMs);
  }
}

/**
 * While the hub runs: sends the replies, and ends each connection with the reply to its camera. All
 * others stay, because a request may be on its way on them.
 */
export function letGo(
  replies: readonly HeldReply[],
  connections: Connections,
  socket: ReplySocket,
): void {
  for (let at = 0; at < replies.length; at += LET_GO_AT_ONCE) {
    const now = replies.slice(at, at + LET_GO_AT_ONCE);
    using step = new Step(connections, true);
    for (const { envelope, reply, connection, isStale } of now) {
      if (isStale()) continue;
      // Many cameras may be behind a longer envelope, and the others may be sending.
      if (connection?.unanswered === 1 && envelope.length === DIRECT_FRAMES)
        step.cork(connection, true);
      socket.replyTo(envelope, reply);
    }
    step.end(Number.POSITIVE_INFINITY);
    for (const { connection } of now) if (connection !== undefined) connection.unanswered--;
  }
}

/** Connections whose replies are being sent. */
class Step implements Disposable {
  private readonly held: { readonly connection: Connection; readonly own: HeldConnection }[] = [];

  /** @param mayStay whether a connection stays if its reply is not written in time */
  constructor(
    private readonly connections: Connections,
    private readonly mayStay = false,
  ) {}

  /**
   * Makes a connection hold back what is written to it from now on.
   *
   * @param isOnly whether a single reply is due on it. If there are more, as for a proxy, only
   * libzmq knows when it has written all of them. It then ends the connection itself when its
   * socket is closed
   */
  cork(connection: Connection, isOnly: boolean): void {
    const own = hold(connection);
    if (own === undefined) return;
    // Earlier unsent data does not show that the reply was written.
    const isEndedHere = isOnly && own.unsentBytes === 0;
    if (isEndedHere || !this.mayStay) own.cork();
    if (isEndedHere) this.held.push({ connection, own });
    else own[Symbol.dispose]();
  }

  /**
   * Ends each connection as soon as its reply is written. @param untilMs the latest time to wait
   * for that
   */
  end(untilMs: number): void {
    const endMs = Math.min(untilMs, performance.now() + FAREWELL_STEP_MS_MAX);
    for (;;) {
      for (const { connection, own } of this.held.splice(0)) {
        const isWritten = own.unsentBytes > 0;
        if (isWritten) own.shutdown();
        if (isWritten || connection.isGone) own[Symbol.dispose]();
        else this.held.push({ connection, own });
      }
      if (this.held.length === 0 || performance.now() >= endMs) return;
      Bun.sleepSync(1);
      this.connections.update();
    }
  }

  [Symbol.dispose](): void {
    for (const { own } of this.held) {
      if (this.mayStay) own.uncork();
      own[Symbol.dispose]();
    }
  }
}
