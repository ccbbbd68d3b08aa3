/**
 * Twelve cameras at a steady pace, beside which a hub does something else; and goals that are met
 * or not.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ack, hub, Running } from "./candidates.ts";
import { CAMERAS } from "./day.ts";
import { table } from "./format.ts";
import { type LoadResult, runLoad } from "./load.ts";
import type { Payload } from "./payloads.ts";
import { settle } from "./workspace.ts";

/** Images a second of each camera. */
const RATE = 10;

/**
 * Starts this machine's executable.
 *
 * @param settings of the hub, as lines of its settings file
 * @param beginMs how long to wait until what it does at its start is done
 * @param ack when it answers
 */
export async function startBeside(
  data: string,
  settings: string,
  beginMs: number,
  ack: Ack = "stored",
): Promise<Running> {
  writeFileSync(join(data, "imagehub.yaml"), `hub:\n${settings === "" ? "  {}\n" : settings}`);
  settle(data);
  const output = join(data, "output");
  const running = new Running(hub("binary"), { data, output, ack, writers: 2 });
  await running.listening();
  await Bun.sleep(beginMs);
  return running;
}

/**
 * Has the cameras send for so many seconds.
 *
 * @param load the program that sends
 * @param rate images a second of each camera
 * @param senders how many cameras
 */
export async function cameras(
  load: string,
  { endpoint }: Running,
  { head, body }: Payload,
  seconds: number,
  rate = RATE,
  senders = CAMERAS,
): Promise<LoadResult> {
  const file = `${load}.payload`;
  writeFileSync(file, body);
  return await runLoad(load, {
    endpoint,
    text: head,
    payload: file,
    senders,
    rate,
    warmup: 1,
    seconds,
    count: senders * rate * 3600,
    threads: 2,
  });
}

/** A figure and its goal, in words, and whether it is met. */
export type Goal = readonly [what: string, goal: string, figure: string, isMet: boolean];

/** Prints the goals. @returns the exit status */
export function reportGoals(goals: readonly Goal[]): number {
  const rows = goals.map(([what, goal, figure, isMet]) => [
    what,
    goal,
    figure,
    isMet ? "met" : "NOT MET",
  ]);
  console.log(table([["what", "goal", "measured", ""], ...rows]).join("\n"));
  return goals.every(([, , , isMet]) => isMet) ? 0 : 1;
}
