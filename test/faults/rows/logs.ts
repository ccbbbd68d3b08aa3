/**
 * The folder of the event log is on its own disk, which stalls. Then a named pipe is in the place
 * of the log.
 *
 * If each writer appends events itself, without `EventQueue`, both writers wait for the log, and
 * the row says "only 11 images were answered while logs/ stood still". Without O_NONBLOCK in
 * `openFile`, the pipe has the same effect.
 */

import { linkSync, mkdirSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { tempDir } from "../../support/machine/temp.ts";
import { atExit, command } from "../../../scripts/lib/at-exit.ts";
import { LoopDisk } from "../disk.ts";
import { FaultHub } from "../hub.ts";
import { judge, problemsOf } from "../judge.ts";
import type { Row } from "../row.ts";
import { type Entry, percentile, Senders } from "../senders.ts";

/** imagenode gives up after one second without a reply. */
const SERVED_MS_MAX = 1000;

const nowS = (): number => Date.now() / 1000;

function between(senders: Senders, fromS: number, toS: number): Entry[] {
  return senders.journal().filter((entry) => entry.at > fromS && entry.at <= toS);
}

export const logs: Row = {
  name: "logs",
  cause: "the disk of logs/ alone stalls, then a named pipe is in the log's place",
  mustHold:
    "images are stored and answered all the while, events wait or are refused, none is lost",
  needs: ["loop"],
  run: async (run) => {
    using disk = new LoopDisk();
    using owned = tempDir();
    const undo = atExit(() => owned[Symbol.dispose]());
    const problems: string[] = [];
    const data = join(owned.path, "data");
    const folder = join(disk.path, "logs");
    for (const path of [data, folder]) mkdirSync(path);
    symlinkSync(folder, join(data, "logs"));
    await using hub = new FaultHub({ program: run.program, data });
    await hub.start();
    await using images = new Senders(hub.address, {
      images: 4,
      size: 12_000,
      pauseMs: 5,
      timeoutMs: 5000,
    });
    await using events = new Senders(hub.address, { events: 6, pauseMs: 5, timeoutMs: 40_000 });
    await Promise.all([images.firstOk(0), events.firstOk(0)]);
    const phaseMs = run.short ? 3000 : 15_000;

    const quietS = nowS();
    await Bun.sleep(phaseMs);
    const frozenS = nowS();
    disk.freeze();
    await Bun.sleep(phaseMs);
    const thawedS = nowS();
    disk.thaw();
    if ((await events.firstOk(thawedS)) === undefined)
      problems.push("no event is answered after the stall");
    const late = between(events, frozenS + 0.5, thawedS);
    if (late.length > 0)
      problems.push(`${late.length} events were answered while logs/ stood still`);

    const log = join(folder, "imagehub.log");
    // At once, so that the hub never finds none and creates another.
    const [aside, pipe] = [join(disk.path, "aside"), join(disk.path, "pipe")];
    linkSync(log, aside);
    command("mkfifo", pipe);
    const pipedS = nowS();
    renameSync(pipe, log);
    await Bun.sleep(phaseMs / 3);
    const healedS = nowS();
    renameSync(aside, log);
    if ((await events.firstOk(healedS)) === undefined)
      problems.push("no event is answered after the pipe");

    const journal = [...(await images.stop()), ...(await events.stop())];
    const quiet = between(images, quietS, frozenS);
    const stalled = between(images, frozenS, thawedS);
    const piped = between(images, pipedS, healedS);
    const refused = journal.filter((entry) => entry.kind === "event" && entry.reply !== "OK");
    if (!refused.every((entry) => entry.reply?.includes("is no regular file") === true))
      problems.push(`an event was answered ${JSON.stringify(refused.map((entry) => entry.reply))}`);
    if (refused.length === 0) problems.push("no event was refused while there was a pipe");
    for (const [what, during] of [
      ["logs/ stood still", stalled],
      ["there was a pipe", piped],
    ] as const) {
      const p99 = percentile(during);
      if (during.length < 20)
        problems.push(`only ${during.length} images were answered while ${what}`);
      if (p99 > SERVED_MS_MAX) problems.push(`p99 of images ${p99} ms while ${what}`);
    }
    const bad = journal.filter((entry) => entry.kind === "image" && entry.reply !== "OK").length;
    if (bad > 0) problems.push(`${bad} images without an OK`);
    if ((await hub.stop()) !== 0) problems.push("the hub did not end with 0");
    const findings = judge(data, journal);
    problems.push(...problemsOf(findings));
    undo();
    return {
      figure:
        `logs/ stalls for ${phaseMs / 1000} s: ${stalled.length} images answered, p99 ${percentile(stalled)} ms, against ${quiet.length} ` +
        `and ${percentile(quiet)} ms in quiet; with a pipe ${piped.length} in ${phaseMs / 3000} s, p99 ${percentile(piped)} ms, ` +
        `${refused.length} events refused; ${findings.lost.length} of ${findings.acknowledged} lost`,
      problems,
    };
  },
};
