/**
 * A proxy in front of an S3 store that does what networks and stores do on bad days.
 *
 * @module
 */

import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";

/**
 * What happens to a request:
 *
 * - `silent`: no answer
 * - `stalled`: half of the answer, and then nothing
 * - `cut`: half of the answer, and then the end of the connection
 * - `lost`: the store does it, but its answer does not arrive
 * - `busy`: 503, to be tried again after 0 seconds
 */
export type Fault = "silent" | "stalled" | "cut" | "lost" | "busy";

const BUSY = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message/></Error>';

/** A proxy on 127.0.0.1. */
export class StoreProxy implements AsyncDisposable {
  /** What happens to the next requests, in order; the others pass. */
  readonly faults: Fault[] = [];
  /** Method and path of all requests. */
  readonly requests: string[] = [];

  private constructor(
    private readonly server: ReturnType<typeof createServer>,
    readonly endpoint: string,
  ) {}

  /** Starts it. @param tls its certificate and key in PEM; default: it does not encrypt */
  static async start(
    store: string,
    tls?: { readonly cert: string; readonly key: string },
  ): Promise<StoreProxy> {
    const listen = (incoming: IncomingMessage, outgoing: ServerResponse): void =>
      proxy.take(incoming, outgoing, new URL(store));
    const server = tls === undefined ? createServer(listen) : createSecureServer(tls, listen);
    const listening = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", () => listening.resolve());
    await listening.promise;
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error("The proxy has no port");
    const scheme = tls === undefined ? "http" : "https";
    const proxy = new StoreProxy(server, `${scheme}://127.0.0.1:${address.port}`);
    return proxy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.server.close(() => closed.resolve());
    this.server.closeAllConnections();
    await closed.promise;
  }

  private take(incoming: IncomingMessage, outgoing: ServerResponse, { hostname, port }: URL): void {
    const { method, url: path, headers } = incoming;
    this.requests.push(`${method} ${path}`);
    const fault = this.faults.shift();
    outgoing.on("error", () => undefined);
    if (fault === "silent" || fault === "busy") {
      incoming.resume();
      const head = { "Retry-After": "0", "Content-Type": "application/xml" };
      if (fault === "busy") outgoing.writeHead(503, head).end(BUSY);
      return;
    }
    const ask = request({ hostname, port, method, path, headers, agent: false }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("end", () => {
        const body = Buffer.concat(parts);
        // The answer's own `destroy` sends an empty 200 before.
        if (fault !== "lost") outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        if (fault === undefined) outgoing.end(body);
        else if (fault === "lost") incoming.socket.destroy();
        else
          outgoing.write(body.subarray(0, body.length / 2), () => {
            if (fault === "cut") incoming.socket.destroy();
          });
      });
    });
    ask.on("error", () => incoming.socket.destroy());
    incoming.pipe(ask);
  }
}
