/**
 * Answers what people look at: the page, and the API that `docs/API.md` describes. It reads the
 * tree of files, and follows it while somebody looks.
 *
 * @module
 */

import type { StoredImage } from "../catalog/day-follower.ts";
import { Follower, type StoredEvent } from "../catalog/follower.ts";
import type { Settings } from "../config/schema.ts";
import { messageOf } from "../errors.ts";
import { type Answer, plain } from "../http/answer.ts";
import type { Log } from "../log/log.ts";
import { Calendar, sixDigits, systemClock } from "../protocol/calendar.ts";
import type { HubHealth, NodeState, ViewRequest } from "../shared/messages.ts";
import { DataDirectory } from "../store/data-directory.ts";
import { DayIndexes } from "./day-index.ts";
import { Days } from "./days.ts";
import { eventOf } from "./events.ts";
import { Live } from "./live.ts";
import { Refused, timeText } from "./query.ts";
import { ROUTES } from "./routes.ts";
import { Thumbnails } from "./thumbnails.ts";

/** How long what was read stays in memory when nobody looks, in milliseconds. */
const IDLE_MS = 5 * 60_000;

/** A request with what the answer needs of it. */
export interface Question extends Omit<ViewRequest, "query"> {
  readonly query: URLSearchParams;
  /** Aborted when nobody waits for the answer any more. */
  readonly gone: AbortSignal;
}

/** All that people can look at. */
export class Site {
  readonly directory: DataDirectory;
  readonly indexes: DayIndexes;
  readonly days: Days;
  readonly thumbnails = new Thumbnails();
  readonly live = new Live();
  private readonly calendar = new Calendar(systemClock);
  private follower: Follower | undefined;
  private silent: ReadonlySet<string> = new Set();
  private underWay = 0;
  private idle: Timer | undefined;

  constructor(
    readonly settings: Settings,
    private readonly log: Pick<Log, "warn">,
  ) {
    this.directory = new DataDirectory(settings.data_directory);
    this.indexes = new DayIndexes(this.directory);
    this.days = new Days(this.directory, settings, this.indexes);
  }

  /** The local date. */
  get today(): string {
    return this.calendar.local(this.calendar.now()).date;
  }

  /** The local date and time, such as `2018-12-30T23:13:31.620992`. */
  get now(): string {
    const micros = this.calendar.now();
    const { date, hour, minute, second } = this.calendar.local(micros);
    return `${date}T${hour}:${minute}:${second}.${sixDigits(micros)}`;
  }

  /** Somebody looks. @param path what they ask for */
  begin(path: string): void {
    this.underWay++;
    clearTimeout(this.idle);
    // The page itself does not wait for it: a browser has much to do with it first.
    if (path.startsWith("/api/")) this.follow();
  }

  /** They have what they asked for. */
  end(): void {
    if (--this.underWay === 0) this.idle = setTimeout(() => this.forget(), IDLE_MS);
    this.follow();
  }

  /** Begins to follow what is stored. */
  private follow(): void {
    if (this.follower !== undefined) return;
    this.follower = new Follower(this.directory, {
      today: () => this.today,
      onImage: (image) => this.hearImage(image),
      onEvent: (event) => this.hearEvent(event),
      onProblem: (problem) => this.log.warn(`What is stored cannot be followed: ${problem}`),
    });
    this.follower.start();
  }

  /** Takes in the health of the hub. */
  setHealth(health: HubHealth): void {
    this.live.tell("hub", health);
  }

  /** Takes in all nodes, and tells which have fallen silent or speak again. */
  setNodes(nodes: readonly NodeState[]): void {
    for (const state of nodes)
      if (state.silent !== this.silent.has(state.node)) this.live.tell("camera", state);
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
        return await route.answer(
          this,
          question,
          route.pattern.exec(question.path)!.slice(1).map(decoded),
        );
      if (found.length > 0) {
        const methods = found.map((each) => each.method).join(", ");
        return plain(405, `This address takes ${methods} only`, { Allow: methods });
      }
      return plain(404, "There is nothing at this address; docs/API.md lists all addresses");
    } catch (error) {
      if (error instanceof Refused) return plain(error.status, error.message);
      return plain(503, `The data directory cannot be read: ${messageOf(error)}`);
    }
  }

  private hearImage(image: StoredImage): void {
    this.indexes.add(image);
    const { date, name, camera, micros } = image;
    this.live.tell("image", { date, name, camera, time: timeText(micros) }, camera);
  }

  private hearEvent({ at, text }: StoredEvent): void {
    const [date = "", time = ""] = at.split(" ");
    this.live.tell("event", eventOf(date, time, text));
  }

  /** Nobody has looked for a while. */
  private forget(): void {
    this.follower?.[Symbol.dispose]();
    this.follower = undefined;
    this.indexes.clear();
    this.days.clear();
    this.thumbnails.clear();
    this.live.clear();
    Bun.gc(true);
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Refused(400, "The address has a % that is no code of a byte");
  }
}
