/**
 * Webhooks of whole hubs, with receivers that hang, reset, refuse, or show the wrong certificate.
 *
 * @module
 */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, renameSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { freePort } from "../../scripts/lib/free-port.ts";
import { lacks, PARTS, PROGRAMS, runsNatively } from "../../scripts/lib/available.ts";
import { EXIT } from "../../src/errors.ts";
import { daysAfter } from "../../src/protocol/calendar.ts";
import { writeNodes } from "../../src/store/node-file.ts";
import { VERSION } from "../../src/version.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { answered, get, httpOf, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { tempDir } from "../support/machine/temp.ts";
import { makeCertificate } from "../support/peers/certificates.ts";
import { Sender } from "../support/peers/sender.ts";
import { hang, Receiver, reset, status } from "../support/peers/webhook-receiver.ts";
import { addImage, dataDirectory } from "../support/store/days.ts";
import { texts } from "./cameras.ts";
import { BARN } from "./stored.ts";

setDefaultTimeout(120_000);

/** A hub with webhooks. */
const hubWith = async (
  webhooks: readonly Record<string, unknown>[],
  options: Parameters<typeof startHub>[0] = {},
): Promise<Hub> => await startHub({ ...options, env: WITH_HTTP, settings: { hub: { webhooks } } });

const received = async (receiver: Receiver, count: number): Promise<void> => {
  await answered(
    () => Promise.resolve(receiver.requests.length),
    (now) => now >= count,
  );
};

const ofType = (receiver: Receiver, type: string): Record<string, unknown>[] =>
  receiver.facts.filter((facts) => facts["type"] === type);

