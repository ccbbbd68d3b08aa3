/**
 * `npm run bench:tell`: what it costs the cameras that others are told what they send: an MQTT
 * broker, subscribers and webhooks, all of them well, and one of each kind that takes nothing.
 *
 *     npm run bench:tell -- [--disk DIR] [--rounds 3] [--seconds 15]
 *
 * It uses this machine's executable in `dist`, mosquitto, and a folder on the disk of DIR (default
 * the system's folder for temporary files). The exit status is 1 if a goal is not met.
 *
 * @module
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cameras, type Goal, reportGoals, startBeside } from "./bench/beside.ts";
import { ZONE_BEHIND_S } from "./bench/candidates.ts";
import { compile } from "./bench/compile.ts";
import { decimals, milliseconds, whole } from "./bench/format.ts";
import type { LoadResult } from "./bench/load.ts";
import { makePayloads } from "./bench/payloads.ts";
import { machine } from "./bench/report.ts";
import { ratios, spread } from "./bench/statistics.ts";
import { cpuSeconds, residentMb } from "./bench/usage.ts";
import { workFolder } from "./bench/workspace.ts";
import { atExit, exitOnSignals } from "./lib/at-exit.ts";
import { freePort } from "./lib/free-port.ts";

const { values } = parseArgs({
  options: {
    disk: { type: "string", default: tmpdir() },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "15" },
  },
});
const [rounds, seconds] = [values.rounds, values.seconds].map(Number) as [number, number];

/** Images a second of each of the twelve cameras. */
const RATE = 30;

/** The threads that tell are there by then. */
const STARTED_MS = 3000;

/** The last image has been told by then. */
const LAST_MS = 500;

/** Who is told in a measurement. */
type Variant = "nobody" | "all" | "broken";

interface Measured extends LoadResult {
  readonly cpu: number;
  readonly residentMb: number;
  /** From the time in the name of an image until a subscriber has it, in milliseconds. */
  readonly delaysMs: readonly number[];
}

/** Starts a program that ends with this one. */
function start(words: readonly string[]): Bun.Subprocess<"pipe", "pipe", "inherit"> {
  const child = Bun.spawn([...words], { stdio: ["pipe", "pipe", "inherit"] });
  atExit(() => child.kill("SIGKILL"));
  return child;
}

/** A broker without passwords, on this machine only. */
function startBroker(folder: string, port: number): Bun.Subprocess {
  const config = join(folder, "mosquitto.conf");
  writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n`);
  return start(["mosquitto", "-c", config]);
}

/** Takes requests and answers them, or does not. @returns its port */
async function startReceiver(answers: boolean): Promise<number> {
  const server = createServer((request, response) => {
    request.resume();
    if (answers) request.on("end", () => response.end());
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  atExit(() => server.close());
  return (server.address() as { readonly port: number }).port;
}

async function measure(variant: Variant, load: string, data: string): Promise<Measured> {
  const [broker, publish] = [freePort(), freePort()];
  const endpoint = `tcp://127.0.0.1:${publish}`;
  const receivers = variant === "nobody" ? [] : [await startReceiver(true)];
  if (variant === "broken") receivers.push(await startReceiver(false));
  const children: Bun.Subprocess[] = [];
  let subscriber: ReturnType<typeof start> | undefined;
  let settings = "  max_images_write: 1000000\n";
  if (variant !== "nobody") {
    children.push(startBroker(data, broker));
    settings +=
      `  mqtt: {url: "mqtt://127.0.0.1:${broker}"}\n` +
      `  publish: "${endpoint}"\n  webhooks:\n` +
      receivers.map((port) => `    - {url: "http://127.0.0.1:${port}", "on": [image]}\n`).join("");
  }
  await using running = await startBeside(data, settings, STARTED_MS);
  if (variant !== "nobody") {
    const program = [
      process.execPath,
      join(import.meta.dir, "bench/subscriber.ts"),
      endpoint,
      String(ZONE_BEHIND_S),
    ];
    subscriber = start(program);
    children.push(subscriber);
    if (variant === "broken") children.push(start(program));
    await Bun.sleep(STARTED_MS);
    if (variant === "broken")
      // The broker and the second subscriber take nothing any more.
      for (const child of [children[0]!, children.at(-1)!]) child.kill("SIGSTOP");
  }
  const before = cpuSeconds(running.pid);
  const result = await cameras(load, running, (await makePayloads()).jpeg, seconds, RATE);
  const cpu = (cpuSeconds(running.pid) - before) / result.ok;
  const resident = residentMb(running.pid);
  let delaysMs: number[] = [];
  if (subscriber !== undefined) {
    // The last ones are on their way.
    await Bun.sleep(LAST_MS);
    void subscriber.stdin.end();
    delaysMs = (await new Response(subscriber.stdout).json()) as number[];
  }
  await running.stop();
  for (const child of children) {
    child.kill("SIGKILL");
    await child.exited;
  }
  return { ...result, cpu, residentMb: resident, delaysMs };
}

exitOnSignals();
console.log(machine());
const folder = workFolder(values.disk);
const { load } = compile(join(folder, "programs"));
const results: Record<Variant, Measured[]> = { nobody: [], all: [], broken: [] };
for (let round = 0; round < rounds; round++) {
  for (const variant of ["nobody", "all", "broken"] as const) {
    const data = join(folder, `${variant}-${round}`);
    mkdirSync(data, { recursive: true });
    const result = await measure(variant, load, data);
    results[variant].push(result);
    const delay = spread(result.delaysMs)?.median;
    console.log(
      `${variant}: p50 ${result.p50Us} µs, p99 ${result.p99Us} µs, ` +
        `${whole(result.cpu * 1e6)} µs of processor time an image, ${whole(result.residentMb)} MB` +
        (delay === undefined
          ? ""
          : `, ${result.delaysMs.length} of ${result.ok} told after ${milliseconds(delay)}`),
    );
  }
}

const middle = (of: (each: Measured) => number, variant: Variant): number =>
  spread(results[variant].map(of))!.median;
const ratio = (of: (each: Measured) => number, variant: Variant): number =>
  ratios(results[variant].map(of), results.nobody.map(of))!.median;
const delayOf = ({ delaysMs }: Measured): number => spread(delaysMs)?.median ?? Number.NaN;
const goals: Goal[] = [];
for (const [variant, name] of [
  ["all", "all told"],
  ["broken", "one of each kind broken"],
] as const) {
  const p99 = ratio(({ p99Us }) => p99Us, variant);
  const cpu = ratio((each) => each.cpu, variant);
  const delay = middle(delayOf, variant);
  const grown =
    middle((each) => each.residentMb, variant) - middle((each) => each.residentMb, "nobody");
  goals.push(
    [`p99, ${name}, to nobody told`, "at most 1.5", decimals(p99), p99 <= 1.5],
    [`Processor time, ${name}, to nobody told`, "at most 2", decimals(cpu), cpu <= 2],
    [`Until an image is told, ${name}`, "at most 100 ms", milliseconds(delay), delay <= 100],
    [`Memory, ${name}`, "at most +100 MB", `+${whole(grown)} MB`, grown <= 100],
  );
}
process.exit(reportGoals(goals));
