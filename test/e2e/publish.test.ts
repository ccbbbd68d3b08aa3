/** Subscribers as imagezmq makes them, of whole hubs. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { lacks, PARTS, PROGRAMS } from "../../scripts/lib/available.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { SUBSCRIBERS_MAX } from "../../src/limits.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { answered, get, httpOf, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { tempDir } from "../support/machine/temp.ts";
import { createCertificates, loadCertificate } from "../support/peers/curve.ts";
import { ImageSubscribers } from "../support/peers/image-subscriber.ts";
import { Sender } from "../support/peers/sender.ts";
import { BARN, sha256 } from "./stored.ts";

setDefaultTimeout(120_000);

const endpoint = (port: number): string => `tcp://127.0.0.1:${port}`;

/** One of the outlets of a hub. */
async function outlet(hub: Hub, name: string) {
  const found = (await statusOf(hub)).outlets.find((each) => each.name === name);
  if (found === undefined) throw new Error(`There is no outlet ${name}`);
  return found;
}

/** Waits until so many subscribers are connected, and what they want is known. */
async function subscribed(hub: Hub, count: number, name = "publish"): Promise<void> {
  await answered(
    async () => (await statusOf(hub)).outlets.find((each) => each.name === name)?.subscribers,
    (subscribers) => subscribers === count,
  );
  await Bun.sleep(200);
}

/** The texts and hashes of the images of a hub, as they are published. */
const imagesOf = (hub: Hub): string[][] =>
  hub.images().map(({ name, bytes }) => {
    const [, camera, date, time] = /^(.*)-(\d{4}-\d\d-\d\d)T(.*)\.jpg$/u.exec(name)!;
    const [hour, minute, second, micros] = time!.split(".");
    return [`${camera}|jpg|${date}T${hour}:${minute}:${second}.${micros}`, sha256(bytes)];
  });

const byText = ([a = ""]: string[], [b = ""]: string[]): number => (a < b ? -1 : 1);

describe.each(PROGRAMS.map((program) => [program]))("published by a hub (%s)", (program) => {
  test.skipIf(lacks("python", ...PARTS[program]))(
    "is every image as it was stored, and every event, for each subscriber",
    async () => {
      const [port, topics] = [freePort(), freePort()];
      await using hub = await startHub({
        program,
        env: WITH_HTTP,
        settings: { hub: { publish: endpoint(port), publish_topics: endpoint(topics) } },
      });
      await using all = new ImageSubscribers({ endpoint: endpoint(port), count: 10 });
      await using gate = new ImageSubscribers({
        endpoint: endpoint(topics),
        count: 1,
        topic: "Gate",
      });
      await subscribed(hub, 10);
      await subscribed(hub, 1, "publish_topics");
      await using sender = new Sender(hub.port);
      for (let number = 0; number < 20; number++) {
        await sender.jpg(number % 2 === 0 ? "Gate North|jpg|moving" : "Barn|jpg|moving", {
          file: BARN,
        });
        await sender.event(`Garage|Temp|${number} F`);
      }
      // Lines of the hub itself are no more than these.
      await all.until(() => all.received.filter(({ text }) => text.includes("|")).length === 400);
      const images = imagesOf(hub);
      const events = Array.from({ length: 20 }, (_, number) => `Garage|Temp|${number} F`);
      for (let number = 0; number < 10; number++) {
        const received = all.of(number);
        expect(
          received
            .filter(({ text }) => text.includes("|jpg|"))
            .map((each) => [each.text, each.sha256])
            .toSorted(byText),
        ).toEqual(images.toSorted(byText));
        expect(
          received.filter(({ text }) => text.includes("|Temp|")).map(({ text }) => text),
        ).toEqual(events);
      }
      await gate.until(() => gate.received.length === 10);
      expect(new Set(gate.received.map(({ topic }) => topic))).toEqual(new Set(["Gate-North"]));
      const state = await answered(
        () => outlet(hub, "publish"),
        ({ sent }) => sent >= 40,
      );
      expect(state).toMatchObject({
        target: endpoint(port),
        dropped: 0,
        waiting: 0,
        last_error: null,
      });
      const [, metrics] = await get(`${httpOf(hub)}/metrics`);
      expect(metrics).toMatch(/^imagehub_outlet_sent_total\{outlet="publish"\} 4\d$/m);
    },
  );
});

test.skipIf(lacks("python"))("a hundred subscribers get the same", async () => {
  const port = freePort();
  await using hub = await startHub({
    env: WITH_HTTP,
    settings: { hub: { publish: endpoint(port) } },
  });
  await using all = new ImageSubscribers({ endpoint: endpoint(port), count: 100 });
  await subscribed(hub, 100);
  await using sender = new Sender(hub.port);
  const sent = Array.from({ length: 20 }, (_, number) => `Garage|Temp|${number} F`);
  for (const text of sent) await sender.event(text);
  await all.until(() => all.received.length === 2000);
  for (let number = 0; number < 100; number++)
    expect(all.of(number).map(({ text }) => text)).toEqual(sent);
});

test.skipIf(lacks("python"))("a subscriber that is stopped holds up no other", async () => {
  const port = freePort();
  await using hub = await startHub({
    env: WITH_HTTP,
    settings: { hub: { publish: endpoint(port), max_images_write: 100_000 } },
  });
  await using well = new ImageSubscribers({ endpoint: endpoint(port), count: 3 });
  await using stopped = new ImageSubscribers({ endpoint: endpoint(port), count: 1 });
  await subscribed(hub, 4);
  stopped.signal("SIGSTOP");
  await using sender = new Sender(hub.port);
  let sent = 0;
  // The buffers of TCP and libzmq hold the first of them.
  while ((await outlet(hub, "publish")).dropped === 0) {
    for (let number = 0; number < 20; number++, sent++)
      await sender.jpg("Barn|jpg|moving", { file: BARN });
    await well.until(() => well.received.length === sent * 3);
  }
  const images = imagesOf(hub).toSorted(byText);
  for (let number = 0; number < 3; number++)
    expect(well.of(number).map(({ text, sha256: hash }) => [text, hash])).toEqual(images);
  stopped.signal("SIGCONT");
  await stopped.until(() => stopped.received.length > 0);
});

