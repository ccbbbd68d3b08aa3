/**
 * An MQTT broker is told all events, while first the hub and then the broker is restarted; then it
 * takes nothing more, while large images and events go on, and the hub is to stop.
 *
 * Without `backlog.giveBack` in `down` of `tell/mqtt.ts`, the broker's restart loses what it has
 * not confirmed: "200 of 3,937 events missing".
 */

import { tempDir } from "../../support/machine/temp.ts";
import { Broker } from "../../support/peers/mqtt-broker.ts";
import { atExit } from "../../../scripts/lib/at-exit.ts";
import { FaultHub } from "../hub.ts";
import type { Row } from "../row.ts";
import { type Entry, Senders } from "../senders.ts";

/** Maximum memory of the hub, in MB: some 80 more than without a broker. */
const MEMORY_MB_MAX = 300;

/**
 * How long a node pauses after each event, in milliseconds. Without a pause, a fast machine sends
 * more while the broker restarts than the hub keeps for it.
 */
const PAUSE_MS = 2;

/** A stop with a broker that takes nothing ends within this, in milliseconds. */
const STOP_MS_MAX = 10_000;

/** After so long without any, no further event comes, in milliseconds. */
const SILENT_MS = 5000;

const answered = (entries: readonly Entry[]): string[] =>
  entries.filter(({ kind, reply }) => kind === "event" && reply === "OK").map(({ msg }) => msg);

export const broker: Row = {
  name: "broker",
  cause:
    "100,000 events for an MQTT broker, the hub and then the broker restarted in between; then a broker that takes nothing, with images of 300 kB and a stop",
  mustHold: "every event is told, memory stays bounded, the stop ends",
  needs: ["broker"],
  run: async (run) => {
    using data = tempDir();
    const undo = atExit(() => data[Symbol.dispose]());
    await using server = await new Broker().start();
    await using listener = await server.listen(["farm/events/#"], "-c", "-i", "row");
    const settings = {
      mqtt: { url: `mqtt://127.0.0.1:${server.port}`, topic: "farm", discovery: "off" },
    };
    await using hub = new FaultHub({ program: run.program, data: data.path, settings });
    await hub.start();
    const wanted = run.short ? 3000 : 100_000;
    const problems: string[] = [];
    const startedMs = performance.now();
    let sent: string[];
    {
      await using senders = new Senders(hub.address, {
        events: 8,
        timeoutMs: 2000,
        pauseMs: PAUSE_MS,
      });
      const until = async (part: number): Promise<void> => {
        while (answered(senders.journal()).length < wanted * part) await Bun.sleep(50);
      };
      await until(1 / 3);
      if ((await hub.stop()) !== 0) problems.push("the hub did not stop");
      await hub.start();
      await until(2 / 3);
      await server.stop();
      await server.start();
      await until(1);
      sent = answered(await senders.stop());
    }
    const seconds = (performance.now() - startedMs) / 1000;
    // The subscriber may be slower than the hub: as long as it hears something, it is waited for.
    for (let heard = -1; heard < listener.heard.length; await Bun.sleep(SILENT_MS))
      heard = listener.heard.length;
    const told = new Set(
      listener.heard.map(
        ({ payload }) => (JSON.parse(payload.toString()) as { text: string }).text,
      ),
    );
    const missing = sent.filter((text) => !told.has(text)).length;
    if (missing > 0) problems.push(`${missing} events were not told`);
    run.say(`${missing} of ${sent.length} events missing after ${seconds.toFixed(0)} s`);

    server.pause();
    let images: number;
    {
      await using senders = new Senders(hub.address, { images: 20, events: 2, size: 300_000 });
      await Bun.sleep(run.short ? 3000 : 60_000);
      const all = await senders.stop();
      images = all.filter(({ kind, reply }) => kind === "image" && reply === "OK").length;
      const refused = all.filter(({ reply }) => reply !== "OK").length;
      if (refused > 0) problems.push(`${refused} requests were not answered OK`);
    }
    const { peakMb } = hub.usage();
    if (peakMb > MEMORY_MB_MAX) problems.push(`${peakMb} MB of memory`);
    const stopMs = performance.now();
    if ((await hub.stop()) !== 0) problems.push("the hub did not stop in time");
    const tookMs = performance.now() - stopMs;
    if (tookMs > STOP_MS_MAX) problems.push(`the stop took ${tookMs.toFixed(0)} ms`);
    undo();
    const figure =
      `${missing} of ${sent.length.toLocaleString("en")} events missing, ` +
      `${Math.round(sent.length / seconds).toLocaleString("en")} a second; with a broker that takes nothing ` +
      `${images.toLocaleString("en")} images of 300 kB stored, ${peakMb} MB, stopped after ${(tookMs / 1000).toFixed(1)} s`;
    return { figure, problems };
  },
};