describe.each(PROGRAMS.filter(runsNatively))("webhooks of a hub (%s)", (program) => {
  test.skipIf(lacks("python", ...PARTS[program]))(
    "one that works gets all in order, however bad the others are, and cameras notice nothing",
    async () => {
      await using good = await Receiver.start();
      await using hangs = await Receiver.start(hang);
      await using resets = await Receiver.start(reset);
      await using fails = await Receiver.start(status(500));
      await using moved = await Receiver.start(status(301, { Location: good.url() }));
      const on = ["event", "image", "start"];
      const others = [hangs, resets, fails, moved].map((receiver) => receiver.url());
      const dead = `http://127.0.0.1:${freePort()}/services/T0SECRET`;
      const nowhere = "http://nowhere.invalid/services/T0SECRET";
      const urls = [...others, dead, nowhere];
      await using hub = await hubWith(
        [...urls.map((url) => ({ url, on })), { url: good.url(), on }],
        { program },
      );
      const replies: (string | null)[] = [];
      {
        await using sender = new Sender(hub.port);
        for (let count = 1; count <= 30; count++) {
          replies.push((await sender.event(`Gate|n|${count}`)).reply);
          replies.push((await sender.jpg(`Barn ${count % 3}|jpg|x`, { file: BARN })).reply);
        }
      }
      expect(new Set(replies)).toEqual(new Set(["OK"]));
      await received(good, 61);
      expect(await hub.stop()).toBe(EXIT.ok);
      expect(ofType(good, "start")).toHaveLength(1);
      expect(ofType(good, "event").map(({ text }) => text)).toEqual([
        expect.stringContaining("Starting imagehub"),
        ...Array.from({ length: 30 }, (_, index) => `Gate|n|${index + 1}`),
        "Exiting imagehub",
      ]);
      const images = ofType(good, "image").map(({ image }) =>
        String(image).slice("Barn-0-".length),
      );
      expect(images).toEqual(images.toSorted());
      expect(new Set(ofType(good, "image").map(({ image }) => image))).toEqual(
        new Set(hub.images().map(({ name }) => name)),
      );
      // The one that hangs is asked for the first message again and again.
      expect(new Set(hangs.facts.map(({ message }) => message)).size).toBe(1);
      for (const [index, reason] of [
        /: the connection was closed without an answer; trying again$/u,
        /: answered 500 Internal Server Error; trying again$/u,
        /: answered 301 Moved Permanently: it has another address now; set url to that; the message is dropped$/u,
        /: connection refused; trying again$/u,
        // The latter without a network.
        /: (?:there is no such host|the name of the host cannot be looked up \(\w+\)); trying again$/u,
      ].entries())
        expect(linesWith(hub, `webhook ${index + 2} (`)[0]).toMatch(reason);
      // What the redirect answers at once may be all of it.
      for (const number of [1, 2, 3, 5, 6]) {
        const lines = linesWith(hub, "the hub stops, and");
        expect(lines.filter((line) => line.includes(`webhook ${number} (`))).toHaveLength(1);
      }
      expect(hub.output()).toContain(`webhooks.0.url=http://127.0.0.1:${hangs.port}/…`);
      expect(hub.output()).not.toMatch(/SECRET|hidden/u);
    },
  );

  test.skipIf(lacks(...PARTS[program]))("a reload reads their files again", async () => {
    using temp = tempDir();
    const own = makeCertificate(temp.path, "own", { owner: "IP:127.0.0.1" });
    const other = makeCertificate(temp.path, "other");
    const [cert, key] = [own.certificate, own.key].map((path) => readFileSync(path, "utf8")) as [
      string,
      string,
    ];
    await using receiver = await Receiver.start(status(204), { cert, key });
    const ca = join(temp.path, "ca.pem");
    writeFileSync(ca, readFileSync(other.certificate));
    await using hub = await hubWith([{ url: receiver.url(), on: "start", ca }], { program });
    const reason = "its certificate is signed by itself; see ca; trying again";
    await until(hub, () => linesWith(hub, reason).length === 1);
    writeFileSync(ca, cert);
    process.kill(hub.pid, "SIGHUP");
    await received(receiver, 1);
    expect(receiver.facts[0]).toMatchObject({ type: "start" });
    const [, settings] = await get(`${httpOf(hub)}/api/status`);
    expect(settings).toContain(`https://127.0.0.1:${receiver.port}/…`);
    expect(settings).not.toMatch(/SECRET|hidden/u);
    expect(await hub.stop()).toBe(EXIT.ok);
    expect(hub.output()).not.toMatch(/SECRET|hidden/u);
  });
});

test.skipIf(lacks("python"))(
  "files are beside the settings, and one that is missing stops nobody",
  async () => {
    using temp = tempDir();
    await using receiver = await Receiver.start();
    const home = join(temp.path, "home");
    const webhooks = [
      { url: receiver.url(), on: "event", template: "nowhere.txt" },
      {
        url: receiver.url(),
        on: "event",
        match: "Gate",
        text: "MOTION",
        header_file: "h",
        secret_file: "s",
      },
    ];
    await using first = await hubWith(webhooks, { dir: home });
    const missing = `Cannot read ${join(home, "nowhere.txt")}: no such file or directory`;
    await until(first, () => linesWith(first, missing).length === 1);
    await until(first, () => linesWith(first, `Cannot read ${join(home, "h")}`).length === 1);
    writeFileSync(join(home, "h"), "Authorization: Bearer letmein\n", { mode: 0o600 });
    writeFileSync(join(home, "s"), "0123456789abcdef0123\n", { mode: 0o600 });
    process.kill(first.pid, "SIGHUP");
    await until(first, () => linesWith(first, "Read the settings again").length === 1);
    await using sender = new Sender(first.port);
    for (const text of ["Barn|motion|on", "Gate|light|on", "Gate|motion|on"])
      expect((await sender.event(text)).reply).toBe("OK");
    await received(receiver, 1);
    expect(await first.stop()).toBe(EXIT.ok);
    expect(receiver.facts).toMatchObject([{ text: "Gate|motion|on", message: "Gate: motion on" }]);
    expect(receiver.requests[0]!.headers).toMatchObject({ authorization: "Bearer letmein" });
    expect(receiver.requests[0]!.headers["x-imagehub-signature"]).toMatch(/^sha256=[0-9a-f]{64}$/u);
    expect(first.output()).not.toContain("letmein");
  },
);

