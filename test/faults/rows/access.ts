/**
 * Peers that may not send, beside cameras that may: with a wrong key, without a key, from another
 * address, with an older protocol.
 *
 * Without `ZMQ_ZAP_DOMAIN` and its enforcement in `Gatekeeper`, nobody checks peers without a key:
 * "2718 traces of downgrades", "another address: 12494 traces of messages taken" and "the hub has
 * counted 8231 requests, and 625 were of those who may send".
 */

import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { createCertificates, loadCertificate } from "../../support/peers/curve.ts";
import { downgrade, DOWNGRADES, STRANGER } from "../../support/peers/downgrades.ts";
import { tempDir } from "../../support/machine/temp.ts";
import { SERVED_MS_MAX } from "../beside.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { FaultHub } from "../hub.ts";
import { filesBelow, judge, logLines, problemsOf } from "../judge.ts";
import type { Outcome, Row, Run } from "../row.ts";
import { type Load, percentile, Senders } from "../senders.ts";

/** The address of the normal senders. The others are at 127.0.0.1. */
const ALLOWED = "127.0.0.2";

/** The settings of a hub, and who sends to it. */
interface Guard {
  readonly what: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly good: Load["curve"];
  /** Intruders other than those that avoid security, by what is wrong with them. */
  readonly strangers: Readonly<Record<string, Load["curve"]>>;
}

/** Makes keys, and says who shows which. */
function guards(folder: string): Guard[] {
  const [own, clients] = [join(folder, "own"), join(folder, "clients")];
  mkdirSync(clients);
  for (const name of ["hub", "stranger"]) createCertificates(own, name);
  createCertificates(clients, "barn");
  const [serverKey] = loadCertificate(join(own, "hub.key"));
  const [otherKey] = loadCertificate(join(own, "stranger.key"));
  const barn = { keys: join(clients, "barn.key_secret"), serverKey };
  const curve = { server_key: join(own, "hub.key_secret"), client_keys: clients };
  return [
    {
      what: "allow",
      settings: { allow: [ALLOWED] },
      good: undefined,
      strangers: { "another address": undefined },
    },
    {
      what: "curve",
      settings: { curve },
      good: barn,
      strangers: {
        "a key that the hub does not know": { keys: join(own, "stranger.key_secret"), serverKey },
        "another key for the hub's": { ...barn, serverKey: otherKey },
        "no key": undefined,
      },
    },
    {
      what: "allow and curve",
      settings: { allow: [ALLOWED], curve },
      good: barn,
      strangers: { "a known key from another address": barn },
    },
  ];
}

/**
 * Tries every downgrade repeatedly. @returns the number of connections, and what was answered OK
 */
async function downgrades(
  port: number,
  untilMs: number,
): Promise<{ connections: number; answered: string[] }> {
  const answered: string[] = [];
  let connections = 0;
  await Promise.all(
    DOWNGRADES.map(async (way) => {
      do {
        using peer = await downgrade(port, way);
        await peer.heard("OK");
        connections += 1;
        if (peer.received().includes("OK")) answered.push(way.what);
      } while (performance.now() < untilMs);
    }),
  );
  return { connections, answered };
}

/** What a data directory holds of nodes whose names begin like this. */
function traces(data: string, prefix: string): string[] {
  return [
    ...filesBelow(join(data, "images")).filter((path) => basename(path).startsWith(prefix)),
    ...logLines(data).filter((line) => line.includes(` ~ ${prefix}`)),
  ];
}

async function stand(run: Run, guard: Guard): Promise<Outcome> {
  using data = tempDir();
  const undo = atExit(() => data[Symbol.dispose]());
  const settings = { ...guard.settings, handshake_timeout: 1 };
  await using hub = new FaultHub({ program: run.program, data: data.path, settings });
  await hub.start();
  const problems: string[] = [];
  const from = guard.settings["allow"] === undefined ? "127.0.0.1" : ALLOWED;
  const load = { images: 4, events: 2, size: 12_000, pauseMs: 20 };
  await using good = new Senders(`tcp://${from}:0;127.0.0.1:${hub.port}`, {
    ...load,
    ...(guard.good && { curve: guard.good }),
  });
  if ((await good.firstOk(0, "image")) === undefined)
    problems.push("those who may send are not served");

  await using stack = new AsyncDisposableStack();
  const strangers = Object.entries(guard.strangers).map(([what, curve]) => ({
    what,
    senders: stack.use(
      new Senders(hub.address, {
        images: 3,
        events: 2,
        size: 12_000,
        timeoutMs: 500,
        ...(curve && { curve }),
      }),
    ),
  }));
  const { connections, answered } = await downgrades(
    hub.port,
    performance.now() + (run.short ? 2500 : 30_000),
  );
  let [tried, taken] = [connections, answered.length + traces(data.path, STRANGER).length];
  if (taken > 0)
    problems.push(`${taken} traces of downgrades: ${[...new Set(answered)].join(", ")}`);
  for (const { what, senders } of strangers) {
    const journal = await senders.stop();
    tried += journal.length;
    const found = [
      ...journal.flatMap(({ reply }) => reply ?? []),
      ...traces(data.path, `${senders.prefix}I`),
      ...traces(data.path, `${senders.prefix}E`),
    ];
    taken += found.length;
    if (journal.length === 0) problems.push(`${what}: nothing was tried`);
    if (found.length > 0)
      problems.push(`${what}: ${found.length} traces of messages taken, as ${found[0]}`);
  }

  const journal = await good.stop();
  problems.push(...problemsOf(judge(data.path, journal)));
  const bad = journal.filter(({ reply }) => reply !== "OK").length;
  if (bad > 0) problems.push(`${bad} requests of those who may send were not served`);
  const p99 = percentile(journal);
  if (p99 > SERVED_MS_MAX) problems.push(`p99 ${p99} ms`);
  if ((await hub.stop()) !== 0) problems.push("the hub did not end with 0");
  const total = (name: string): number =>
    Number(new RegExp(`\\b${name}=(\\d+)`).exec(hub.output.split("Stopped, all")[1] ?? "")?.[1]);
  // Requests that were refused with an ERROR were taken in too.
  const counted = total("images") + total("events") + total("refused") + total("failed");
  if (counted !== journal.length)
    problems.push(
      `the hub has counted ${counted} requests, and ${journal.length} were of those who may send`,
    );
  undo();
  const figure = `${guard.what}: ${taken} traces of ${tried} requests, ${total("denied")} connections refused, ${journal.length} of who may served, p99 ${p99} ms`;
  run.say(figure);
  return { figure, problems: problems.map((problem) => `${guard.what}: ${problem}`) };
}

export const access: Row = {
  name: "access",
  cause:
    "wrong key, NULL peer where CURVE is set, address not allowed, downgrade, beside 6 that may send",
  mustHold: "nothing taken; those who may send are served",
  needs: [],
  run: async (run) => {
    using keys = tempDir();
    const undo = atExit(() => keys[Symbol.dispose]());
    const outcomes: Outcome[] = [];
    for (const guard of guards(keys.path)) outcomes.push(await stand(run, guard));
    undo();
    return {
      figure: outcomes.map(({ figure }) => figure).join("; "),
      problems: outcomes.flatMap(({ problems }) => problems),
    };
  },
};
