/**
 * Answers what people look at: the page, and the API that `docs/API.md` describes.
 *
 * @module
 */

import { type Answer, plain, takesGzip } from "../http/answer.ts";
import type { HubHealth, NodeState, ViewRequest } from "../shared/messages.ts";
import { Refused } from "./query.ts";
import { ROUTES } from "./routes.ts";
import type { Source } from "./source.ts";
import { Thumbnails } from "./thumbnails.ts";

/** How long what was read stays in memory when nobody looks, in milliseconds. */
const IDLE_MS = 5 * 60_000;

/** From so many bytes on, JSON is compressed. */
const LONG_BYTES = 256 * 1024;

/** A request with what the answer needs of it. */
export interface Question extends Omit<ViewRequest, "query"> {
  readonly query: URLSearchParams;
  /** Aborted when nobody waits for the answer any more. */
  readonly gone: AbortSignal;
}

/** All that people can look at. */
export class Site {
  readonly thumbnails: Thumbnails;
  private silent: ReadonlySet<string> = new Set();
  private underWay = 0;
  private idle: Timer | undefined;

  constructor(readonly source: Source) {
    this.thumbnails = new Thumbnails(source.thumbnails);
  }

  /** Somebody looks. @param path what they ask for */
  begin(path: string): void {
    this.underWay++;
    clearTimeout(this.idle);
    // The page itself does not wait for it: a browser has much to do with it first.
    if (path.startsWith("/api/")) this.source.wake();
  }

  /** They have what they asked for. */
  end(): void {
    if (--this.underWay === 0) this.idle = setTimeout(() => this.forget(), IDLE_MS);
    this.source.wake();
  }

  /** Takes in the health of the hub. */
  setHealth(health: HubHealth): void {
    this.source.live.tell("hub", health);
  }

  /** Takes in all nodes, and tells which have fallen silent or speak again. */
  setNodes(nodes: readonly NodeState[]): void {
    for (const state of nodes)
      if (state.silent !== this.silent.has(state.node)) this.source.live.tell("camera", state);
    this.silent = new Set(nodes.filter(({ silent }) => silent).map(({ node }) => node));
  }

  /** Answers a request. Never rejects. */
  async answer(question: Question): Promise<Answer> {
    try {
      const method = question.method === "HEAD" ? "GET" : question.method;
      const found = ROUTES.filter(({ pattern }) => pattern.test(question.path));
      const route = found.find((each) => each.method === method);
      if (route !== undefined)
        // Each part by itself: a slash that is encoded separates nothing.
        return inShort(
          await route.answer(
            this,
            question,
            route.pattern.exec(question.path)!.slice(1).map(decoded),
          ),
          question,
        );
      if (found.length > 0) {
        const methods = found.map((each) => each.method).join(", ");
        return plain(405, `This address takes ${methods} only`, { Allow: methods });
      }
      return plain(404, "There is nothing at this address; docs/API.md lists all addresses");
    } catch (error) {
      if (error instanceof Refused) return plain(error.status, error.message);
      return plain(503, this.source.explain(error));
    }
  }

  /** Nobody has looked for a while. */
  private forget(): void {
    this.source.rest();
    this.thumbnails.clear();
    this.source.live.clear();
    Bun.gc(true);
  }
}

/** Compresses a long list, if who asks can read it then: it becomes a twentieth. */
function inShort(answer: Answer, { headers }: Pick<Question, "headers">): Answer {
  const { type, body } = answer;
  if (type !== "application/json" || !(body instanceof Uint8Array)) return answer;
  if (body.byteLength < LONG_BYTES || !takesGzip(headers)) return answer;
  const zipped = Bun.gzipSync(new Uint8Array(body), { level: 1 });
  return {
    ...answer,
    body: zipped,
    headers: { ...answer.headers, "Content-Encoding": "gzip", Vary: "Accept-Encoding" },
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Refused(400, "The address has a % that is no code of a byte");
  }
}
