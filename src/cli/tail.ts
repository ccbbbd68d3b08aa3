/**
 * `imagehub tail`: shows what arrives at a hub, here or elsewhere, as it arrives.
 *
 * @module
 */

import { styleText } from "node:util";
import { type ExitStatus, EXIT, FatalError } from "../errors.ts";
import { patternOf } from "../keep/rules.ts";
import { escape } from "../log/fields.ts";
import type { HubEvent, LiveImage } from "../page/answers.ts";
import type { HubHealth } from "../shared/messages.ts";
import { type HubOptions, request, type Target, targetOf } from "./hub-target.ts";
import { type ServerSentEvent, serverSentEvents } from "../net/server-sent-events.ts";

/** The options of `tail`. */
export interface TailOptions extends HubOptions {
  readonly camera?: string;
  readonly events?: boolean;
  readonly json?: boolean;
}

/** A hub that says nothing for so long does not answer, in milliseconds. It does every 15 s. */
const SILENCE_MS_MAX = 40_000;

/** How long to wait before the hub is tried again, in milliseconds. */
const RETRY_MS = 2000;

/**
 * Prints what arrives, one line each, until it is ended.
 *
 * @returns once nobody reads its output any more
 * @throws {FatalError} if no hub answers at the start, or it refuses
 */
export async function tail(options: TailOptions): Promise<ExitStatus> {
  const target = targetOf(options);
  const printer = new Printer(options);
  const closed = new Promise<ExitStatus>((resolve) => {
    // Such as `imagehub tail | head`.
    process.stdout.on("error", () => resolve(EXIT.ok));
  });
  return await Promise.race([closed, follow(target, options, printer)]);
}

/** Follows the hub, also after it was away. */
async function follow(target: Target, options: TailOptions, printer: Printer): Promise<never> {
  const only = options.events === true ? "only=event,hub" : "";
  let lastId: string | undefined;
  for (let isFirst = true; ; isFirst = false) {
    try {
      const after = lastId === undefined ? "" : `after=${encodeURIComponent(lastId)}`;
      const query = [only, after].filter((part) => part !== "").join("&");
      const patience = new Patience();
      const response = await request(target, `/api/v1/live?${query}`, patience.signal);
      if (!isFirst) printer.note("The hub answers again");
      else if (process.stderr.isTTY) printer.note(`What arrives at ${target.url} (Ctrl-C to end)`);
      for await (const event of serverSentEvents(patience.watch(response.body!))) {
        lastId = event.id ?? lastId;
        printer.print(event);
      }
    } catch (error) {
      if (error instanceof FatalError && (isFirst || error.status !== EXIT.unanswered)) throw error;
    }
    printer.note("The hub does not answer. Trying again …");
    await Bun.sleep(RETRY_MS);
  }
}

/** Ends a stream that says nothing any more: a link may be silent without being closed. */
class Patience {
  private readonly abort = new AbortController();
  private timer = this.begin();

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  async *watch(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const bytes of stream) {
        clearTimeout(this.timer);
        this.timer = this.begin();
        yield bytes;
      }
    } finally {
      clearTimeout(this.timer);
    }
  }

  private begin(): Timer {
    return setTimeout(() => this.abort.abort(), SILENCE_MS_MAX);
  }
}

/** Prints what the hub tells. */
class Printer {
  private readonly pattern: RegExp | undefined;
  private isHealthy: boolean | undefined;
  private lastNote = "";

  constructor(private readonly options: TailOptions) {
    this.pattern = options.camera === undefined ? undefined : patternOf(options.camera);
  }

  print({ event, data }: ServerSentEvent): void {
    if (event === "start") return;
    const value: unknown = JSON.parse(data);
    if (event === "image") this.image(value as LiveImage);
    else if (event === "event") this.event(value as HubEvent);
    else if (event === "hub") this.health(value as HubHealth);
    else if (event === "lost") this.note("Some of what arrived meanwhile is not shown");
  }

  /** Tells about the hub itself, and the same only once in succession. */
  note(text: string): void {
    if (text !== this.lastNote)
      process.stderr.write(`${styleText("dim", escape(text), { stream: process.stderr })}\n`);
    this.lastNote = text;
  }

  private image(image: LiveImage): void {
    if (this.pattern?.test(image.camera) === false) return;
    const { time, camera, name } = image;
    this.line("image", image, [time.slice(0, 12), style("green", camera), style("dim", name)]);
  }

  private event(event: HubEvent): void {
    if (this.pattern !== undefined && !this.isMeant(event.node)) return;
    const { time, text, node, type = "", value = "" } = event;
    const words =
      node === null
        ? [style("dim", text)]
        : [style("cyan", node), style("bold", type), escape(value)].filter(Boolean);
    this.line("event", event, [time.replace(",", "."), ...words]);
  }

  /** An event of `Barn Door` belongs to the cameras `Barn-Door` and `Barn-Door-Left`. */
  private isMeant(node: string | null): boolean {
    const { camera = "" } = this.options;
    const name = node?.replaceAll(" ", "-");
    if (name === undefined || name === "") return false;
    return this.pattern!.test(name) || camera.replaceAll(" ", "-").startsWith(`${name}-`);
  }

  private health(health: HubHealth): void {
    if (this.options.json === true) return this.line("hub", health, []);
    if (this.isHealthy === health.healthy) return;
    // That it is healthy goes without saying, unless it was not before.
    const isNews = this.isHealthy !== undefined || !health.healthy;
    this.isHealthy = health.healthy;
    const reasons = health.reasons.join(". ");
    if (isNews) this.note(health.healthy ? "The hub is healthy" : `NOT HEALTHY: ${reasons}`);
  }

  private line(event: string, value: object, words: readonly string[]): void {
    const text =
      this.options.json === true ? escape(JSON.stringify({ event, ...value })) : words.join("  ");
    process.stdout.write(`${text}\n`);
    this.lastNote = "";
  }
}

/** What a camera sends may try to control the terminal. Without a terminal nothing is added. */
function style(format: "green" | "cyan" | "bold" | "dim", text: string): string {
  return styleText(format, escape(text), { stream: process.stdout });
}
