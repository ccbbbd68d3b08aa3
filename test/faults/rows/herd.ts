/**
 * SIGTERM under a herd of senders that never pause, and a new hub a little later: how many wait in
 * vain for a reply?
 *
 * A sender whose next request goes to a connection that the hub has ended waits for ever. Here a
 * few processes have many senders that share libzmq's threads. This is much harder than separate
 * cameras: a thread must notice the ends of many connections at once.
 *
 * Without `own.shutdown()` in `Step.end` of `farewell.ts`, libzmq ends the connections when all
 * replies are sent, and a quarter to a half hang.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../../../scripts/bench/compile.ts";
import { runLoad } from "../../../scripts/bench/load.ts";
import { tempDir } from "../../support/machine/temp.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { FaultHub } from "../hub.ts";
import type { Row } from "../row.ts";

/**
 * The part of them that may hang. What is lost inside the senders' own processes depends on the
 * machine.
 */
const HANGING_SHARE_MAX = 0.1;

/** The same where other tests run beside: the senders' threads come to their turns later. */
const SHORT_HANGING_SHARE_MAX = 0.2;

/** How long the hub is away, in milliseconds. */
const AWAY_MS = 2000;

const JPEG = Buffer.concat([
  Buffer.of(0xff, 0xd8, 0xff, 0xe0),
  Buffer.alloc(2000),
  Buffer.of(0xff, 0xd9),
]);

export const herd: Row = {
  name: "herd",
  cause: "SIGTERM under 1,500 senders with no pause at all, and a new hub 2 s later",
  mustHold: "they go on with the new hub",
  needs: ["compiler"],
  run: async (run) => {
    using data = tempDir();
    const undo = atExit(() => data[Symbol.dispose]());
    const { load } = compile(data.path);
    const payload = join(data.path, "image.jpg");
    writeFileSync(payload, JPEG);
    const senders = run.short ? 400 : 1500;
    const problems: string[] = [];
    const hanging: number[] = [];
    const ms: number[] = [];
    for (let round = 0; round < (run.short ? 1 : 5); round++) {
      await using hub = new FaultHub({
        program: run.program,
        data: join(data.path, `data-${round}`),
      });
      await hub.start();
      const stopAndStart = async (): Promise<void> => {
        await Bun.sleep(1500);
        const startedMs = performance.now();
        const status = await hub.stop();
        ms.push(performance.now() - startedMs);
        if (status !== 0) problems.push(`the hub ended with ${status}`);
        await Bun.sleep(AWAY_MS);
        await hub.start();
      };
      let stopped = Promise.resolve();
      const { ok, other, unanswered } = await runLoad(
        load,
        {
          endpoint: hub.address,
          text: '{"msg": "Herd #|jpg|"}',
          payload,
          senders,
          threads: 4,
          seconds: run.short ? 8 : 12,
          count: 100_000_000,
        },
        { measuring: () => void (stopped = stopAndStart()) },
      );
      await stopped;
      if (other > 0) problems.push(`${other} replies other than OK`);
      if (ok < 2 * senders) problems.push(`only ${ok} requests were answered`);
      if (unanswered > senders * (run.short ? SHORT_HANGING_SHARE_MAX : HANGING_SHARE_MAX))
        problems.push(`${unanswered} of ${senders} senders hang`);
      hanging.push(unanswered);
      run.say(`${unanswered} of ${senders} hang, ${ok} answered OK`);
    }
    undo();
    return {
      figure: `of ${senders} senders in 4 threads ${hanging.join(", ")} hang; a stop took at most ${Math.max(...ms).toFixed(0)} ms`,
      problems,
    };
  },
};
