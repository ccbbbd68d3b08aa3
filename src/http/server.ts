/**
 * A small HTTP server for a few fixed paths that are only read: GET and HEAD, no bodies, short addresses, few connections.
 *
 * It is `node:http`, not `Bun.serve`, because that has no bound on connections: a stranger could take every file descriptor
 * of the process, which the writers and the senders need.
 *
 * @module
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { ListenAddress } from "./listen.ts";
import { showsToken } from "./token.ts";

/** Connections at once; further ones are closed. They come out of the descriptors kept for others than senders. */
const CONNECTIONS_MAX = 16;
/** Longest path with its query, in characters. */
const URL_CHARS_MAX = 256;
/** Longest request line and headers, in bytes. */
const HEADER_BYTES_MAX = 8192;
/** How long a request may take to arrive, and how long a connection may then be idle, in milliseconds. */
const REQUEST_MS_MAX = 5000;
const IDLE_MS_MAX = 10_000;
/** How often that is looked at, in milliseconds. */
const CHECK_MS = 1000;

/** What is answered. */
export interface Answer {
  readonly status: number;
  /** Content-Type. */
  readonly type: string;
  readonly body: string;
}

/** Makes the answer for a path. */
export type Route = () => Answer | Promise<Answer>;

const TEXT = "text/plain; charset=utf-8";

/** A plain text, ended by a line break. */
export function plain(status: number, text: string): Answer {
  return { status, type: TEXT, body: `${text}\n` };
}

/** Serves routes until it is closed. */
export class HttpServer {
  /** What has to be shown; undefined: nothing. */
  token: string | undefined;
  private readonly server: Server;

  /**
   * @param routes by their paths
   * @param onError is told when a route has failed, which is a bug
   */
  constructor(
    private readonly routes: Readonly<Record<string, Route>>,
    private readonly onError: (error: unknown) => void,
  ) {
    this.server = createServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: REQUEST_MS_MAX,
        requestTimeout: REQUEST_MS_MAX,
        keepAliveTimeout: IDLE_MS_MAX,
        connectionsCheckingInterval: CHECK_MS,
      },
      (request, response) => void this.respond(request, response),
    );
    this.server.maxConnections = CONNECTIONS_MAX;
    this.server.timeout = IDLE_MS_MAX;
  }

  /** @returns the port @throws {Error} of node:net, with its `code`, where the address cannot be bound */
  async listen({ host, port }: ListenAddress): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.server.once("error", reject);
    this.server.listen({ host, port, ipv6Only: false }, resolve);
    await promise;
    this.server.off("error", reject);
    // What comes later belongs to one connection, and must not end the process.
    this.server.on("error", this.onError);
    const address = this.server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { status, type, body } = await this.answer(request, response);
      if (hasBody(request)) response.setHeader("Connection", "close");
      response.writeHead(status, {
        "Content-Type": type,
        "Content-Length": Buffer.byteLength(body),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
      });
      response.end(request.method === "HEAD" ? undefined : body);
    } catch (error) {
      this.onError(error);
      response.destroy();
    }
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<Answer> {
    const { method, url = "", headers } = request;
    if (url.length > URL_CHARS_MAX)
      return plain(414, `The address is longer than ${URL_CHARS_MAX} characters`);
    if (method !== "GET" && method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      return plain(405, "Only GET and HEAD are answered");
    }
    if (hasBody(request)) return plain(413, "A request here has no body");
    if (this.token !== undefined && !showsToken(headers.authorization, this.token)) {
      response.setHeader("WWW-Authenticate", 'Bearer realm="imagehub"');
      return plain(
        401,
        "The header Authorization: Bearer TOKEN is missing or wrong; see the setting http.token_file",
      );
    }
    const path = url.split("?", 1)[0]!;
    const route = Object.hasOwn(this.routes, path) ? this.routes[path] : undefined;
    if (route === undefined) return plain(404, `Not here. There are: ${Object.keys(this.routes).join(", ")}`);
    try {
      return await route();
    } catch (error) {
      this.onError(error);
      return plain(500, "This failed; the hub's log says why");
    }
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return (headers["content-length"] ?? "0") !== "0" || headers["transfer-encoding"] !== undefined;
}
