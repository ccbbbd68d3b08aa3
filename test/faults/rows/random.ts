/**
 * A hub with default settings under random and mutated greetings, frames and JSON texts, with a
 * camera beside it: `test/fuzz/frames.ts`. Its seed and number are printed to repeat an iteration.
 *
 * If each `RequestError` is rethrown in `Requests.take`: "failed at iteration 1", because the hub
 * has ended and refuses the connection.
 */

import { framesTarget } from "../../fuzz/frames.ts";
import { FuzzFailure } from "../../fuzz/target.ts";
import { SERVED_MS_MAX } from "../beside.ts";
import type { Row } from "../row.ts";

/** The seed of the short form. The long form uses a new one each time. */
const SEED = 20_181_230;

export const random: Row = {
  name: "random",
  cause: "10⁶ random and mutated greetings, frames, JSON texts; 0, 1, 3, 1000 frames; no delimiter",
  mustHold: "alive, a good sender beside it served",
  needs: [],
  run: async ({ program, short, say }) => {
    const seed = short ? SEED : Math.floor(Math.random() * 2 ** 32);
    say(`seed ${seed}`);
    try {
      const { iterations, figures } = await framesTarget(program).run({
        seed,
        iterations: short ? 1500 : 1_000_000,
      });
      const p99 = figures["good sender's p99"]!;
      return {
        figure:
          `${iterations} iterations (messages: ${figures["messages"]}; TCP connections: ${figures["connections"]}): ` +
          `0 crashes, good sender ${figures["good sender"]}, p99 ${p99}; the hub at most ${figures["hub's peak memory"]}`,
        problems: Number.parseFloat(p99) > SERVED_MS_MAX ? [`the good sender's p99 is ${p99}`] : [],
      };
    } catch (error) {
      if (!(error instanceof FuzzFailure)) throw error;
      return {
        figure: `failed at iteration ${error.iteration ?? "none, but in the end"}`,
        problems: [error.message],
      };
    }
  },
};
