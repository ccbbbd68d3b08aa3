/**
 * Hostile peers at what people look at, while cameras send: streams of live news that nobody reads,
 * and a crowd of connections at once.
 *
 * Without the bound on HTTP connections (`httpConnectionsThatFit`), the crowd takes all descriptors
 * and the hub ends.
 */

import { besides } from "../beside.ts";
import { Peers } from "../peers.ts";
import type { Row } from "../row.ts";
import { freePort } from "../../../scripts/lib/free-port.ts";

/** Maximum memory of the hub, in MB: some 60 more than when somebody looks undisturbed. */
const MEMORY_MB_MAX = 260;

/** With this limit, the hub has all of its 256 places for HTTP. */
const DESCRIPTORS = 2048;

/** How long the page may take to be there again, in milliseconds. */
const BACK_MS_MAX = 20_000;

/** Peers, and after them the page. */
class Crowd implements AsyncDisposable {
  isBack = false;

  constructor(
    private readonly port: number,
    private readonly peers: readonly Peers[],
  ) {}

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.peers.map(async (each) => await each[Symbol.asyncDispose]()));
    for (const end = performance.now() + BACK_MS_MAX; performance.now() < end;) {
      this.isBack = await showsPage(this.port);
      if (this.isBack) return;
      await Bun.sleep(100);
    }
  }
}

async function showsPage(port: number): Promise<boolean> {
  try {
    for (const path of ["/", "/api/v1/cameras", "/healthz"]) {
      const { status } = await fetch(`http://127.0.0.1:${port}${path}`, {
        signal: AbortSignal.timeout(2000),
        headers: { Connection: "close" },
      });
      if (status !== 200) return false;
    }
    return true;
  } catch {
    return false;
  }
}

export const viewers: Row = {
  name: "viewers",
  cause:
    "at what people look at: 200 streams of live news that nobody reads, and 10,000 connections at once; beside 12 normal senders",
  mustHold: "the normal ones are served, memory stays bounded, the page is back",
  needs: ["root"],
  run: async (run) => {
    const port = freePort();
    let crowd: Crowd | undefined;
    const { figure, problems } = await besides(run, {
      senders: 12,
      before: ["prlimit", `--nofile=${DESCRIPTORS}`],
      env: { IMAGEHUB_HTTP_LISTEN: `127.0.0.1:${port}` },
      memoryMbMax: MEMORY_MB_MAX,
      others: async () => {
        // Somebody looks before.
        if (!(await showsPage(port))) throw new Error("The page is not shown to begin with");
        const deaf = await Peers.startHttp(port, "deaf", "/api/v1/live", 200);
        crowd = new Crowd(port, [deaf, await Peers.startHttp(port, "crowd", "/healthz", 10_000)]);
        return [crowd];
      },
    });
    return {
      figure,
      problems: crowd!.isBack ? problems : [...problems, "the page is not back"],
    };
  },
};
