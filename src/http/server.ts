/**
 * A small HTTP server for a few fixed paths that are only read: GET and HEAD, no bodies, short
 * addresses, a bounded number of connections.
 *
 * It stands on `Bun.listen`, neither on `Bun.serve` nor on `node:http`: the first has no bound on
 * connections, so a stranger could take every file descriptor of the process, which the writers and
 * the senders need; the second answers one request after the other of a peer that reads none of the
 * answers, and keeps these in memory without a bound.
 *
 * @module
 */

import type { Socket, TCPSocketListener } from "bun";
import { boundListener } from "../os/sockets.ts";
import { type Answer, type HttpRequest, plain, type Route } from "./answer.ts";
import { Connection } from "./connection.ts";
import { isForLoopback } from "./host.ts";
import type { ListenAddress } from "../net/listen-address.ts";
import { showsToken } from "./token.ts";

/** Bytes that may wait in this process for peers to take them, of all connections together. */
const WAITING_BYTES_MAX = 16 * 2 ** 20;

/**
 * What the kernel may hold of one connection: without a bound it would be megabytes each, out of
 * the memory that the senders' connections have, too.
 */
const KERNEL = { sendBytes: 65_536, receiveBytes: 16_384, sendMs: 20_000 } as const;

/**
 * How many connections may come at once, as a part of all; peers of further ones try again, after a
 * second. Those that have come are accepted in one go, before any of them is read, and none of them
 * is to give way to others before its request has been seen.
 */
const AT_ONCE_PART = 1 / 3;

/** How often what takes too long is looked for, in milliseconds. */
const LOOK_MS = 1000;

/** Serves routes until it is closed. */
export class HttpServer {
  /**
   * What has to be shown; undefined: nothing, and then only requests for this machine's own names
   * are answered.
   */
  token: string | undefined;
  private listener: TCPSocketListener<Connection | undefined> | undefined;
  /** Those that stand, in the order in which they came. */
  private readonly connections = new Set<Connection>();
  private waitingBytes = 0;
  private inParts = 0;
  private timer: Timer | undefined;

  /**
   * @param routes by their paths
   * @param connectionsMax how many connections there may be at once. Half of them may have answers
   * in parts
   * @param onError is told when a route has failed, which is a bug
   */
  constructor(
    private readonly routes: Readonly<Record<string, Route>>,
    private readonly connectionsMax: number,
    private readonly onError: (error: unknown) => void,
  ) {}

  /**
   * @returns the port @throws {Error} with the `code` of errno, where the address cannot be bound
   */
  listen({ host, port }: ListenAddress): number {
    const listener = Bun.listen<Connection | undefined>({
      hostname: host,
      port,
      // The side of a peer may end before its answer is sent.
      allowHalfOpen: true,
      socket: {
        open: (socket) => this.accept(socket),
        data: (socket, bytes) => socket.data?.receive(bytes),
        end: (socket) => socket.data?.receiveEnd(),
        drain: (socket) => socket.data?.flush(),
        close: (socket) => this.forget(socket.data),
        error: (_, error) => this.onError(error),
      },
    });
    // The types do not know it.
    const { fd } = listener as unknown as { readonly fd: number };
    boundListener(fd, { ...KERNEL, waiting: Math.floor(this.connectionsMax * AT_ONCE_PART) });
    this.listener = listener;
    this.timer = setInterval(() => this.look(), LOOK_MS);
    return listener.port;
  }

  close(): void {
    clearInterval(this.timer);
    this.listener?.stop();
    for (const connection of this.connections) connection.cut();
  }

  private accept(socket: Socket<Connection | undefined>): void {
    if (this.connections.size >= this.connectionsMax && !this.makeRoom()) {
      socket.terminate();
      return;
    }
    const connection = new Connection(socket, {
      answer: async (request) => await this.answer(request),
      beginParts: () => this.beginParts(),
      endParts: () => this.inParts--,
      waits: (bytes) => this.wait(bytes),
      onError: this.onError,
    });
    socket.data = connection;
    this.connections.add(connection);
  }

  private forget(connection: Connection | undefined): void {
    if (connection === undefined) return;
    this.connections.delete(connection);
    connection.forget();
  }

  /**
   * Closes the connection on which nothing has been done for the longest, whatever it waits for. To
   * prefer one kind to another would let those of the one fill all places, and the next of the
   * other would give way before it was read.
   *
   * @returns false where each has an answer that is being made or goes on in parts
   */
  private makeRoom(): boolean {
    const giving = this.oldest((connection) => connection.givesWay);
    giving?.cut();
    this.forget(giving);
    return giving !== undefined;
  }

  private oldest(isMeant: (connection: Connection) => boolean): Connection | undefined {
    let oldest: Connection | undefined;
    for (const connection of this.connections) {
      if (isMeant(connection) && (oldest === undefined || connection.sinceMs < oldest.sinceMs))
        oldest = connection;
    }
    return oldest;
  }

  private beginParts(): boolean {
    if (this.inParts >= this.connectionsMax / 2) return false;
    this.inParts++;
    return true;
  }

  /** Counts what waits. Where that is too much, the peers go that have left it for the longest. */
  private wait(bytes: number): void {
    this.waitingBytes += bytes;
    while (this.waitingBytes > WAITING_BYTES_MAX) {
      const giving = this.oldest((connection) => connection.isUnread);
      if (giving === undefined) return;
      giving.cut();
    }
  }

  private look(): void {
    const nowMs = performance.now();
    for (const connection of this.connections) connection.look(nowMs);
  }

  private async answer(request: HttpRequest): Promise<Answer> {
    const { method, path, headers } = request;
    if (method !== "GET" && method !== "HEAD")
      return plain(405, "Only GET and HEAD are answered", { Allow: "GET, HEAD" });
    const refusal = this.refusal(headers);
    if (refusal !== undefined) return refusal;
    const route = Object.hasOwn(this.routes, path) ? this.routes[path] : undefined;
    if (route === undefined)
      return plain(404, `Not here. There are: ${Object.keys(this.routes).join(", ")}`);
    try {
      return await route(request);
    } catch (error) {
      this.onError(error);
      return plain(500, "This failed; the hub's log says why");
    }
  }

  /**
   * Why whoever asks is not answered. A web page elsewhere has no token, and the token is what lets
   * another machine ask.
   */
  private refusal(headers: HttpRequest["headers"]): Answer | undefined {
    if (this.token !== undefined)
      return showsToken(headers.get("authorization"), this.token)
        ? undefined
        : plain(
            401,
            "The header Authorization: Bearer TOKEN is missing or wrong; see the setting http.token_file",
            { "WWW-Authenticate": 'Bearer realm="imagehub"' },
          );
    return isForLoopback(headers.get("host"))
      ? undefined
      : plain(
          421,
          "The header Host names none of localhost, 127.0.0.1 and [::1], and nothing else is answered without a token: " +
            "ask under one of these, have the proxy send it, or see the setting http.token_file",
        );
  }
}
