/**
 * Hostile peers at the HTTP listener, while its health is requested and cameras send. They send
 * requests but read no answer, send endless headers, or just hold connections.
 *
 * With `node:http` instead of `Bun.listen`, /healthz is not answered once in either part, and after
 * the first "the hub did not end with 0": it no longer reacts to signals. If peers that have not
 * sent their request are closed before those that do not read their answer, 17 of 157 are not
 * answered.
 */

import { besides } from "../beside.ts";
import { Peers } from "../peers.ts";
import type { Outcome, Row, Run } from "../row.ts";
import { Sender } from "../../support/peers/sender.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";

/**
 * Maximum memory of the hub, in MB: some 60 more than when it serves the same cameras undisturbed.
 */
const MEMORY_MB_MAX = 250;

/** The longest possible table of nodes. */
const NODES = 1000;

/** With this limit, the hub has 128 places for HTTP. */
const DESCRIPTORS = 1024;

const ASK_EVERY_MS = 50;
/**
 * How long to wait for an answer. It takes some 15 ms; longer only if the machine is at its limit.
 */
const ANSWER_MS_MAX = 5000;

/** Requests the health repeatedly, each time on a new connection. */
class Asker implements AsyncDisposable {
  asked = 0;
  unanswered = 0;
  msMax = 0;
  private hasEnded = false;
  private readonly asking: Promise<void>;

  constructor(private readonly port: number) {
    this.asking = this.run();
  }

  private async run(): Promise<void> {
    for (; !this.hasEnded; await Bun.sleep(ASK_EVERY_MS)) {
      const startedMs = performance.now();
      const isAnswered = await fetch(`http://127.0.0.1:${this.port}/healthz`, {
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
        headers: { Connection: "close" },
      }).then(
        async (response) => response.status === 200 && (await response.text()) === "ok\n",
        () => false,
      );
      this.asked++;
      if (!isAnswered) this.unanswered++;
      this.msMax = Math.max(this.msMax, Math.round(performance.now() - startedMs));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hasEnded = true;
    await this.asking;
  }
}

async function beside(
  run: Run,
  what: string,
  start: (port: number) => Promise<Peers>[],
): Promise<Outcome> {
  const port = freePort();
  let asker: Asker | undefined;
  const { figure, problems } = await besides(run, {
    senders: 10,
    before: ["prlimit", `--nofile=${DESCRIPTORS}`],
    env: { IMAGEHUB_HTTP_LISTEN: `127.0.0.1:${port}` },
    memoryMbMax: MEMORY_MB_MAX,
    others: async (hub) => {
      await using sender = new Sender(hub);
      for (let node = 0; node < NODES; node++)
        await sender.event(`A node with a long name, number ${node}|Temp|1`);
      const peers = await Promise.all(start(port));
      asker = new Asker(port);
      return [asker, ...peers];
    },
  });
  const { asked, unanswered, msMax } = asker!;
  return {
    figure: `${what}: /healthz ${unanswered} of ${asked} not answered, at most ${msMax} ms; ${figure}`,
    problems:
      unanswered === 0 && asked > 0
        ? problems
        : [...problems, `${what}: ${unanswered} of ${asked} not answered`],
  };
}

export const http: Row = {
  name: "http",
  cause:
    "over HTTP: 10 peers that send requests and read no answer, 8 with headers without an end; then 600 slow connections, 200 of " +
    "which read no answer; beside 10 normal senders",
  mustHold: "/healthz is answered, the normal ones are served, memory stays bounded",
  needs: ["root"],
  run: async (run) => {
    const outcomes = [
      await beside(run, "floods", (port) => [
        ...["/healthz", "/metrics", "/api/status", "/api/status", "/nothing"].map(
          async (path) => await Peers.startHttp(port, "pipeline", path, 2),
        ),
        Peers.startHttp(port, "huge", "/healthz", 8),
      ]),
      await beside(run, "slow ones", (port) => [
        Peers.startHttp(port, "silent", "/", 200),
        Peers.startHttp(port, "slow", "/healthz", 200),
        Peers.startHttp(port, "deaf", "/api/status", 200),
      ]),
    ];
    return {
      figure: outcomes.map(({ figure }) => figure).join("; "),
      problems: outcomes.flatMap(({ problems }) => problems),
    };
  },
};
