/**
 * Many cameras, in a few processes.
 *
 * @module
 */

import { join } from "node:path";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { PYTHON } from "../../../scripts/lib/available.ts";

/** Most cameras in one process. */
const CAMERAS_MAX = 250;

/** How many cameras send, and what. */
export interface CrowdOptions {
  /** Words that run a program on the cameras' machine. */
  readonly on: readonly string[];
  /** Such as `tcp://10.78.0.2:5555`. */
  readonly endpoint: string;
  readonly cameras: number;
  /** Images a second of each. */
  readonly rate: number;
  /** Of an image. */
  readonly bytes: number;
  /** How long each waits for an answer, in seconds. */
  readonly timeoutS: number;
}

/** An image that was answered OK. */
interface Acknowledged {
  /** What stands in the image. */
  readonly identity: string;
  /** When, in seconds since 1970. */
  readonly atS: number;
  readonly waitedS: number;
}

/** What the cameras have come to. */
export interface Answers {
  readonly ok: readonly Acknowledged[];
  /** The cameras, once for each image. */
  readonly refused: readonly number[];
  readonly lost: readonly number[];
}

interface Printed {
  readonly ok: readonly (readonly [camera: number, image: number, atS: number, waitedS: number])[];
  readonly refused: readonly number[];
  readonly lost: readonly number[];
}

interface Part {
  readonly process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly line: () => Promise<string>;
}

/** What stands in an image, as crowd.py puts it there, behind four bytes. */
export function identityIn(image: Uint8Array): string {
  return Buffer.from(image.subarray(4, 18)).toString("latin1");
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    text += decoder.decode(bytes, { stream: true });
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
  throw new Error("The cameras have ended by themselves");
}

/** Cameras that send until they are asked to end. */
export class Crowd {
  private readonly parts: Part[] = [];

  constructor({ on, endpoint, cameras, rate, bytes, timeoutS }: CrowdOptions) {
    const script = join(import.meta.dir, "crowd.py");
    for (let first = 0; first < cameras; first += CAMERAS_MAX) {
      const count = Math.min(CAMERAS_MAX, cameras - first);
      const numbers = [first, count, rate, bytes, timeoutS].map(String);
      const process = Bun.spawn([...on, PYTHON, script, endpoint, ...numbers], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      atExit(() => process.kill("SIGKILL"));
      const lines = linesOf(process.stdout);
      this.parts.push({ process, line: async () => (await lines.next()).value ?? "" });
    }
  }

  /** Their processes. */
  get pids(): readonly number[] {
    return this.parts.map(({ process }) => process.pid);
  }

  /** How many cameras were answered at least once. */
  async answered(): Promise<number> {
    const counts = await Promise.all(
      this.parts.map(async ({ process, line }) => {
        void process.stdin.write("\n");
        await process.stdin.flush();
        return Number(await line());
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Has them wait for their last answers, and end. */
  async end(): Promise<Answers> {
    const all = await Promise.all(
      this.parts.map(async ({ process, line }) => {
        await process.stdin.end();
        return JSON.parse(await line()) as Printed;
      }),
    );
    return {
      ok: all.flatMap(({ ok }) =>
        ok.map(([camera, image, atS, waitedS]) => ({
          identity: `${String(camera).padStart(6, "0")} ${String(image).padStart(7, "0")}`,
          atS,
          waitedS,
        })),
      ),
      refused: all.flatMap(({ refused }) => refused),
      lost: all.flatMap(({ lost }) => lost),
    };
  }
}
