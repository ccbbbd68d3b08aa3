/**
 * Drives `imagezmq_sender.py`, a process that sends to the hub exactly as imagezmq does. One {@link
 * Sender} is one process with one REQ socket. Several of them are several cameras.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { PYTHON } from "../../../scripts/lib/available.ts";

const replySchema = z.object({
  /** The last frame of the reply, as text; null if none came in time. */
  reply: z.string().nullable(),
  /** Time from before the send to the reply, in milliseconds. */
  ms: z.number(),
  /** SHA-256 of the last frame sent, in hex. */
  sha256: z.string(),
  /** Size of the last frame sent, in bytes. */
  size: z.number(),
  /** The reply's frames, as received. */
  frames: z.array(z.base64().transform((frame) => Buffer.from(frame, "base64"))),
});

/** The result of a request. */
export type Reply = Readonly<z.infer<typeof replySchema>>;

const loadSchema = z.object({
  /** The sum of the others. */
  sent: z.number(),
  ok: z.number(),
  /** Answered, but not with `OK`. */
  refused: z.number(),
  unanswered: z.number(),
});

/** The result of a load. */
export type LoadTotals = Readonly<z.infer<typeof loadSchema>>;

const journalSchema = z.object({
  msg: z.string(),
  sha256: z.string(),
  reply: z.string().nullable(),
});

/** A line of a load's journal; `reply` is null if none came in time. */
export type JournalEntry = Readonly<z.infer<typeof journalSchema>>;

/** Reads what loads have written to a journal so far. */
export function readJournal(path: string): JournalEntry[] {
  const complete = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return complete.map((line) => journalSchema.parse(JSON.parse(line)));
}

/** The kinds of arrays that {@link Sender.raw} makes. `sliced` is coloured and not contiguous. */
type RawKind = "bgr" | "gray" | "sliced" | "bgra" | "bool";

/** An array of random items. */
export interface RandomArray {
  /** The numpy dtype, such as `>u2`. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly seed?: number;
  /** The dtype in the header, instead of its `str()`. */
  readonly spelt?: string;
}

const pngSchema = z.object({ shape: z.array(z.number()), sha256: z.string() });

/** The parameters of an array. */
export interface RawImage {
  readonly kind: RawKind;
  readonly height: number;
  readonly width: number;
  /** Below 128, so that no colour has an edge. */
  readonly seed?: number;
}

/** The red, green and blue of a pixel in the array, by the rule in `imagezmq_sender.py`. */
export function patternPixel(
  image: RawImage,
  x: number,
  y: number,
): [red: number, green: number, blue: number] {
  if (image.kind === "sliced") {
    const whole = {
      ...image,
      kind: "bgr",
      height: 2 * image.height,
      width: 2 * image.width,
    } as const;
    return patternPixel(whole, 2 * x, 2 * y);
  }
  if (image.kind === "bool") {
    const value = (Math.floor(x / 16) + Math.floor(y / 16)) % 2 === 1 ? 255 : 0;
    return [value, value, value];
  }
  const blue = Math.floor((255 * x) / Math.max(1, image.width - 1));
  if (image.kind === "gray") return [blue, blue, blue];
  const green = Math.floor((255 * y) / Math.max(1, image.height - 1));
  const slope = Math.floor((64 * x) / image.width) + Math.floor((64 * y) / image.height);
  return [((image.seed ?? 0) + slope) % 256, green, blue];
}

const answerSchema = z.looseObject({ id: z.number(), error: z.string().optional() });

type Answer = z.infer<typeof answerSchema>;

