/**
 * A process with a hub whose writers may come to grief (`faulty-writer.ts`), and whose threads are
 * ended by lines on standard input: `writer 0` ends the writer that was started first, `flusher 0`
 * the flusher, `fast-path 0` the fast path. It is given the directory of the settings and how many
 * writers are to end as soon as they are started.
 *
 * @module
 */

import { createInterface } from "node:readline";
import { Hub } from "../../../src/hub.ts";
import { loadSettings } from "../../../src/config/load.ts";
import { createLogger } from "../../../src/log/log.ts";

/** How often a thread that is to end is woken, in milliseconds. */
const WAKE_MS = 20;

const { stdout, stderr, argv } = process;
const stillborn = Number(argv[3]);
const FAULTY = {
  writer: import.meta.resolve("./faulty-writer.ts"),
  "fast-path": import.meta.resolve("./faulty-fast-path.ts"),
} as const;
const threads = {
  writer: [] as Worker[],
  "fast-path": [] as Worker[],
  flusher: [] as Worker[],
  receiver: [] as Worker[],
};
const RealWorker = globalThis.Worker;

globalThis.Worker = class extends RealWorker {
  constructor(url: string | URL, options?: WorkerOptions) {
    const kinds = ["writer", "fast-path", "flusher"] as const;
    const kind = kinds.find((each) => String(url).includes(each)) ?? "receiver";
    super(kind in FAULTY ? FAULTY[kind as keyof typeof FAULTY] : url, options);
    threads[kind].push(this);
    if (kind === "writer" && threads.writer.length <= stillborn) this.terminate();
  }
};

const { settings } = loadSettings({
  env: { IMAGEHUB_HTTP_LISTEN: process.env["IMAGEHUB_HTTP_LISTEN"] ?? "off" },
  path: argv[2]!,
});
const log = createLogger({ level: "debug", format: "text", env: {}, stdout, stderr });
const hub = new Hub(settings, log);
process.on("SIGTERM", () => hub.stop());
log.info(`Listening on ${await hub.start()}`);
void (async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    const [kind, index] = line.split(" ");
    const thread = threads[kind as keyof typeof threads][Number(index)];
    thread?.terminate();
    // One that waits in the kernel ends when it is woken after it has been told, which takes a
    // moment.
    const waking = setInterval(() => hub.liveness.ask(), WAKE_MS);
    thread?.addEventListener("close", () => clearInterval(waking));
  }
})();
const unanswered = await hub.stopped;
log.info("Stopped", { unanswered, ...hub.totals });
await log.flush();
process.exit(unanswered > 0 ? 1 : 0);
