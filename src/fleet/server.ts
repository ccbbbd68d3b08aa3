/**
 * The HTTP listener of the view of many hubs: the page and its API, health and metrics.
 *
 * @module
 */

import type { Settings } from "../config/schema.ts";
import { EXIT, FatalError, messageOf } from "../errors.ts";
import { type Answer, type HttpRequest, json, partsThatEnd, plain } from "../http/answer.ts";
import { type Certificate, readCertificate } from "../http/certificate.ts";
import { listenProblem } from "../http/listen-problem.ts";
import { HttpServer } from "../http/server.ts";
import { readToken } from "../http/token.ts";
import type { Log } from "../log/log.ts";
import { OFF, parseListen, urlOf } from "../net/listen-address.ts";
import { exposureNotice } from "../os/exposure.ts";
import { httpConnectionsThatFit } from "../os/open-files.ts";
import { VERSION } from "../version.ts";
import { Site } from "../view/site.ts";
import type { Fleet } from "./fleet.ts";
import { metricsOf } from "./metrics.ts";

/** The page shows a form for the token, and so do its parts. */
const isOpen = (path: string): boolean =>
  path === "/" || path === "/login" || path.startsWith("/assets/");

/** Serves one fleet until it is closed. */
export class ViewServer {
  private readonly server: HttpServer;
  private readonly site: Site;

  constructor(
    private readonly fleet: Fleet,
    private readonly settings: Settings["http"],
    private readonly log: Log,
  ) {
    this.site = new Site(fleet);
    this.server = new HttpServer(
      {
        routes: {
          "/healthz": () => healthOf(fleet),
          "/metrics": async () => await metricsOf(fleet),
          "/api/status": () => statusOf(fleet),
        },
        rest: async (request) => await this.answer(request),
        isOpen,
      },
      httpConnectionsThatFit(),
      (error) => log.error(`HTTP: ${messageOf(error)}`),
    );
  }

  /**
   * Listens.
   *
   * @returns the address of the page
   * @throws {FatalError} if it cannot
   */
  listen(): string {
    const { listen } = this.settings;
    const address = listen === OFF ? undefined : parseListen(listen);
    if (address === undefined)
      throw new FatalError(EXIT.config, "hub.http.listen is off, so there is no page: set it");
    const certificate = this.read();
    try {
      const port = this.server.listen(address, certificate);
      return urlOf({ ...address, port }, certificate !== undefined);
    } catch (cause) {
      const problem = listenProblem(cause, address, certificate !== undefined);
      throw new FatalError(EXIT.bind, problem, { cause });
    }
  }

  /** Reads the token and the certificate again. If that fails, the old ones stay in force. */
  reload(): void {
    try {
      const certificate = this.read();
      if (certificate !== undefined) this.server.renew(certificate);
    } catch (error) {
      this.log.error(`What was read before stays in force: ${messageOf(error)}`);
    }
  }

  close(): void {
    this.server.close();
    this.fleet.rest();
  }

  /** @throws {FatalError} if a file is of no use */
  private read(): Certificate | undefined {
    const { token_file: file, tls } = this.settings;
    try {
      const certificate = tls.certificate === "" ? undefined : readCertificate(tls);
      if (certificate?.isExposed === true) this.log.warn(exposureNotice("key", tls.key));
      const token = file === "" ? undefined : readToken(file);
      if (token?.isExposed === true) this.log.warn(exposureNotice("token", file));
      this.server.access.token = token?.token;
      return certificate;
    } catch (cause) {
      throw new FatalError(EXIT.config, `hub.http: ${messageOf(cause)}`, { cause });
    }
  }

  /** Answers, and knows until when somebody looks. */
  private async answer(request: HttpRequest): Promise<Answer> {
    const { site } = this;
    site.begin(request.path);
    let isOver = false;
    const end = (): void => {
      if (!isOver) site.end();
      isOver = true;
    };
    const answer = await site.answer(request);
    if (answer.body instanceof Uint8Array) {
      end();
      return answer;
    }
    return { ...answer, body: partsThatEnd(ending(answer.body, end), end) };
  }
}

async function* ending(
  parts: AsyncIterable<Uint8Array>,
  end: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* parts;
  } finally {
    end();
  }
}

function healthOf({ store }: Fleet): Answer {
  return store.problem === undefined
    ? plain(200, "ok")
    : plain(503, `The bucket cannot be read: ${store.problem}`);
}

/** There is no hub here. The page knows from `hubs` in the list of days. */
function statusOf({ store, states }: Fleet): Answer {
  const healthy = store.problem === undefined;
  const reasons = healthy ? [] : [`The bucket cannot be read: ${store.problem}`];
  const time = new Date().toISOString();
  return json({ view: store.place, version: VERSION, time, healthy, reasons, hubs: states });
}
