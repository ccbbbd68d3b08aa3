/**
 * The hub's HTTP listener: `/healthz`, `/metrics` and `/api/status`. If it cannot listen, the hub
 * still receives images: the log says why, and it tries again.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { httpConnectionsThatFit } from "../os/open-files.ts";
import { exposureNotice } from "../os/exposure.ts";
import type { HubHealth, NodeState } from "../shared/messages.ts";
import { type Answer, type HttpRequest, plain, type Route } from "./answer.ts";
import { ageNotice, type Certificate, readCertificate } from "./certificate.ts";
import { reasonsAgainst } from "./health.ts";
import { hubHealthOf } from "./hub-state.ts";
import { OFF, parseListen, urlOf } from "../net/listen-address.ts";
import { listenProblem } from "./listen-problem.ts";
import type { Metrics } from "./metrics.ts";
import { drain, DRAIN_PATH } from "./drain.ts";
import { forget, FORGET_PATH } from "./forget.ts";
import type { Overview } from "./overview.ts";
import { HttpServer } from "./server.ts";
import { statesOf } from "./silence.ts";
import { nodesOf, statusOf } from "./status.ts";
import { readToken } from "./token.ts";

/** How long it waits before it tries to listen again, in milliseconds. */
const RETRY_MS = 30_000;

/** How often the hub's health and its nodes are looked at while somebody looks, in milliseconds. */
const TELL_MS = 5000;

/** How often the log tells of a certificate that expires, in milliseconds: once a day. */
const AGE_MS = 86_400_000;

/** The page shows a form for the token, and so do its parts. */
function isOpen(path: string): boolean {
  return path === "/" || path === "/login" || path.startsWith("/assets/");
}

/** Answers what the main thread does not answer itself. */
export interface Viewer {
  /** Whether somebody looks at the moment. */
  readonly isBusy: boolean;
  answer(request: HttpRequest): Promise<Answer>;
  tell(health: HubHealth, nodes: readonly NodeState[]): void;
}

/** What others may have the hub do. */
export interface ControlOrders {
  /** Forgets a node with its views. */
  readonly forgetNode: (node: string) => Promise<void>;
  /** Takes the hub out of service, or brings it back. */
  readonly setDraining: (isWanted: boolean) => void;
}

/** The listener of one hub. It lives in the main thread. */
export class Control {
  private server: HttpServer | undefined;
  private retry: Timer | undefined;
  private said = "";
  private aging: Timer | undefined;
  private telling: Timer | undefined;

  constructor(
    private readonly overview: Overview,
    private readonly viewer: Viewer,
    private readonly log: Log,
    private readonly orders: ControlOrders,
  ) {}

  private port: number | undefined;
  private told: ((port: number) => void) | undefined;

  /** Calls a function with the port as soon as it listens, and when it does so again. */
  onListening(told: (port: number) => void): void {
    this.told = told;
    if (this.port !== undefined) told(this.port);
  }

  /** Starts to listen, unless the settings say off. Problems go to the log. */
  start(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
    const { listen } = this.overview.settings.http;
    const address = listen === OFF ? undefined : parseListen(listen);
    if (address === undefined) return;
    const server = this.makeServer();
    try {
      server.access.token = this.readToken();
      const certificate = this.readCertificate();
      const port = server.listen(address, certificate);
      this.port = port;
      this.server = server;
      // What fails later is told, though it be the same again.
      this.said = "";
      const url = urlOf({ ...address, port }, certificate !== undefined);
      this.log.info(`Images, health and metrics at ${url}`);
      this.show(certificate);
      this.told?.(port);
    } catch (error) {
      this.giveUp(server, listenProblem(error, address, this.isEncrypted, ", or to off"));
    }
  }

  /**
   * Reads the token and the certificate again. If that fails, the old one stays in force. While it
   * cannot listen, tries that again at once.
   */
  reload(): void {
    const { server, log } = this;
    if (this.retry !== undefined) this.start();
    if (server === undefined) return;
    try {
      server.access.token = this.readToken();
    } catch (error) {
      log.error(
        `Cannot read hub.http.token_file again, so the old token stays in force: ${messageOf(error)}`,
      );
    }
    let certificate: Certificate | undefined;
    try {
      certificate = this.readCertificate();
    } catch (error) {
      log.error(
        `Cannot read hub.http.tls again, so the old certificate stays in force: ${messageOf(error)}`,
      );
    }
    if (certificate === undefined) return;
    try {
      server.renew(certificate);
      this.show(certificate);
    } catch (error) {
      this.server = undefined;
      this.giveUp(server, messageOf(error));
    }
  }