/** The executable for this machine. */
const NATIVE = process.arch === "arm64" ? "arm64" : "x64";

test.skipIf(lacks("python", ...PARTS[NATIVE]))(
  "start, silence, health and the disk arrive as docs/WEBHOOKS.md says",
  async () => {
    using temp = tempDir();
    await using receiver = await Receiver.start();
    const directory = dataDirectory(join(temp.path, "imagehub_data"));
    // A sparse file, so that a day seems to take half of what the disk has left.
    const yesterday = daysAfter(new Date().toISOString().slice(0, 10), -1);
    const image = addImage(directory, yesterday, "10:00");
    const { bavail, bsize } = statfsSync(temp.path);
    truncateSync(join(directory.dateFolder(yesterday), image), Math.floor((bavail * bsize) / 2));
    // Known from before, so that it is not silent yet when the hub first looks.
    const gate = { name: "Gate", address: "", lastHeartbeatMs: 0, silentSinceMs: 0, isTold: false };
    writeNodes(directory, { nodes: [{ ...gate, lastSeenMs: Date.now() }], forgotten: [] });
    await using hub = await startHub({
      program: NATIVE,
      dir: temp.path,
      env: WITH_HTTP,
      timezone: "UTC",
      settings: {
        hub: {
          webhooks: [{ url: receiver.url(), on: ["start", "silent", "health", "disk"] }],
          cameras: [{ match: "Gate", silent_after: 0.1 }],
          // More than any disk has: the first round comes at once, and does not obey.
          keep: { min_free: "1000 TB" },
        },
      },
    });
    await using sender = new Sender(hub.port);
    await answered(
      async () => await statusOf(hub),
      ({ kept, nodes }) => kept !== null && nodes.some(({ silent }) => silent),
    );
    const away = `${directory.path}.away`;
    renameSync(directory.path, away);
    await received(receiver, 4);
    renameSync(away, directory.path);
    await until(hub, () => linesWith(hub, " is back; the hub continues").length === 1);
    await answered(
      async () => await sender.heartbeat("Gate"),
      () => receiver.requests.length >= 6,
    );
    const common = {
      hub: hostname(),
      date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/u),
      time: expect.stringMatching(/^\d\d:\d\d:\d\d$/u),
    };
    const message = expect.any(String);
    const last_seen = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u);
    const silence = { ...common, type: "silent", message, camera: "Gate", last_seen };
    const gone = expect.stringContaining(" is not there any more: ");
    const health = { ...common, type: "health" };
    const told = Object.groupBy(receiver.facts, ({ type }) => String(type));
    expect(told).toEqual({
      start: [
        {
          ...common,
          type: "start",
          message: `The hub has started: imagehub ${VERSION}`,
          version: VERSION,
        },
      ],
      disk: [
        {
          ...common,
          type: "disk",
          message: expect.stringMatching(/^The disk will be full in .* at this week's rate/u),
          ok: false,
          free_bytes: expect.any(Number),
          full_in_days: expect.any(Number),
        },
      ],
      silent: [
        { ...silence, ok: false },
        { ...silence, ok: true },
      ],
      health: [
        { ...health, message: gone, ok: false, reasons: expect.arrayContaining([gone]) },
        { ...health, message: "The hub is healthy again", ok: true, reasons: [] },
      ],
    });
    // The event log has the same words.
    const [silent, back] = told["silent"]!.map((facts) => String(facts["message"]));
    expect(silent).toMatch(/^Gate has been silent for \d+ s$/u);
    expect(back).toMatch(/^Gate is back after \d+ s$/u);
    expect(texts(hub)).toEqual(expect.arrayContaining([`${silent}.`, `${back}.`]));
  },
);
