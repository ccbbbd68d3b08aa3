/**
 * A small HTTP server: GET and HEAD, POST with short bodies, a limited number of connections.
 *
 * It uses `Bun.listen`. `Bun.serve` does not limit connections, so a stranger could take every file
 * descriptor of the process, which the writers and the senders need. `node:http` answers request
 * after request of a peer that reads no answers, and keeps these in memory without a limit.
 *
 * @module
 */

import type { Socket, TCPSocketListener } from "bun";
import { boundListener, sendAtOnce } from "../os/sockets.ts";
import { Access } from "./access.ts";
import { type Answer, type HttpRequest, plain, type Route } from "./answer.ts";
import type { Certificate } from "./certificate.ts";
import { Connection } from "./connection.ts";
import type { ListenAddress } from "../net/listen-address.ts";

/** Bytes that may wait in this process for peers to take them, for all connections together. */
const WAITING_BYTES_MAX = 16 * 2 ** 20;

/**
 * How much the kernel may hold per connection. Without a limit it would be megabytes each, from the
 * memory that the senders' connections share.
 */
const KERNEL = { sendBytes: 65_536, receiveBytes: 16_384, sendMs: 20_000 } as const;

/**
 * How many connections may arrive at once, as a part of the maximum. Peers of further ones try
 * again after a second. All that have arrived are accepted in one go before any is read, and none
 * may be closed for another before its request has been seen.
 */
const AT_ONCE_PART = 1 / 3;

/** How often to check for connections that take too long, in milliseconds. */
const LOOK_MS = 1000;

/** What the TLS library says of a peer that speaks HTTP without TLS. */
const PLAIN = "HTTP_REQUEST";

/**
 * The answer to such a peer, without TLS. The library has taken the request, so only the browser
 * knows which host it has asked.
 */
const TO_HTTPS = Buffer.from(
  "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" +
    "<!doctype html><title>imagehub</title><p>This port speaks HTTPS: begin the address with https://\n" +
    '<script>location.replace(location.href.replace("http:", "https:"))</script>\n',
);

/** What a server serves. */
export interface Served {
  /** By path; for GET and HEAD. */
  readonly routes: Readonly<Record<string, Route>>;
  /** Answers all other requests. Without it, there is nothing else. */
  readonly rest?: Route;
  /** Whether anybody may ask for a path, without a token. */
  readonly isOpen?: (path: string) => boolean;
}

/** Serves it until it is closed. */
export class HttpServer {
  readonly access = new Access();
  private address: ListenAddress | undefined;
  private certificate: Certificate | undefined;
  private listener: TCPSocketListener<Connection | undefined> | undefined;
  /** Open connections, oldest first. */
  private readonly connections = new Set<Connection>();
  private waitingBytes = 0;
  private inParts = 0;
  private timer: Timer | undefined;

  /**
   * @param served what it serves
   * @param connectionsMax maximum open connections. Half of them may have answers in parts
   * @param onError called when a route has failed, which is a bug
   */
  constructor(
    private readonly served: Served,
    private readonly connectionsMax: number,
    private readonly onError: (error: unknown) => void,
  ) {}

  /**
   * @param certificate undefined: without TLS
   * @returns the port
   * @throws {Error} with an errno `code`, if the address cannot be bound
   */
  listen(address: ListenAddress, certificate?: Certificate): number {
    const { port } = this.bind(address, certificate);
    this.address = { ...address, port };
    this.timer = setInterval(() => this.look(), LOOK_MS);
    return port;
  }

  /**
   * Shows another certificate to those who connect from now on. A listener cannot change its
   * certificate, so another one takes its place. Open connections go on. Who connects in between,
   * some microseconds, is refused.
   *
   * @throws {Error} as `listen` does; then it listens no more
   */
  renew(certificate: Certificate): void {
    const { address, certificate: before } = this;
    const isSame = before?.cert === certificate.cert && before.key === certificate.key;
    if (address === undefined || isSame) return;
    this.listener?.stop();
    this.bind(address, certificate);
  }

  private bind(
    { host, port }: ListenAddress,
    certificate: Certificate | undefined,
  ): TCPSocketListener<Connection | undefined> {
    const listener = Bun.listen<Connection | undefined>({
      hostname: host,
      port,
      // A peer may close its side before its answer is sent.
      allowHalfOpen: true,
      ...(certificate !== undefined && {
        tls: { cert: certificate.cert, key: certificate.key, lowMemoryMode: true },
      }),
      socket: {
        open: (socket) => this.accept(socket),
        // Without this, a connection is not seen, and bounded, before its handshake has ended.
        handshake: (socket, isDone, error) => {
          if (!isDone && error?.message.includes(PLAIN) === true)
            sendAtOnce(fdOf(socket), TO_HTTPS);
        },
        data: (socket, bytes) => socket.data?.receive(bytes),
        end: (socket) => socket.data?.receiveEnd(),
        drain: (socket) => socket.data?.flush(),
        close: (socket) => this.forget(socket.data),
        error: (_, error) => {
          // What a peer sends may be no TLS.
          if (certificate === undefined || !isOfTls(error)) this.onError(error);
        },
      },
    });
    boundListener(fdOf(listener), {
      ...KERNEL,
      waiting: Math.floor(this.connectionsMax * AT_ONCE_PART),
    });
    this.listener = listener;
    this.certificate = certificate;
    this.access.isEncrypted = certificate !== undefined;
    return listener;
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
   * Closes the connection that has been idle for the longest, whatever it waits for. If one kind
   * were preferred, connections of the other kind would fill all places, and the next one of the
   * first kind would be closed before it was read.
   *
   * @returns false if each has an answer that is being made or is sent in parts
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

  /**
   * Counts bytes that wait. Above the limit, closes the connections that have left theirs longest,
   * but not the last one: an answer that is longer than the limit could never be given.
   */
  private wait(bytes: number): void {
    this.waitingBytes += bytes;
    while (this.waitingBytes > WAITING_BYTES_MAX) {
      const unread = [...this.connections].filter(({ isUnread }) => isUnread);
      if (unread.length < 2) return;
      this.oldest((connection) => connection.isUnread)?.cut();
    }
  }

  private look(): void {
    const nowMs = performance.now();
    for (const connection of this.connections) connection.look(nowMs);
  }

  private async answer(request: HttpRequest): Promise<Answer> {
    const { method, path } = request;
    const { routes, rest, isOpen } = this.served;
    const refusal = this.access.refusal(request, isOpen?.(path) ?? false);
    if (refusal !== undefined) return refusal;
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (method !== "GET" && method !== "HEAD" && (method !== "POST" || route !== undefined))
      return plain(405, "Only GET and HEAD are supported", { Allow: "GET, HEAD" });
    try {
      if (path === "/login" && method === "POST") return this.access.login(request);
      if (route === undefined && rest !== undefined) return await rest(request);
      if (route === undefined)
        return plain(404, `Not found. Available: ${Object.keys(routes).join(", ")}`);
      return await route(request);
    } catch (error) {
      this.onError(error);
      return plain(500, "This failed; see the hub's log for the reason");
    }
  }
}

/** The descriptor of a socket or listener, which is missing in the types. */
function fdOf(of: object): number {
  return (of as { readonly fd: number }).fd;
}

/** Whether a TLS session has failed, which is up to its peer. */
function isOfTls({ code }: NodeJS.ErrnoException): boolean {
  return code === "EPROTO";
}