/** A process that sends like a camera. */
export class Sender implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  readonly #ended: Promise<void>;
  #lastId = 0;

  /**
   * Starts the process. A request without a reply within `timeoutMs` (default 20,000) has the reply
   * null. Requests of a sender with a `routingId`, which no camera has, are stored by a writer.
   */
  constructor(
    port: number,
    options: { readonly timeoutMs?: number; readonly routingId?: string } = {},
  ) {
    const script = join(import.meta.dir, "imagezmq_sender.py");
    const command = [PYTHON, script, "--connect", `tcp://127.0.0.1:${port}`];
    if (options.timeoutMs !== undefined) command.push("--timeout-ms", String(options.timeoutMs));
    if (options.routingId !== undefined) command.push("--routing-id", options.routingId);
    this.#process = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    this.#ended = this.#read();
  }

  /**
   * Gives each line to the one who waits for it. When the process has ended, tells all who still
   * wait.
   */
  async #read(): Promise<void> {
    const errors = new Response(this.#process.stderr).text();
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.#process.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const answer = answerSchema.parse(JSON.parse(line));
        this.#waiting.get(answer.id)?.resolve(answer);
        this.#waiting.delete(answer.id);
      }
    }
    const reason = new Error(`The sender ended before it answered: ${await errors}`);
    for (const waiting of this.#waiting.values()) waiting.reject(reason);
    this.#waiting.clear();
  }

  async #command(command: Record<string, unknown>): Promise<Answer> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answered = Promise.withResolvers<Answer>();
    this.#waiting.set(id, answered);
    void this.#process.stdin.write(`${JSON.stringify({ id, ...command })}\n`);
    await this.#process.stdin.flush();
    const answer = await answered.promise;
    if (answer.error !== undefined) throw new Error(`The sender failed: ${answer.error}`);
    return answer;
  }

  async #request(command: Record<string, unknown>): Promise<Reply> {
    return replySchema.parse(await this.#command(command));
  }

  /** Sends the bytes of a JPEG file, or `size` random bytes that begin and end like a JPEG. */
  async jpg(
    msg: string,
    content: { readonly file: string } | { readonly size: number; readonly seed?: number },
  ): Promise<Reply> {
    return await this.#request({ do: "jpg", msg, ...content });
  }

  /** Sends an array as OpenCV has it. */
  async raw(msg: string, image: RawImage): Promise<Reply> {
    return await this.#request({ do: "raw", msg, ...image });
  }

  /** Sends an array of random items, of any numpy dtype. */
  async array(msg: string, array: RandomArray): Promise<Reply> {
    return await this.#request({ do: "array", msg, ...array });
  }

  /**
   * Sends the bytes of a JPEG file as an array, as `cv2.imencode` returns them. @param shape -1
   * stands for their number
   */
  async encoded(msg: string, file: string, shape: readonly number[]): Promise<Reply> {
    return await this.#request({ do: "encoded", msg, file, shape });
  }

  /**
   * Reads a PNG with 16 bits by the specification. Returns the shape and the hash of the original
   * array of this dtype.
   */
  async png(file: string, dtype: string): Promise<z.infer<typeof pngSchema>> {
    return pngSchema.parse(await this.#command({ do: "png", file, dtype }));
  }

  /** Sends a text with imagenode's tiny black image, as a JPEG (default) or as an array. */
  async event(msg: string, payload: "jpg" | "raw" = "jpg"): Promise<Reply> {
    return await this.#request({ do: "event", msg, payload });
  }

  /** Sends imagenode's sign of life. */
  async heartbeat(node: string): Promise<Reply> {
    return await this.event(`${node}|Heartbeat`);
  }

  /**
   * Sends frames unchanged from a separate socket: `req`, or `dealer`, which adds no delimiter. If
   * `wait` is false, nothing waits for a reply.
   */
  async frames(
    frames: readonly (string | Uint8Array)[],
    options: { readonly socket?: "req" | "dealer"; readonly wait?: boolean } = {},
  ): Promise<Reply> {
    const encoded = frames.map((frame) =>
      (typeof frame === "string" ? Buffer.from(frame) : Buffer.from(frame)).toString("base64"),
    );
    return await this.#request({ do: "frames", frames: encoded, ...options });
  }

  /**
   * Sends `count` different random JPEGs as fast as the replies come. Writes each with its SHA-256
   * and its reply to the journal for {@link readJournal}. The first one without a reply ends the
   * load.
   */
  async load(options: {
    /** Like `Barn|jpg`; a field with the number is appended. */
    readonly msg: string;
    readonly count: number;
    /** Size of a JPEG, in bytes. */
    readonly size: number;
    /** Two loads with the same seed send the same bytes. */
    readonly seed: number;
    readonly journal: string;
  }): Promise<LoadTotals> {
    return loadSchema.parse(await this.#command({ do: "load", ...options }));
  }

  /** Ends the process, even during a request. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    await this.#ended;
  }
}
