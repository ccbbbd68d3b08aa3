/**
 * A link falls silent: every packet is lost for a while, and neither end is told. Cameras on it
 * wait for a reply, or have nothing to say. They have no timeouts, like those of imagezmq. For
 * comparison, the same with a REP socket, which the Python hub has.
 *
 * With `heartbeat_interval` 2 and `heartbeat_timeout` 1 in the settings below, a cut of 5 s leaves
 * "3 of 6 hanging".
 */

import { join } from "node:path";
import { RawPeer } from "../../support/peers/raw-peer.ts";
import { greeting, message, ready } from "../../support/peers/zmtp.ts";
import { PYTHON } from "../../../scripts/lib/available.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";
import { tempDir } from "../../support/machine/temp.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { FaultHub } from "../hub.ts";
import { HUB_ADDRESS, Network } from "../network.ts";
import type { Row, Run } from "../row.ts";

const BUSY = 3;
const IDLE = 3;

/**
 * How long TCP may wait to try again once the link is back, in milliseconds. This time doubles, up
 * to two minutes (RFC 6298, TCP_RTO_MAX).
 */
const AGAIN_MS_MAX = 125_000;

/** An image over a link of 33 kB/s: its size, and how it is sent. */
const SLOW_BYTES = 2_700_000;
const SLOW_BYTES_SHORT = 200_000;
const SLOW_BYTES_MS = 33;
const SLOW_STEP = 1650;

/** Seconds of the cuts. */
const CUTS = [45, 90, 200, 400];
const SHORT_CUT = 5;

/** A program with its output by lines. It is killed at the end of its scope. */
class Program implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #undo: () => void;

  constructor(words: readonly string[]) {
    this.#process = Bun.spawn([...words], { stdio: ["pipe", "pipe", "inherit"] });
    this.#undo = atExit(() => this.#process.kill("SIGKILL"));
    void this.#read();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.#process.stdout) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      this.lines.push(...parts);
    }
  }

  /** Writes a line to it. */
  async say(line: string): Promise<void> {
    void this.#process.stdin.write(`${line}\n`);
    await this.#process.stdin.flush();
  }

  /** Waits until something is true. @returns whether that happened in time */
  async until(isSo: (lines: readonly string[]) => boolean, boundMs: number): Promise<boolean> {
    for (const end = performance.now() + boundMs; performance.now() < end; await Bun.sleep(50)) {
      if (isSo(this.lines)) return true;
    }
    return isSo(this.lines);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    this.#undo();
  }
}

/**
 * The senders that are answered after a cut of this many seconds. @param address of a hub on that
 * network
 */
async function answeredAfter(
  network: Network,
  address: string,
  seconds: number,
): Promise<string[]> {
  await using senders = new Program([
    ...network.on("cam"),
    PYTHON,
    join(import.meta.dir, "../link_senders.py"),
    address,
    String(BUSY),
    String(IDLE),
  ]);
  const all = (lines: readonly string[]): boolean => new Set(lines).size === BUSY + IDLE;
  if (!(await senders.until(all, 20_000)))
    throw new Error("The senders are not answered to begin with");
  network.cut();
  await Bun.sleep(seconds * 1000);
  // What was answered before the cut has been reported by now.
  senders.lines.length = 0;
  network.mend();
  await senders.say("again");
  await senders.until(all, AGAIN_MS_MAX);
  return [...new Set(senders.lines)];
}

async function cutOnce(
  run: Run,
  seconds: number,
): Promise<{ hub: number; rep: number; lines: string }> {
  const port = freePort();
  using data = tempDir();
  const undo = atExit(() => data[Symbol.dispose]());
  using network = new Network();
  using other = new Network();
  await using hub = new FaultHub({
    program: run.program,
    data: data.path,
    settings: { bind: HUB_ADDRESS },
    before: network.on("hub"),
  });
  await hub.start();
  const repAddress = `tcp://${HUB_ADDRESS}:${port}`;
  const script = join(import.meta.dir, "../rep_hub.py");
  await using rep = new Program([...other.on("hub"), PYTHON, script, repAddress]);
  await rep.until((lines) => lines.includes("bound"), 10_000);
  const [answered, answeredByRep] = await Promise.all([
    answeredAfter(network, `tcp://${HUB_ADDRESS}:${hub.port}`, seconds),
    answeredAfter(other, repAddress, seconds),
  ]);
  undo();
  const count = BUSY + IDLE;
  run.say(
    `${seconds} s: ${count - answered.length} of ${count} hanging, ${count - answeredByRep.length} with REP`,
  );
  return { hub: answered.length, rep: answeredByRep.length, lines: answered.join() };
}

/**
 * Sends an image over loopback byte by byte, as over a slow link. @returns whether it was answered
 * OK
 */
async function slowImage(run: Run): Promise<boolean> {
  using data = tempDir();
  const undo = atExit(() => data[Symbol.dispose]());
  await using hub = new FaultHub({ program: run.program, data: data.path });
  await hub.start();
  using camera = await RawPeer.connect(hub.port, greeting(), ready("REQ"));
  await camera.heard("READY");
  const jpeg = Buffer.alloc(run.short ? SLOW_BYTES_SHORT : SLOW_BYTES, 1);
  jpeg.set([0xff, 0xd8, 0xff]);
  const image = message(["", JSON.stringify({ msg: "Slow|jpg|" }), jpeg]);
  for (let at = 0; at < image.byteLength && !camera.isClosed; at += SLOW_STEP) {
    camera.send(image.subarray(at, at + SLOW_STEP));
    await Bun.sleep(SLOW_STEP / SLOW_BYTES_MS);
  }
  for (const end = performance.now() + 5000; performance.now() < end; await Bun.sleep(10)) {
    if (camera.received().includes("OK")) break;
  }
  undo();
  return camera.received().includes("OK");
}

export const link: Row = {
  name: "link",
  cause: "a link that is silent for 45, 90, 200 and 400 s, cameras on it that send and that do not",
  mustHold: "0 hanging, as with the Python hub",
  needs: ["network"],
  run: async (run) => {
    const cuts = run.short ? [SHORT_CUT] : CUTS;
    const slow = slowImage(run);
    const results = await Promise.all(cuts.map(async (seconds) => await cutOnce(run, seconds)));
    const isServed = await slow;
    const count = BUSY + IDLE;
    const problems = results.flatMap(({ hub, lines }, index) =>
      hub < count
        ? [`a cut of ${cuts[index]} s: ${count - hub} of ${count} hanging, answered are ${lines}`]
        : [],
    );
    if (!isServed) problems.push("an image over a slow link was not answered");
    const hanging = (of: "hub" | "rep"): string =>
      results.map((result) => count - result[of]).join(", ");
    return {
      figure: `silent for ${cuts.join(", ")} s: ${hanging("hub")} of ${count} hanging, ${hanging("rep")} with a REP socket; an image at 33 kB/s: ${isServed ? "OK" : "no answer"}`,
      problems,
    };
  },
};