test.skipIf(lacks("python"))("what was stored last before a stop is published", async () => {
  const port = freePort();
  await using hub = await startHub({
    env: WITH_HTTP,
    settings: { hub: { publish: endpoint(port) } },
  });
  await using all = new ImageSubscribers({ endpoint: endpoint(port), count: 1 });
  await subscribed(hub, 1);
  await using sender = new Sender(hub.port);
  for (let number = 0; number < 50; number++) await sender.jpg("Barn|jpg|moving", { file: BARN });
  await hub.stop();
  await all.until(() => all.received.filter(({ text }) => text.includes("|jpg|")).length === 50);
});

test.skipIf(lacks("python"))("only those with a known key can subscribe", async () => {
  using temp = tempDir();
  for (const name of ["hub", "known", "stranger"]) createCertificates(temp.path, name);
  const clients = join(temp.path, "clients");
  await Bun.write(join(clients, "known.key"), Bun.file(join(temp.path, "known.key")));
  const secretOf = (name: string): string => join(temp.path, `${name}.key_secret`);
  const [serverKey] = loadCertificate(secretOf("hub"));
  const port = freePort();
  await using hub = await startHub({
    env: WITH_HTTP,
    settings: {
      hub: {
        publish: endpoint(port),
        curve: { server_key: secretOf("hub"), client_keys: clients },
      },
    },
  });
  const by = (name: string) =>
    new ImageSubscribers({
      endpoint: endpoint(port),
      count: 1,
      keys: secretOf(name),
      server_key: serverKey,
    });
  await using stranger = by("stranger");
  await until(hub, () => linesWith(hub, "Refused a subscriber of publish: ").length > 0);
  expect(linesWith(hub, "Refused a subscriber")[0]).toEndWith(
    "its key is not in client_keys from=127.0.0.1",
  );
  await using known = by("known");
  await subscribed(hub, 1);
  // A key that is known from now on.
  await Bun.write(join(clients, "stranger.key"), Bun.file(join(temp.path, "stranger.key")));
  process.kill(hub.pid, "SIGHUP");
  await until(hub, () => linesWith(hub, "Read the keys of 2 clients again").length > 0);
  await using friend = by("stranger");
  await subscribed(hub, 2);
  await hub.stop();
  // The hub's own line about its end.
  await known.until(() => known.received.length > 0);
  await friend.until(() => friend.received.length > 0);
  expect(stranger.received).toEqual([]);
});

test("what other outlets have is told at a stop, too", async () => {
  const taken: string[] = [];
  const receiver = createHttpServer((request, response) => {
    request.resume();
    // As slow as one that is far away.
    setTimeout(() => {
      taken.push(request.url ?? "");
      response.end();
    }, 100);
  });
  const listening = Promise.withResolvers<void>();
  receiver.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const { port } = receiver.address() as AddressInfo;
  try {
    await using hub = await startHub({
      settings: {
        hub: {
          publish: endpoint(freePort()),
          webhooks: [{ url: `http://127.0.0.1:${port}/x`, on: ["event"], text: "Temp" }],
        },
      },
    });
    await using sender = new Sender(hub.port);
    for (let number = 0; number < 8; number++) await sender.event(`Barn|Temp|${number}`);
    expect(await hub.stop()).toBe(0);
    expect(taken).toHaveLength(8);
    expect(linesWith(hub, "has failed")).toEqual([]);
  } finally {
    receiver.closeAllConnections();
    receiver.close();
  }
});

test.skipIf(lacks("python"))(
  "strangers cannot use up the hub by its port for subscribers",
  async () => {
    const port = freePort();
    await using hub = await startHub({
      env: WITH_HTTP,
      settings: { hub: { publish: endpoint(port) } },
    });
    await using early = new ImageSubscribers({ endpoint: endpoint(port), count: 3 });
    await subscribed(hub, 3);
    using strangers = new DisposableStack();
    for (let number = 0; number < 300; number++)
      strangers.adopt(
        connect(port, "127.0.0.1").on("error", () => undefined),
        (socket) => socket.destroy(),
      );
    await until(hub, () => linesWith(hub, `there are ${SUBSCRIBERS_MAX} already`).length > 0);
    await using sender = new Sender(hub.port);
    await sender.event("Barn|Temp|1");
    await early.until(
      () => early.received.filter(({ text }) => text.includes("Temp")).length === 3,
    );
    const descriptors = readdirSync(`/proc/${hub.pid}/fd`).length;
    expect(descriptors).toBeLessThan(SUBSCRIBERS_MAX + 100);
  },
);

test("a port that is in use is told, and cameras notice nothing", async () => {
  const port = freePort();
  const other = createServer();
  const listening = Promise.withResolvers<void>();
  other.listen(port, "127.0.0.1", listening.resolve);
  await listening.promise;
  try {
    await using hub = await startHub({
      env: WITH_HTTP,
      settings: { hub: { publish: endpoint(port) } },
    });
    const state = await answered(
      async () => (await statusOf(hub)).outlets[0],
      (found) => found?.last_error !== undefined,
    );
    expect(state?.connected_since).toBeNull();
    expect(state?.last_error?.message).toContain(`port ${port} is in use by process`);
    expect(linesWith(hub, "publish: Cannot bind")).toHaveLength(1);
  } finally {
    other.close();
  }
});
