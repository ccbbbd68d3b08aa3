/**
 * The thread that copies what is stored into a bucket. A disk or a store that does not respond
 * holds up nobody else.
 *
 * @module
 */

import { messageOf } from "../errors.ts";
import { Replicator } from "../replicate/replicator.ts";
import { hubName } from "../s3/settings.ts";
import { EventFd } from "../os/wait.ts";
import type { ReplicationState } from "../shared/replication-state.ts";
import type {
  BucketNews,
  BucketWait,
  ReplicatorMessage,
  ReplicatorStart,
  ToReplicator,
} from "../shared/messages.ts";
import { RequestQueue } from "../shared/queue.ts";
import { DataDirectory } from "../store/data-directory.ts";
import { DataGuard } from "../store/data-guard.ts";
import { OutletTally } from "../tell/outlet.ts";
import { fetchGivesWay, giveWay } from "./give-way.ts";

declare const self: Worker;

/** How often the main thread is told how it does, in milliseconds. */
const STATE_MS = 1000;

/** How long to wait if it cannot even begin, such as without the file with the keys. */
const AGAIN_MS = 20_000;

const post = (message: ReplicatorMessage): void => self.postMessage(message);

const warn = (message: string): void => post({ type: "log", level: "warn", message });
const error = (message: string): void => post({ type: "log", level: "error", message });

const stopping = new AbortController();
let replicator: Replicator | undefined;
/** How it does before it can begin. */
let tally: OutletTally | undefined;
let state = "";
/** Whether the thread for `fetch` has yet to give way, too. */
let givesWay = false;

self.onmessage = async ({ data: message }: MessageEvent<ToReplicator>) => {
  if (message.type === "start") {
    // Cameras may wait for this thread.
    givesWay = message.receiver === undefined;
    if (givesWay) giveWay();
    await start(message);
    return;
  }
  stopping.abort();
  await replicator?.stop();
  report();
  post({ type: "stopped" });
};

async function start({ settings, shared, receiver }: ReplicatorStart): Promise<void> {
  const { replicate } = settings;
  const directory = new DataDirectory(settings.data_directory);
  const { host } = new URL(replicate.endpoint);
  const target = `${host}/${replicate.bucket}/${hubName(replicate)}`;
  const told = new OutletTally("replicate", target, warn);
  tally = told;
  setInterval(report, STATE_MS);
  const tell = (news: BucketNews): void => {
    receiver?.port.postMessage(news);
    queue?.tellOfBucket();
  };
  const queue = receiver && new RequestQueue(shared, new EventFd(receiver.wakeFd));
  const { queuemax: imagesMax, max_queue_bytes: bytesMax } = settings;
  const atOnce = receiver && { imagesMax, bytesMax, tell };
  if (receiver !== undefined)
    receiver.port.onmessage = ({ data }) => {
      const wait = data as BucketWait;
      if (replicator !== undefined) replicator.ask(wait);
      // It cannot even begin.
      else
        tell({
          type: "done",
          ticket: wait.ticket,
          refusal: String(told.state.last_error?.message),
        });
    };
  while (!stopping.signal.aborted && replicator === undefined) {
    try {
      const guard = new DataGuard(directory, shared);
      replicator = new Replicator({ settings: replicate, directory, guard, tally, error, atOnce });
      replicator.start();
    } catch (reason) {
      tally.failed(messageOf(reason));
      await Bun.sleep(AGAIN_MS);
    }
  }
}

/** The state of one that cannot begin. Nobody has looked what waits. */
function stateBefore(): ReplicationState | undefined {
  if (tally === undefined) return undefined;
  const { target, last_error } = tally.state;
  if (last_error === null) return undefined;
  return {
    target,
    connected_since: null,
    images: 0,
    bytes: 0,
    waiting_images: 0,
    waiting_bytes: 0,
    oldest_waiting: null,
    differences: 0,
    last_error,
  };
}

function report(): void {
  if (givesWay) givesWay = !fetchGivesWay();
  const now = replicator?.state ?? stateBefore();
  if (now === undefined) return;
  const text = JSON.stringify(now);
  if (text === state) return;
  state = text;
  post({ type: "state", state: now });
}
