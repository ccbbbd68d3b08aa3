/**
 * A hub under load, end to end: several senders at full speed, the cap of a day, and a stop.
 *
 * @module
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runsNatively } from "../../scripts/lib/available.ts";
import { startHub, type Hub } from "../support/hub/hub.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { tempDir, type TempDir } from "../support/machine/temp.ts";
import {
  readJournal,
  Sender,
  type JournalEntry,
  type LoadTotals,
} from "../support/peers/sender.ts";
import {
  BARN,
  describeEachProgram,
  IMAGE_NAME,
  logTexts,
  sha256,
  storedHashes,
  storedNodes,
} from "./stored.ts";

// Only so that nothing hangs for ever: an emulated hub takes seconds to start, and some tests start
// two.
setDefaultTimeout(120_000);

const CAP_NOTICE = "Max images written. Writing stopped.";

describeEachProgram((program) => {
  test("stores every image of several senders with one name, and shows none before it is whole", async () => {
    using scratch = tempDir();
    await using hub = await startHub({ program });
    const count = runsNatively(program) ? 200 : 50;
    await using senders = startSenders(hub, 4);
    const loads = startLoads(senders, scratch, count);
    const [totals, atFirstSight] = await Promise.all([
      loads.totals,
      watchImages(hub, loads.totals),
    ]);

    expect(totals).toEqual(
      senders.all.map(() => ({ sent: count, ok: count, refused: 0, unanswered: 0 })),
    );
    expect(storedHashes(hub)).toEqual(
      loads
        .journal()
        .map((entry) => entry.sha256)
        .toSorted(),
    );
    const inTheEnd = new Map(hub.images().map(({ name, bytes }) => [name, sha256(bytes)]));
    expect([...atFirstSight].filter(([name, hash]) => inTheEnd.get(name) !== hash)).toEqual([]);
    expect(new Set(storedNodes(hub))).toEqual(new Set(["Barn"]));
  });

  // An emulated processor takes long, and what follows is the same on each.
  if (!runsNatively(program)) return;

  test("stops writing at max_images_write, says so once, and keeps to it after a restart", async () => {
    using home = tempDir();
    const options = { program, dir: home.path, settings: { hub: { max_images_write: 3 } } };
    {
      await using hub = await startHub(options);
      await sendImages(hub, 3);
      expect(storedNodes(hub)).toEqual(["Barn", "Barn", "Barn"]);
      expect(capNotices(hub)).toBe(0);
      await sendImages(hub, 2);
      expect(storedNodes(hub)).toHaveLength(3);
      // The line may come after the answer.
      await until(hub, () => capNotices(hub) > 0);
      await until(
        hub,
        () => linesWith(hub, "its maximum of 3 images (max_images_write)").length === 1,
      );
      expect(capNotices(hub)).toBe(1);
      expect({ status: await hub.stop(), output: hub.output() }).toMatchObject({ status: 0 });
    }
    await using hub = await startHub(options);
    await sendImages(hub, 2);
    expect(storedNodes(hub)).toHaveLength(3);
    expect(capNotices(hub)).toBe(1);
  });

  test("stores and answers what has arrived when it is stopped, and exits with 0", async () => {
    using scratch = tempDir();
    // The cap would else be reached, and images beyond it are answered and not kept.
    await using hub = await startHub({
      program,
      settings: { hub: { max_images_write: 1_000_000 } },
    });
    await using senders = startSenders(hub, 4, 2000);
    const loads = startLoads(senders, scratch, 100_000);
    await storedAtLeast(hub, 40, loads.totals);
    expect({ status: await hub.stop(), output: hub.output() }).toMatchObject({ status: 0 });
    await loads.totals;

    const answered = loads.journal().filter(({ reply }) => reply !== null);
    expect(new Set(answered.map(({ reply }) => reply))).toEqual(new Set(["OK"]));
    const acknowledged = new Set(answered.map((entry) => entry.sha256));
    const stored = new Set(storedHashes(hub));
    // Seen where the listening socket was unbound before the last replies were sent: libzmq then
    // drops them.
    expect({
      lost: acknowledged.difference(stored).size,
      unanswered: stored.difference(acknowledged).size,
    }).toEqual({
      lost: 0,
      unanswered: 0,
    });
    expect(storedNodes(hub).length).toBeGreaterThanOrEqual(40);
    const notices = logTexts(hub);
    expect(notices.at(0)).toMatch(/^start/iu);
    expect(notices.at(-1)).toMatch(/^(?:stop|exit)/iu);
    expect(notices).toHaveLength(2);
  });
});

async function sendImages(hub: Hub, count: number): Promise<void> {
  await using sender = new Sender(hub.port);
  for (let sent = 0; sent < count; sent += 1) {
    expect(await sender.jpg("Barn|jpg|moving", { file: BARN })).toMatchObject({ reply: "OK" });
  }
}

function capNotices(hub: Hub): number {
  return logTexts(hub).filter((text) => text === CAP_NOTICE).length;
}

interface Senders extends AsyncDisposable {
  readonly all: readonly Sender[];
}

function startSenders(hub: Hub, count: number, timeoutMs = 20_000): Senders {
  const stack = new AsyncDisposableStack();
  const all = Array.from({ length: count }, () => stack.use(new Sender(hub.port, { timeoutMs })));
  return { all, [Symbol.asyncDispose]: async () => await stack.disposeAsync() };
}

/** Makes all senders send at full speed, each different images under the same name. */
function startLoads(
  senders: Senders,
  scratch: TempDir,
  count: number,
): { readonly totals: Promise<LoadTotals[]>; readonly journal: () => JournalEntry[] } {
  const sending = senders.all.map((sender, seed) => {
    const journal = join(scratch.path, `${seed}.jsonl`);
    return sender.load({ msg: "Barn|jpg", count, size: 45_000, seed, journal });
  });
  const journal = () =>
    senders.all.flatMap((_, seed) => readJournal(join(scratch.path, `${seed}.jsonl`)));
  return { totals: Promise.all(sending), journal };
}

/** Waits until so many images are stored. @throws {Error} When `sending` ends before. */
async function storedAtLeast(hub: Hub, count: number, sending: Promise<unknown>): Promise<void> {
  const folder = join(hub.dataDir, "images", hub.today());
  const isSending = async () =>
    await Promise.race([sending.then(() => false), Bun.sleep(5).then(() => true)]);
  while (!existsSync(folder) || readdirSync(folder).length < count) {
    if (!(await isSending()))
      throw new Error(`The senders ended before ${count} images were stored`);
  }
}

/**
 * Lists and reads the date folder again and again, as a reader of the images does, until nothing is
 * sent any more. Returns the hash of what stood in each file when it was first seen.
 */
async function watchImages(hub: Hub, sending: Promise<unknown>): Promise<Map<string, string>> {
  const seen = new Map<string, string>();
  const folder = join(hub.dataDir, "images", hub.today());
  const isSending = async () =>
    await Promise.race([sending.then(() => false), Bun.sleep(1).then(() => true)]);
  while (await isSending()) {
    const names = existsSync(folder) ? readdirSync(folder) : [];
    for (const name of names) {
      if (!seen.has(name) && IMAGE_NAME.test(name))
        seen.set(name, sha256(readFileSync(join(folder, name))));
    }
  }
  return seen;
}
