/**
 * Receivers of webhooks, as bad as a test wants them.
 *
 * @module
 */

import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";

/** A request as it has arrived. */
export interface Received {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Answers a request. `nth` counts from 1. */
export type Answer = (response: ServerResponse, received: Received, nth: number) => void;

/** Answers with a status. */
export const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end();

/** Never answers. */
export const hang: Answer = () => undefined;

/** Closes the connection with a TCP reset. */
export const reset: Answer = ({ socket }) => (socket as Socket).resetAndDestroy();

/** A receiver on 127.0.0.1. */
export class Receiver implements AsyncDisposable {
  readonly requests: Received[] = [];
  private constructor(
    private readonly server: ReturnType<typeof createServer>,
    private readonly scheme: string,
    /** Changed by tests while it runs. */
    public answer: Answer,
  ) {}

  /** Starts one. @param tls certificate and key in PEM, for HTTPS */
  static async start(
    answer: Answer = status(200),
    tls?: { readonly cert: string; readonly key: string },
    port = 0,
  ): Promise<Receiver> {
    const server = tls === undefined ? createServer() : createTlsServer(tls);
    const receiver = new Receiver(server, tls === undefined ? "http" : "https", answer);
    server.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { method = "", url = "", headers } = request;
        const received = { method, url, headers, body: Buffer.concat(chunks) };
        receiver.requests.push(received);
        receiver.answer(response, received, receiver.requests.length);
      });
      response.on("error", () => undefined);
    });
    const listening = Promise.withResolvers<void>();
    server.listen(port, "127.0.0.1", () => listening.resolve());
    await listening.promise;
    return receiver;
  }

  get port(): number {
    const address = this.server.address();
    if (typeof address !== "object" || address === null) throw new Error("It does not listen");
    return address.port;
  }

  /** Its URL, with a secret path. */
  url(path = "/services/T0SECRET?key=hidden", host = "127.0.0.1"): string {
    return `${this.scheme}://${host}:${this.port}${path}`;
  }

  /** What it has received, read as JSON. */
  get facts(): Record<string, unknown>[] {
    return this.requests.map(({ body }) => JSON.parse(body.toString()) as Record<string, unknown>);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.server.close(() => closed.resolve());
    this.server.closeAllConnections();
    await closed.promise;
  }
}