  close(): void {
    clearTimeout(this.retry);
    clearInterval(this.aging);
    clearInterval(this.telling);
    this.server?.close();
  }

  private makeServer(): HttpServer {
    const { overview, log } = this;
    let metrics: Metrics | undefined;
    return new HttpServer(
      {
        routes: {
          "/healthz": shared(async () => await healthAnswer(overview)),
          "/metrics": shared(async () => {
            // Load the library only if somebody asks for metrics.
            metrics ??= new (await import("./metrics.ts")).Metrics(overview);
            return { status: 200, type: metrics.type, body: Buffer.from(await metrics.text()) };
          }),
          "/api/status": shared(async () => ({
            status: 200,
            type: "application/json",
            body: Buffer.from(`${JSON.stringify(await statusOf(overview), null, 2)}\n`),
          })),
        },
        rest: async (request) => await this.answer(request),
        isOpen,
      },
      httpConnectionsThatFit(),
      (error) => log.error(`HTTP: ${messageOf(error)}`),
    );
  }

  private async answer(request: HttpRequest): Promise<Answer> {
    const { forgetNode, setDraining } = this.orders;
    if (request.path === FORGET_PATH) return await forget(request, this.overview.nodes, forgetNode);
    if (request.path === DRAIN_PATH) return drain(request, setDraining);
    return await this.look(request);
  }

  /** Somebody looks. While they do, they are told about the hub and its nodes. */
  private async look(request: HttpRequest): Promise<Answer> {
    const answer = this.viewer.answer(request);
    if (this.telling === undefined) {
      this.telling = setInterval(() => void this.tell(), TELL_MS);
      void this.tell();
    }
    return await this.inHealthsWords(await answer);
  }

  /**
   * While the data directory is away, the thread that reads knows only which of its files it cannot
   * open.
   */
  private async inHealthsWords(answer: Answer): Promise<Answer> {
    if (answer.status !== 503) return answer;
    const { disk, guard } = this.overview;
    await disk.look();
    return guard.problem === undefined ? answer : plain(503, guard.problem);
  }

  private async tell(): Promise<void> {
    const { overview, viewer } = this;
    if (!viewer.isBusy) {
      clearInterval(this.telling);
      this.telling = undefined;
      return;
    }
    const health = await hubHealthOf(overview);
    viewer.tell(health, statesOf(nodesOf(overview.nodes, overview.today.day)));
  }

  private get isEncrypted(): boolean {
    return this.overview.settings.http.tls.certificate !== "";
  }

  private readCertificate(): Certificate | undefined {
    if (!this.isEncrypted) return undefined;
    const { tls } = this.overview.settings.http;
    const certificate = readCertificate(tls);
    if (certificate.isExposed) this.log.warn(exposureNotice("key", tls.key));
    return certificate;
  }

  /** Notes which certificate is shown, and tells of its age from now on. */
  private show(certificate: Certificate | undefined): void {
    clearInterval(this.aging);
    this.overview.certificate = certificate;
    if (certificate === undefined) return;
    const tell = (): void => {
      const notice = ageNotice(certificate, Date.now());
      if (notice !== undefined) this.log.warn(notice);
    };
    tell();
    this.aging = setInterval(tell, AGE_MS);
  }

  /** Tries again later. */
  private giveUp(server: HttpServer, reason: string): void {
    server.close();
    this.port = undefined;
    this.complain(reason);
    this.retry = setTimeout(() => this.start(), RETRY_MS);
  }

  private readToken(): string | undefined {
    const { token_file: path } = this.overview.settings.http;
    if (path === "") return undefined;
    const { token, isExposed } = readToken(path);
    if (isExposed) this.log.warn(exposureNotice("token", path));
    return token;
  }

  /** Logs a reason once, however often listening fails for it. */
  private complain(reason: string): void {
    if (reason === this.said) return;
    this.said = reason;
    this.log.error(`Images are received, but health and metrics are not available: ${reason}`);
  }
}

/**
 * Requests that arrive while an answer is being made share it: a crowd costs as much time and
 * memory as one.
 */
function shared(make: () => Promise<Answer>): Route {
  let making: Promise<Answer> | undefined;
  return async () => await (making ??= make().finally(() => (making = undefined)));
}

async function healthAnswer(overview: Overview): Promise<Answer> {
  const reasons = await reasonsAgainst(overview);
  if (overview.drainingSinceMs !== undefined)
    return plain(503, ["draining", ...reasons].join("\n"));
  if (reasons.length > 0) return plain(503, reasons.join("\n"));
  return plain(200, ["ok", ...overview.notices].join("\n"));
}
