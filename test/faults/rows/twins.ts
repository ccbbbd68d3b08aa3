/**
 * Two hubs on one data directory, started in the same moment, again and again.
 *
 * Taken out: without the lock in `lockDataDirectory`, "round 1: both run".
 */

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { EXIT } from "../../../src/errors.ts";
import { TEMPORARY_PREFIX } from "../../../src/store/data-directory.ts";
import { tempDir } from "../../support/machine/temp.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { FaultHub } from "../hub.ts";
import { filesBelow, judge, logLines, problemsOf } from "../judge.ts";
import type { Outcome, Row, Run } from "../row.ts";
import { type Entry, Senders } from "../senders.ts";

/** The longest time between the two starts, in milliseconds. */
const APART_MS_MAX = 5;

/** All that tells whether a file was written, by its path. */
function filesOf(data: string): Map<string, string> {
  return new Map(
    filesBelow(data).map((path) => {
      const { ino, size, mtimeNs } = statSync(path, { bigint: true });
      return [path, [ino, size, mtimeNs, Bun.SHA256.hash(readFileSync(path), "hex")].join(" ")];
    }),
  );
}

/** What differs between two looks at the same directory. */
function changes(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (path) => before.get(path) !== after.get(path),
  );
}

/** @returns whether it listens */
async function starts(hub: FaultHub): Promise<boolean> {
  try {
    await hub.start();
    return true;
  } catch {
    return false;
  }
}

async function meet(run: Run, rounds: number): Promise<Outcome> {
  using data = tempDir();
  const undo = atExit(() => data[Symbol.dispose]());
  const setup = { program: run.program, data: data.path };
  await using first = new FaultHub(setup);
  await using second = new FaultHub(setup);
  const problems: string[] = [];
  const journal: Entry[] = [];
  let [ran, refused, written, kills] = [0, 0, 0, 0];

  /** That a hub ended as one must that finds another in its place. */
  const expectRefused = async (hub: FaultHub, holder: FaultHub, when: string): Promise<void> => {
    refused += 1;
    const status = await hub.ended();
    if (status !== EXIT.data) problems.push(`${when}: exit status ${status}`);
    const who = `The data directory ${data.path} is in use by imagehub, process ${holder.pid} on ${hostname()}: stop it, or set another data_directory`;
    if (!hub.output.includes(who))
      problems.push(
        `${when}, where ${holder.pid} holds it: ${hub.output.trim().split("\n").at(-1)}`,
      );
  };

  for (let round = 1; round <= rounds; round++) {
    const order = round % 2 === 0 ? [first, second] : [second, first];
    const [left, right] = await Promise.all(
      order.map(async (hub, at) => {
        await Bun.sleep(at * Math.random() * APART_MS_MAX);
        return await starts(hub);
      }),
    );
    if (left === right) {
      problems.push(
        `round ${round}: ${left ? "both run" : "neither runs"}: ${order.map(({ output }) => output).join("\n")}`,
      );
      break;
    }
    const [winner, loser] = left ? [order[0]!, order[1]!] : [order[1]!, order[0]!];
    ran += 1;
    await expectRefused(loser, winner, `round ${round}, at the same time`);

    await using senders = new Senders(winner.address, { images: 2, events: 1, size: 12_000 });
    if ((await senders.firstOk(0, "image")) === undefined)
      problems.push(`round ${round}: the first does not serve`);
    if (await starts(loser))
      problems.push(`round ${round}: another runs beside the first under load`);
    else await expectRefused(loser, winner, `round ${round}, under load`);
    journal.push(...(await senders.stop()));

    // What an image that is being written looks like on a file system without files that have no
    // name.
    const image = filesBelow(join(data.path, "images")).find((path) => path.endsWith(".jpg"));
    if (image !== undefined)
      writeFileSync(join(dirname(image), `${TEMPORARY_PREFIX}0-0-0`), "half");
    const before = filesOf(data.path);
    if (await starts(loser)) problems.push(`round ${round}: another runs beside the first`);
    else await expectRefused(loser, winner, `round ${round}, while the first has nothing to do`);
    // The first notes at any time which nodes it knows.
    const changed = changes(before, filesOf(data.path)).filter(
      (path) => !path.includes("/.imagehub/nodes.json"),
    );
    written += changed.length;
    if (changed.length > 0)
      problems.push(`round ${round}: the second has changed ${changed.join(", ")}`);

    if (round % 3 === 0) {
      const status = await winner.stop();
      if (status !== 0) problems.push(`round ${round}: the first ended with ${status}`);
    } else {
      await winner.kill();
      kills += 1;
    }
  }
  problems.push(...problemsOf(judge(data.path, journal)));
  const begun = logLines(data.path).filter((line) => / ~ Starting /.test(line)).length;
  if (begun !== rounds)
    problems.push(`the event log has ${begun} starts, and ${rounds} hubs have run`);
  undo();
  return {
    figure:
      `${rounds} starts of two, ${kills} kills: ${ran} of ${rounds} times one ran, ` +
      `${refused} refused, ${written} files written by them`,
    problems,
  };
}

export const twins: Row = {
  name: "twins",
  cause:
    "two hubs on one data directory, started at the same instant, also after kill -9 of the first",
  mustHold: "one runs, the other says who does, status 73, and writes nothing; no lock stuck",
  needs: [],
  run: async (run) => await meet(run, run.short ? 4 : 60),
};
